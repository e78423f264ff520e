"""A project whose next stage is train, a store in S3, and what a refused stage says."""

import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from rakuten.cli.app import app
from rakuten.errors import PreflightError
from rakuten.params import Params
from rakuten.settings import ProjectPaths
from rakuten.stages.train import TrainOutcome
from tests.servers.object_store import ObjectStore, object_store

Trained = tuple[ProjectPaths, TrainOutcome]
Warned = Callable[[], list[str]]
BUCKET = "runs"


@pytest.fixture(autouse=True)
def _log_as_before() -> Iterator[None]:
    log = logging.getLogger("rakuten")
    handlers, level, propagate = log.handlers[:], log.level, log.propagate
    yield
    log.handlers[:], log.propagate = handlers, propagate
    log.setLevel(level)


@pytest.fixture
def project(
    trained_project: Trained,
    quick_params: Params,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> ProjectPaths:
    """A project whose features are made and that has no model yet."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    root, source = tmp_path / "project", trained_project[0]
    for name in ("raw", "interim", "processed"):
        shutil.copytree(source.root / "data" / name, root / "data" / name, copy_function=os.link)
    paths = ProjectPaths(root)
    paths.predictions.unlink()
    (paths.processed / "heldout.csv").unlink()
    paths.params.write_text(yaml.safe_dump(quick_params.model_dump(mode="json")))
    return paths


def rakuten(paths: ProjectPaths, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["--root", str(paths.root), *arguments])


def state(paths: ProjectPaths) -> dict[Path, float]:
    """Every file of a project that a stage could have written, with its age."""
    files = (path for path in paths.root.rglob("*") if path.is_file())
    return {path: path.stat().st_mtime for path in files if path.suffix != ".lock"}


def refused(paths: ProjectPaths, stage: str = "train") -> str:
    """What the command says that refuses to start a stage; it has not written anything."""
    before = state(paths)
    start = time.monotonic()
    answer = rakuten(paths, stage)
    assert time.monotonic() - start < 15
    assert isinstance(answer.exception, PreflightError), answer.output
    assert answer.exception.hint
    assert state(paths) == before
    assert answer.stdout == ""
    assert answer.exception.message.startswith(f"{stage} was not started: ")
    return str(answer.exception)


@contextmanager
def changed(store: ObjectStore, change: Callable[[], object]) -> Iterator[None]:
    """The store after it was away for a change."""
    store.process.stop()
    try:
        change()
    finally:
        store.process.start()
    yield


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    with object_store(tmp_path_factory.mktemp("store")) as running:
        running.make_bucket(BUCKET)
        yield running


@pytest.fixture
def warned(caplog: pytest.LogCaptureFixture) -> Warned:
    """Ask for the warnings of the project's log so far."""
    logging.getLogger("rakuten").propagate = True
    return lambda: [entry.message for entry in caplog.records if entry.levelname == "WARNING"]
