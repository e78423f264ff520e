"""Each role runs in an environment with only what its lock file holds."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rakuten.models.model_directory import FORMAT_VERSION
from rakuten.settings import ProjectPaths
from rakuten.stages.train import TrainOutcome
from rakuten.text import TEXT_VERSION
from tests.conftest import REPOSITORY
from tests.features.networks import save_network

pytestmark = pytest.mark.slow

HEAVY = ("mlflow", "dvc", "pandas", "pandera", "matplotlib", "sklearn", "scipy", "numpy", "cv2")

_BASE = """
import sys
from importlib.util import find_spec
absent = [n for n in ("pandas", "dvc", "mlflow", "pandera", "matplotlib") if find_spec(n)]
assert not absent, absent
from pathlib import Path
from rakuten.models.predictor import Predictor, Product, check_golden
model = Path(sys.argv[1])
predictor = Predictor.load(model)
assert check_golden(predictor, model) < 1e-5
print(predictor.predict([Product("Console de jeux portable")])[0].prdtypecode)
"""


@pytest.fixture(scope="module")
def base_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Python of an environment made from ``requirements/base.txt`` alone."""
    folder = tmp_path_factory.mktemp("base") / "venv"
    uv = str(Path(sys.executable).parent / "uv")
    python = folder / "bin/python"
    quiet = {"capture_output": True, "text": True}
    for command in (
        [uv, "venv", "--python", sys.executable, str(folder)],
        [uv, "pip", "sync", "--python", str(python), "--require-hashes",
         str(REPOSITORY / "requirements/base.txt")],
    ):  # fmt: skip
        done = subprocess.run(command, check=False, **quiet)  # type: ignore[call-overload]
        assert done.returncode == 0, done.stderr
    return python


def _run(python: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "src")}
    return subprocess.run(
        [str(python), *arguments], env=environment, capture_output=True, text=True, check=False
    )


def test_the_base_install_predicts(
    base_python: Path, trained_project: tuple[ProjectPaths, TrainOutcome]
) -> None:
    done = _run(base_python, "-c", _BASE, str(trained_project[0].model))
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().isdecimal()


def test_the_base_install_shows_help_and_names_the_missing_extra(
    base_python: Path, trained_project: tuple[ProjectPaths, TrainOutcome]
) -> None:
    shown = _run(base_python, "-m", "rakuten.cli", "--help")
    assert shown.returncode == 0, shown.stderr
    root = str(trained_project[0].root)
    refused = _run(base_python, "-m", "rakuten.cli", "--root", root, "ingest")
    assert refused.returncode == 1
    assert "pip install '.[pipeline]'" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_the_base_install_says_what_a_network_needs(base_python: Path, tmp_path: Path) -> None:
    onnx = save_network(tmp_path / "network.onnx").model_dump()
    description = {"name": "onnx", "version": "", "dimension": 1, "onnx": onnx}
    manifest = {
        "format_version": FORMAT_VERSION,
        "files": {},
        "text_version": TEXT_VERSION,
        "image_encoder": description,
    }
    (tmp_path / "model").mkdir()
    (tmp_path / "model/manifest.json").write_text(json.dumps(manifest))
    script = f"""
from pathlib import Path
from rakuten.errors import MissingExtraError
from rakuten.models.predictor import Predictor
try:
    Predictor.load(Path({str(tmp_path / "model")!r}))
except MissingExtraError as error:
    print(error)
"""
    done = _run(base_python, "-c", script)
    assert done.returncode == 0, done.stderr
    assert "onnxruntime" in done.stdout
    assert "pip install '.[deep]'" in done.stdout


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys; sys.argv = ['rakuten', '--help']\n"
        "from rakuten.cli.app import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        f"print(sorted(set({HEAVY!r}) & set(sys.modules)))"
    )
    done = _run(Path(sys.executable), "-c", script)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"
