"""The main job on real catalogues: import, reproduce, evaluate, as a user does it."""

import json
import os
import shutil
from pathlib import Path

import pytest

from rakuten.io import read_csv
from tests.conftest import REPOSITORY
from tests.test_pipeline import STAGES, ran, run

pytestmark = pytest.mark.catalogs


@pytest.fixture(scope="session")
def catalogues() -> Path:
    """Folder of the real catalogues; without it these tests fail, they never skip."""
    folder = os.environ.get("RAKUTEN_CATALOGS")
    assert folder, "set RAKUTEN_CATALOGS to the folder that holds fashion/ and flipkart/"
    found = Path(folder)
    assert found.is_dir(), f"RAKUTEN_CATALOGS={folder} is no folder"
    return found.resolve()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project as a clone has it, with the committed parameters."""
    for name in ("dvc.yaml", "params.yaml", ".dvcignore", ".gitignore"):
        shutil.copy2(REPOSITORY / name, tmp_path)
    (tmp_path / ".dvc").mkdir()
    shutil.copy2(REPOSITORY / ".dvc/config", tmp_path / ".dvc")
    shutil.copytree(REPOSITORY / "src", tmp_path / "src")
    run(tmp_path, "git", "init", "-q")
    return tmp_path


def _run_to_predictions(project: Path, source: Path) -> None:
    imported = run(project, "rakuten", "data", "import", str(source), check=False)
    assert imported.returncode == 0, imported.stderr
    assert not (project / "data/raw/Y_test.csv").exists()
    assert ran(project) == list(STAGES)
    predictions = read_csv(project / "data/processed/predictions.csv")
    test = read_csv(project / "data/raw/X_test.csv", index=True)
    assert predictions["index"].tolist() == test["index"].tolist()


@pytest.mark.parametrize("name", ["fashion", "flipkart"])
def test_a_real_catalogue_runs_to_good_predictions(
    project: Path, catalogues: Path, name: str
) -> None:
    _run_to_predictions(project, catalogues / name)
    labels = str(catalogues / name / "Y_test.csv")
    shown = run(project, "rakuten", "evaluate", "--labels", labels, "--json").stdout
    found = json.loads(shown)
    assert found["unlabelled"] == found["unpredicted"] == 0
    assert found["scores"]["weighted_f1"] >= 0.90
    final = run(project, "rakuten", "runs", "finalize").stdout
    assert "attached" in final
    assert ran(project) == []


def test_a_catalogue_without_photos_runs_to_predictions(
    project: Path, catalogues: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    bare = tmp_path_factory.mktemp("bare")
    for path in (catalogues / "flipkart").glob("*.*"):
        shutil.copy2(path, bare)
    _run_to_predictions(project, bare)
    manifest = json.loads((project / "models/classifier/manifest.json").read_text())
    assert manifest["branches"] == ["text"]
    labels = str(catalogues / "flipkart/Y_test.csv")
    shown = run(project, "rakuten", "evaluate", "--labels", labels, "--json").stdout
    assert json.loads(shown)["scores"]["weighted_f1"] >= 0.88
