"""Migrations on both databases, several processes at once, and how an absence is told."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.script import ScriptDirectory

from rakuten.errors import ConfigurationError, DatabaseAwayError, RecordRefusedError, StoreError
from rakuten.store.database import Database, alembic_config
from rakuten.store.predictions import insert_predictions
from rakuten.store.tables import REVISION, metadata
from tests.servers.postgres import Postgres, postgres
from tests.servers.process import free_port
from tests.store.conftest import postgres_url
from tests.store.material import make_record

MIGRATE = "import sys; from rakuten.store.database import Database; Database(sys.argv[1]).migrate()"


def test_migrations_lead_from_empty_to_the_tables_of_the_code(database: Database) -> None:
    with database.write() as connection:
        command.check(alembic_config(connection))  # raises where models and schema differ
        head = ScriptDirectory.from_config(alembic_config(connection)).get_current_head()
        tables = sa.inspect(connection).get_table_names()
    assert head == REVISION
    assert set(tables) == set(metadata.tables) | {"alembic_version"}


def test_migrations_lead_back_to_empty(database: Database) -> None:
    with database.write() as connection:
        command.downgrade(alembic_config(connection), "base")
        assert sa.inspect(connection).get_table_names() == ["alembic_version"]


def test_processes_that_migrate_at_once_all_succeed(url: str) -> None:
    running = [subprocess.Popen([sys.executable, "-c", MIGRATE, url]) for _ in range(4)]
    assert [process.wait(timeout=60) for process in running] == [0, 0, 0, 0]
    Database(url).ping()


def test_second_migration_changes_nothing(database: Database) -> None:
    database.migrate()
    database.ping()


def test_database_of_a_newer_version_is_named(database: Database) -> None:
    with database.write() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = 'r9999'"))
    with pytest.raises(StoreError, match="cannot be brought to revision"):
        database.migrate()


def test_database_without_tables_does_not_pass_for_well(url: str) -> None:
    with pytest.raises(StoreError, match="no tables"):
        Database(url).ping()


def test_sqlite_commits_reach_the_disk(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'deep' / 'er' / 'predictions.db'}")
    with database.read() as connection:
        pragmas = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "secure_delete")
        ]
    assert pragmas == ["wal", 2, 1]


@pytest.mark.parametrize("url", ["mysql://somewhere/x", "sqlite://", "sqlite:///:memory:", "what"])
def test_url_that_cannot_keep_predictions_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="DATABASE_URL"):
        Database(url)


def test_absent_server_is_away_at_once_and_its_password_is_not_shown() -> None:
    database = Database(f"postgresql://someone:hidden-word@127.0.0.1:{free_port()}/none")
    begun = time.monotonic()
    with pytest.raises(DatabaseAwayError) as caught:
        database.ping()
    assert time.monotonic() - begun < 3
    assert "hidden-word" not in str(caught.value)


def test_folder_that_is_gone_is_away(tmp_path: Path) -> None:
    (tmp_path / "predictions.db").mkdir()
    with pytest.raises(DatabaseAwayError):
        Database(f"sqlite:///{tmp_path / 'predictions.db'}").ping()


def test_value_that_a_column_does_not_take_is_the_records_fault(database: Database) -> None:
    with pytest.raises(RecordRefusedError), database.write() as connection:
        insert_predictions(connection, [make_record(label=None)])
    with pytest.raises(RecordRefusedError), database.write() as connection:
        insert_predictions(connection, [make_record(features={"odd": object()})])


@pytest.mark.servers
def test_server_that_hangs_is_cut_off() -> None:
    with postgres() as hanging:
        hanging.make_database("store")
        database = Database(postgres_url(hanging, "store"))
        database.migrate()
        pids = backends(hanging)
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            begun = time.monotonic()
            with pytest.raises(DatabaseAwayError), database.read(1) as connection:
                connection.execute(sa.text("SELECT 1"))
            assert time.monotonic() - begun < 4
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
        database.ping()


@pytest.mark.servers
def test_connections_that_a_restart_ended_are_replaced_unseen() -> None:
    with postgres() as restarted:
        restarted.make_database("store")
        database = Database(postgres_url(restarted, "store"))
        database.migrate()
        restarted.process.stop()
        restarted.process.start()
        database.ping()


def backends(cluster: Postgres) -> list[int]:
    """Processes of the server that answer this project's connections."""
    query = "SELECT pid FROM pg_stat_activity WHERE application_name = 'rakuten'"
    return [int(pid) for pid in cluster.query("store", query)]
