"""PostgreSQL, an S3 store and a tracking server on both, started once and shared."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rakuten.settings import ProjectPaths
from rakuten.stages.train import TrainOutcome
from tests.servers.mlflow_server import TrackingServer, tracking_server
from tests.servers.object_store import ObjectStore, object_store
from tests.servers.postgres import Postgres, postgres
from tests.servers.prefect_server import PrefectServer, prefect_server
from tests.servers.process import ServerProcess

BUCKET = "tracking"
PREFIX = "artifacts"
Project = tuple[ProjectPaths, TrainOutcome]


@pytest.fixture(scope="session")
def database() -> Iterator[Postgres]:
    """A PostgreSQL cluster with an empty database for the shared server."""
    with postgres() as running:
        running.make_database("mlflow")
        yield running


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    """An S3 store with one bucket."""
    with object_store(tmp_path_factory.mktemp("store")) as running:
        running.make_bucket(BUCKET)
        yield running


@pytest.fixture(scope="session")
def server(
    database: Postgres, store: ObjectStore, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TrackingServer]:
    """The shared tracking server; clients send artifacts through it and have no S3 keys."""
    with tracking_server(
        tmp_path_factory.mktemp("server"),
        database.environment("mlflow"),
        f"s3://{BUCKET}/{PREFIX}",
        store=store.environment,
    ) as running:
        yield running


@pytest.fixture
def copy_project(trained_project: Project, tmp_path: Path) -> Callable[[str], Project]:
    """Make a copy of the trained project that may be written to."""

    def copy(name: str) -> Project:
        shutil.copytree(trained_project[0].root, tmp_path / name, copy_function=os.link)
        paths, found = ProjectPaths(tmp_path / name), trained_project[1]
        return paths, TrainOutcome(
            found.metrics, found.model_sha256, found.split_fingerprint, paths.model
        )

    return copy


@contextmanager
def away(process: ServerProcess, signal_number: int | None = None) -> Iterator[None]:
    """Take a server away for the length of the block, and bring it back."""
    if signal_number is None:
        process.stop()
    else:
        process.stop(signal_number)
    try:
        yield
    finally:
        process.start()


@pytest.fixture(scope="session")
def prefect(
    database: Postgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[PrefectServer]:
    """The shared Prefect server; its state is in a database of the cluster."""
    database.make_database("prefect")
    folder = tmp_path_factory.mktemp("prefect")
    with prefect_server(folder, database.environment("prefect")) as running:
        yield running
