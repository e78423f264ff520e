"""Shared material: a sample catalogue, a project folder and a trained model, made once a run."""

import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rakuten.data.sample import make_sample
from rakuten.params import Params, load_params
from rakuten.settings import ProjectPaths
from rakuten.stages.features import run_features
from rakuten.stages.ingest import run_ingest
from rakuten.stages.predict import run_predict
from rakuten.stages.train import TrainOutcome, run_train

REPOSITORY = Path(__file__).resolve().parents[1]
SAMPLE_ROWS = 400
MountSmallDisk = Callable[[Path, str], None]
_OURS = ("AWS_", "MLFLOW_", "PREFECT_", "RAKUTEN_", "LOG_", "GIT_", "DVC_")


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No setting of the developer's shell reaches a test, and no test's path the next one."""
    # A pyfunc that is loaded puts its own code first; processes that start later inherit that.
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name in list(os.environ):
        if name.startswith(_OURS) and name != "RAKUTEN_CATALOGS":
            monkeypatch.delenv(name)
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    before = set(os.environ)
    yield
    for name in set(os.environ) - before:  # what libraries export would reach wider fixtures
        if name.startswith(_OURS):
            del os.environ[name]


@pytest.fixture(scope="session")
def sample_catalogue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sample of 400 products; read it, never write to it."""
    folder = tmp_path_factory.mktemp("sample") / "raw"
    make_sample(folder, rows=SAMPLE_ROWS, seed=7)
    return folder


@pytest.fixture(scope="session")
def quick_params() -> Params:
    """The committed parameters with fewer landmarks and hash columns, for speed."""
    params = load_params(REPOSITORY / "params.yaml")
    image = params.train.image.model_copy(update={"landmarks": 200, "components": 64})
    text = params.train.text.model_copy(update={"hash_bits": 14})
    train = params.train.model_copy(update={"image": image, "text": text, "folds": 3})
    return params.model_copy(update={"train": train})


@pytest.fixture(scope="session")
def make_project(
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[Path], ProjectPaths]:
    """Make a project folder around a copy of a catalogue; returns its paths."""

    def make(catalogue: Path) -> ProjectPaths:
        root = tmp_path_factory.mktemp("project")
        paths = ProjectPaths(root)
        paths.raw.parent.mkdir(parents=True)
        shutil.copytree(catalogue, paths.raw)
        shutil.copy2(REPOSITORY / "params.yaml", root)
        return paths

    return make


@pytest.fixture(scope="session")
def trained_project(
    sample_catalogue: Path, quick_params: Params, make_project: Callable[[Path], ProjectPaths]
) -> tuple[ProjectPaths, TrainOutcome]:
    """A project whose four stages ran on the sample; read it, never write to it."""
    paths = make_project(sample_catalogue)
    run_ingest(paths, threads=2)
    run_features(paths, quick_params.features, threads=2)
    outcome = run_train(paths, quick_params, threads=2)
    run_predict(
        paths.model,
        paths.raw / "X_test.csv",
        paths.test_images,
        paths.predictions,
        quick_params.predict,
        threads=2,
    )
    return paths, outcome


@pytest.fixture
def small_disk() -> Iterator[MountSmallDisk]:
    """Put a real file system of some size at a folder, where this user may mount one."""
    mounted: list[Path] = []

    def mount(folder: Path, size: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
        mounted.append(folder)

    yield mount
    for folder in mounted:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture(autouse=True)
def _restored_logger() -> Iterator[None]:
    """The project's log as it was, after tests that send it where only they can read it."""
    root = logging.getLogger("rakuten")
    handlers, level, propagate = list(root.handlers), root.level, root.propagate
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    root.propagate = propagate
