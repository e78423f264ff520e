"""The pipeline under real DVC: what is stale runs, and only that; a killed run starts again."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image

from rakuten.data.corrections import COLUMNS, corrections_frame
from rakuten.io import read_csv, sha256_file, swap_directory, write_csv
from rakuten.params import Params
from tests.conftest import REPOSITORY

pytestmark = pytest.mark.slow

STAGES = ("feedback", "ingest", "features", "train", "predict")
OUTPUTS = (
    "data/interim/merged_train.csv",
    "data/processed/train_features.csv",
    "data/processed/image_features.npy",
    "data/processed/heldout.csv",
    "data/processed/predictions.csv",
    "models/classifier/manifest.json",
    "reports/metrics.json",
)


def run(root: Path, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a command of the environment inside a project."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        command,
        cwd=root,
        env={**os.environ, "PATH": path, "RAKUTEN_THREADS": "2"},
        capture_output=True,
        text=True,
        check=check,
    )


def ran(root: Path) -> list[str]:
    """Stages that a ``dvc repro`` really ran."""
    done = run(root, "dvc", "repro", check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return [name for name in STAGES if f"Running stage '{name}'" in done.stdout]


def stale(root: Path) -> set[str]:
    """Stages whose own params or inputs changed."""
    status: dict[str, Any] = json.loads(run(root, "dvc", "status", "--json").stdout)
    return set(status)


def hashes(root: Path) -> dict[str, str]:
    """Content of the outputs."""
    return {name: sha256_file(root / name) for name in OUTPUTS}


def change(root: Path, name: str, value: object) -> None:
    """Set one dotted parameter."""
    path = root / "params.yaml"
    values = yaml.safe_load(path.read_text())
    *sections, key = name.split(".")
    section = values
    for part in sections:
        section = section[part]
    section[key] = value
    path.write_text(yaml.safe_dump(values))


@pytest.fixture(scope="module")
def fresh(
    sample_catalogue: Path, quick_params: Params, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A project under git and DVC with a sample catalogue; nothing has run."""
    root = tmp_path_factory.mktemp("pipeline") / "project"
    root.mkdir()
    for name in ("dvc.yaml", ".dvcignore", ".gitignore"):
        shutil.copy2(REPOSITORY / name, root)
    (root / ".dvc").mkdir()
    shutil.copy2(REPOSITORY / ".dvc/config", root / ".dvc")
    shutil.copytree(REPOSITORY / "src", root / "src")
    shutil.copytree(sample_catalogue, root / "data/raw")
    (root / "params.yaml").write_text(yaml.safe_dump(quick_params.model_dump(mode="json")))
    run(root, "git", "init", "-q")
    return root


@pytest.fixture(scope="module")
def finished(fresh: Path) -> Path:
    """The same project after a full run; a test that changes it puts it back."""
    assert ran(fresh) == list(STAGES)
    return fresh


def test_a_second_run_does_nothing(finished: Path) -> None:
    before = hashes(finished)
    assert ran(finished) == []
    assert hashes(finished) == before


@pytest.mark.parametrize(
    ("name", "value", "stages"),
    [
        ("split.seed", 7, {"train"}),
        ("features.image_encoder", "another", {"features"}),
        ("features.onnx.pooling", "mean", {"features"}),
        ("train.text.regularisation", 0.5, {"train"}),
        ("train.decision.target_precision", 0.9, {"train"}),
        ("feedback.weight", 2.0, {"train"}),
        ("predict.alternatives", 5, {"predict"}),
    ],
)
def test_a_parameter_makes_its_own_stages_stale(
    finished: Path, name: str, value: object, stages: set[str]
) -> None:
    before = (finished / "params.yaml").read_text()
    try:
        change(finished, name, value)
        assert stale(finished) == stages
    finally:
        (finished / "params.yaml").write_text(before)
    assert stale(finished) == set()


def test_every_parameter_is_read_by_a_stage() -> None:
    stages = yaml.safe_load((REPOSITORY / "dvc.yaml").read_text())["stages"]
    read = {name for stage in stages.values() for name in stage.get("params", [])}
    assert read | {"gate", "monitoring"} == set(
        yaml.safe_load((REPOSITORY / "params.yaml").read_text())
    )


def test_changing_what_predict_reads_runs_predict_alone(finished: Path) -> None:
    before = (finished / "params.yaml").read_text()
    try:
        change(finished, "predict.alternatives", 1)
        assert ran(finished) == ["predict"]
        rows = read_csv(finished / "data/processed/predictions.csv")
        assert {len(json.loads(entry)) for entry in rows["alternatives"]} == {1}
    finally:
        (finished / "params.yaml").write_text(before)
        run(finished, "dvc", "repro")


def test_a_photo_that_arrives_or_changes_is_noticed_by_all_that_read_it(finished: Path) -> None:
    """Only ingest depends on the folder; its table of hashes tells the others."""
    merged = read_csv(finished / "data/interim/merged_train.csv")
    missing = merged.loc[merged["image_status"] == "missing", "image_path"].iloc[0]
    path = finished / "data/raw" / missing
    assert stale(finished) == set()
    Image.new("RGB", (500, 500), "red").save(path, "JPEG")
    try:
        assert "ingest" in stale(finished)
        assert "ingest" in ran(finished)
        merged = read_csv(finished / "data/interim/merged_train.csv")
        status = merged.loc[merged["image_path"] == missing, "image_status"]
        assert status.tolist() == ["ok"]
        Image.new("RGB", (500, 500), "blue").save(path, "JPEG")
        assert ran(finished)[:3] == ["ingest", "features", "train"]
    finally:
        path.unlink()
        run(finished, "dvc", "repro")


def correct(root: Path) -> None:
    """An export of one correction, as ``rakuten feedback export`` swaps it in."""
    product = read_csv(root / "data/raw/X_test.csv").iloc[0]
    row = dict.fromkeys(COLUMNS, "") | {
        "prediction_id": "01a21682-592b-7ff0-8e49-9988d2b74def",
        "designation": product["designation"],
        "description": product["description"],
        "prdtypecode": "10",
        "votes": "1",
    }
    new = root / "data/.feedback.staged"
    write_csv(new / "corrections.csv", corrections_frame([row]))
    swap_directory(new, root / "data/feedback")


def test_corrections_are_trained_on_and_what_is_held_out_stays(finished: Path) -> None:
    before, header = hashes(finished), (finished / "data/feedback/corrections.csv").read_bytes()
    correct(finished)
    try:
        assert stale(finished) == {"feedback", "ingest"}
        assert ran(finished) == list(STAGES)
        assert ran(finished) == []
        after = hashes(finished)
        assert after["data/processed/heldout.csv"] == before["data/processed/heldout.csv"]
        assert after["models/classifier/manifest.json"] != before["models/classifier/manifest.json"]
        assert (finished / "data/feedback/corrections.csv").read_bytes() != header
    finally:
        (finished / "data/feedback/corrections.csv").write_bytes(header)
        run(finished, "dvc", "repro")
    assert hashes(finished) == before


def test_corrections_that_were_not_pulled_are_not_taken_for_none(finished: Path) -> None:
    lock, folder = finished / "dvc.lock", finished / "data/feedback"
    before, header = lock.read_text(), (folder / "corrections.csv").read_bytes()
    correct(finished)
    try:
        run(finished, "dvc", "repro", "--single-item", "feedback")
        shutil.rmtree(folder)
        refused = run(finished, "dvc", "repro", check=False)
        assert refused.returncode != 0
        assert "dvc pull" in refused.stderr
        assert not folder.exists()
        run(finished, "dvc", "checkout", "data/feedback")  # as a pull would end
        assert len(read_csv(folder / "corrections.csv")) == 1
    finally:
        lock.write_text(before)
        folder.mkdir(exist_ok=True)
        (folder / "corrections.csv").unlink(missing_ok=True)
        (folder / "corrections.csv").write_bytes(header)
    assert ran(finished) == []


def test_outputs_hold_no_run_id_time_or_host(finished: Path) -> None:
    """The same inputs give the same bytes, so the cache stays valid."""
    before = hashes(finished)
    done = run(finished, "dvc", "repro", "--force", check=False)
    assert done.returncode == 0, done.stderr
    assert hashes(finished) == before


def test_features_killed_half_way_leave_nothing_that_looks_whole(finished: Path) -> None:
    before = hashes(finished)
    folder = finished / "data/processed"
    for name in ("image_features.npy", "features_manifest.json", "train_features.csv"):
        (folder / name).unlink()
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    process = subprocess.Popen(
        ["rakuten", "features"],
        cwd=finished,
        # Without the cache, so that encoding takes long enough to be killed.
        env={**os.environ, "PATH": path, "RAKUTEN_THREADS": "1", "RAKUTEN_CACHE_DIR": "0"},
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    while not list(folder.glob(".image_features.npy.*.tmp")) and time.monotonic() < deadline:
        time.sleep(0.002)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (folder / "image_features.npy").exists()
    assert not (folder / "features_manifest.json").exists()
    refused = run(finished, "rakuten", "train", check=False)
    assert refused.returncode != 0
    assert "rakuten features" in refused.stderr

    for orphan in folder.glob(".*.tmp"):
        os.utime(orphan, (0, 0))
    run(finished, "rakuten", "features")
    assert hashes(finished) == before
    assert list(folder.glob(".*.tmp")) == []


def test_the_module_form_is_the_command(finished: Path) -> None:
    before = hashes(finished)
    for module in (
        "rakuten.data.make_dataset",
        "rakuten.features.build_features",
        "rakuten.models.train_model",
        "rakuten.models.predict_model",
    ):
        done = run(finished, sys.executable, "-m", module, check=False)
        assert done.returncode == 0, done.stderr
    assert hashes(finished) == before
    shown = run(finished, sys.executable, "-m", "rakuten.models.predict_model", "--help").stdout
    assert "--images" in shown


def test_metrics_and_plots_are_declared(finished: Path) -> None:
    metrics = json.loads(run(finished, "dvc", "metrics", "show", "--json").stdout)
    found = metrics[""]["data"]["reports/metrics.json"]["data"]
    assert 0 < found["held_out"]["weighted_f1"] <= 1
    with Image.open(finished / "reports/confusion_matrix.png") as picture:
        assert min(picture.size) > 300
