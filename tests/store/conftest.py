"""A migrated SQLite file for most tests; PostgreSQL with fsync on for those marked ``servers``."""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from rakuten.store.database import Database
from tests.servers.postgres import OWNER, Postgres, postgres

MakePostgres = Callable[[], str]
NAME = "store"
END_OTHERS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
)
SQLITE_AND_POSTGRES = ["sqlite", pytest.param("postgres", marks=pytest.mark.servers)]


@pytest.fixture(scope="session")
def cluster() -> Iterator[Postgres]:
    """A PostgreSQL whose commits are on disk."""
    with postgres(fsync=True) as running:
        running.make_database(NAME)
        yield running
        running.process.stop(signal.SIGQUIT)  # nobody needs what a checkpoint would save


@pytest.fixture
def make_postgres(cluster: Postgres) -> MakePostgres:
    """Empty the database; returns its URL."""

    def make() -> str:
        cluster.query(NAME, END_OTHERS)
        cluster.query(NAME, "DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        return postgres_url(cluster, NAME)

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
