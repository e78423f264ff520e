"""A migrated SQLite file for most tests; PostgreSQL with fsync on for those marked ``servers``."""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from rakuten.store.database import Database
from tests.servers.postgres import OWNER, Postgres, postgres

MakePostgres = Callable[[], str]
SQLITE_AND_POSTGRES = ["sqlite", pytest.param("postgres", marks=pytest.mark.servers)]


@pytest.fixture(scope="session")
def cluster() -> Iterator[Postgres]:
    """A PostgreSQL whose commits are on disk."""
    with postgres(fsync=True) as running:
        yield running
        running.process.stop(signal.SIGQUIT)  # nobody needs what a checkpoint would save


@pytest.fixture
def make_postgres(cluster: Postgres) -> MakePostgres:
    """Make an empty database; returns its URL."""

    def make() -> str:
        names = cluster.query("postgres", "SELECT count(*) FROM pg_database")
        name = f"store{names[0]}"
        cluster.make_database(name)
        return postgres_url(cluster, name)

    return make


@pytest.fixture(params=SQLITE_AND_POSTGRES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of either kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store' / 'predictions.db'}"
    make: MakePostgres = request.getfixturevalue("make_postgres")
    return make()


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    """A database with its tables."""
    made = Database(url)
    made.migrate()
    yield made
    made.close()


def postgres_url(cluster: Postgres, name: str) -> str:
    """URL of a database of the cluster, its password escaped."""
    return sa.URL.create(
        "postgresql", OWNER, cluster.password, "127.0.0.1", cluster.port, name
    ).render_as_string(hide_password=False)
