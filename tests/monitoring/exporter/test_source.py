"""Outages, waiting, and many scrapes at once: the exporter outlives all of them, and only reads."""

import logging
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command

from rakuten.monitoring.exporter.collector import StoreCollector
from rakuten.monitoring.exporter.source import StoreSource
from rakuten.store.database import Database, alembic_config
from rakuten.store.monitoring import put_run
from rakuten.store.predictions import insert_predictions
from tests.monitoring.exporter.material import MODEL, Samples, samples_of
from tests.monitoring.exporter.test_collector import ALWAYS
from tests.servers.postgres import postgres
from tests.store.conftest import NAME, MakePostgres, cluster, make_postgres, postgres_url
from tests.store.material import make_record
from tests.store.test_database import backends
from tests.store.test_monitoring import make_run

__all__ = ["cluster", "make_postgres"]

LAST_SUCCESS = "SELECT max(flow_runs"
"""How the one statement begins that each reading has once."""


def shown(source: StoreSource) -> Samples:
    """What a scrape shows now."""
    return samples_of(StoreCollector(source).collect())


def is_up(source: StoreSource) -> bool:
    return shown(source).of("rakuten_exporter_store_up") == 1


def made(path: Path) -> Database:
    """A store in a file."""
    database = Database(f"sqlite:///{path}")
    database.migrate()
    return database


def test_absent_store_shows_itself_alone_and_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place, aside = tmp_path / "store.db", tmp_path / "aside.db"
    made(place).close()
    source = StoreSource(f"sqlite:///{place}", MODEL, every=0)
    before = shown(source)
    assert before.names > ALWAYS
    place.rename(aside)
    with caplog.at_level(logging.INFO, "rakuten"):
        for _ in range(3):
            away = shown(source)
            assert away.names == ALWAYS
            assert away.of("rakuten_exporter_store_up") == 0
        assert not place.exists()  # to look makes no file
        assert [one.levelname for one in caplog.records] == ["WARNING"]
        last = "rakuten_exporter_last_read_timestamp_seconds"
        assert away.of(last) == before.of(last)
        aside.rename(place)
        assert shown(source).names == before.names
    assert caplog.messages[-1].endswith("again")
    source.close()


def test_file_that_comes_back_as_another_one_is_the_one_that_is_read(tmp_path: Path) -> None:
    place = tmp_path / "store.db"
    made(place).close()
    source = StoreSource(f"sqlite:///{place}", MODEL, every=0)
    assert is_up(source)
    for old in tmp_path.iterdir():
        old.unlink()
    assert not is_up(source)
    put_run(made(place), make_run())
    assert shown(source).by("rakuten_monitor_runs_total", "outcome")["critical"] == 1
    source.close()


@pytest.mark.parametrize("revision", ["base", "r0002"])
def test_older_tables_are_no_zeros_and_are_left_as_they_are(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, revision: str
) -> None:
    database = made(tmp_path / "store.db")
    with database.write() as connection:
        command.downgrade(alembic_config(connection), revision)
    source = StoreSource(f"sqlite:///{tmp_path / 'store.db'}", MODEL, every=0)
    assert shown(source).names == ALWAYS - {"rakuten_exporter_last_read_timestamp_seconds"}
    assert "bring tables up to date" in caplog.text
    with database.read() as connection:
        assert not sa.inspect(connection).has_table("flow_runs")
    database.migrate()
    assert is_up(source)
    source.close()


def test_whatever_else_goes_wrong_is_an_outage_and_not_the_end(tmp_path: Path) -> None:
    database = made(tmp_path / "store.db")
    put_run(database, make_run())
    with database.write() as connection:
        connection.execute(sa.text("UPDATE monitor_runs SET finished_at = 'yesterday'"))
    source = StoreSource(f"sqlite:///{tmp_path / 'store.db'}", MODEL, every=0)
    assert not is_up(source)
    put_run(database, make_run())
    with database.write() as connection:
        connection.execute(sa.text("DELETE FROM monitor_runs WHERE finished_at = 'yesterday'"))
    assert is_up(source)
    source.close()


def statements(source: StoreSource, words: str) -> list[str]:
    """Grows with each statement that has these words in it."""
    seen: list[str] = []

    def see(_: object, __: object, statement: str, *___: object) -> None:
        if words in statement:
            seen.append(statement)

    sa.event.listen(source._database.engine, "before_cursor_execute", see)
    return seen


def test_scrapes_within_some_seconds_are_shown_the_same(tmp_path: Path) -> None:
    database = made(tmp_path / "store.db")
    url = f"sqlite:///{tmp_path / 'store.db'}"
    patient, quick = StoreSource(url, MODEL, every=3600), StoreSource(url, MODEL, every=0.2)
    first, before = patient.reading(), quick.reading()
    put_run(database, make_run())
    assert patient.reading() is first
    time.sleep(0.3)
    assert quick.reading() is not before
    assert shown(quick).by("rakuten_monitor_runs_total", "outcome")["critical"] == 1
    patient.close()
    quick.close()


def test_scrapes_at_once_read_once(tmp_path: Path) -> None:
    database = made(tmp_path / "store.db")
    source = StoreSource(f"sqlite:///{tmp_path / 'store.db'}", MODEL, every=0)
    seen, begun, go_on = statements(source, LAST_SUCCESS), threading.Event(), threading.Event()

    asked = threading.Semaphore(0)

    def wait(*_: object) -> None:
        begun.set()
        assert go_on.wait(10)

    def ask() -> Samples:
        asked.release()
        return shown(source)

    sa.event.listen(source._database.engine, "before_cursor_execute", wait)
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(shown, source)
        assert begun.wait(10)
        others = [pool.submit(ask) for _ in range(7)]
        assert all(asked.acquire(timeout=10) for _ in others)
        time.sleep(0.3)  # from here to the lock
        go_on.set()
        found = [one.result(10).of("rakuten_exporter_store_up") for one in (first, *others)]
    assert found == [1] * 8
    assert len(seen) == 1
    source.close()
    database.close()


@pytest.mark.servers
def test_postgresql_that_goes_hangs_and_comes_back_is_followed() -> None:
    with postgres() as server:
        server.make_database("store")
        url = postgres_url(server, "store")
        database = Database(url)
        database.migrate()
        database.close()
        source = StoreSource(url, MODEL, every=0)
        assert shown(source).names > ALWAYS
        server.process.stop()
        assert shown(source).names == ALWAYS
        server.process.start()
        assert is_up(source)
        for pid in (silent := backends(server)):
            os.kill(pid, signal.SIGSTOP)
        begun = time.monotonic()
        assert not is_up(source)
        assert time.monotonic() - begun < 9  # Prometheus waits for 10 s
        for pid in silent:
            os.kill(pid, signal.SIGCONT)
        assert is_up(source)
        source.close()


@pytest.mark.servers
def test_queue_that_cannot_be_counted_in_time_costs_its_families_alone(
    make_postgres: MakePostgres, caplog: pytest.LogCaptureFixture
) -> None:
    url = make_postgres()
    database = Database(url)
    database.migrate()
    with database.write() as connection:
        insert_predictions(connection, [make_record()])
    before, source = StoreSource(url, MODEL), StoreSource(url, MODEL, every=0)
    whole, counts = shown(before), statements(source, "FROM predictions")
    before.close()
    with database.write(60) as connection:
        connection.execute(sa.text("LOCK TABLE predictions IN ACCESS EXCLUSIVE MODE"))
        found = shown(source)
        assert shown(source).names == found.names
    assert len(counts) == 1  # it is not counted again so soon
    lost = whole.names - found.names
    assert lost == {
        "rakuten_review_queue_products",
        "rakuten_review_oldest_age_seconds",
        "rakuten_feedback_total",
    }
    assert found.of("rakuten_exporter_store_up") == 1
    assert "does not give the review queue" in caplog.text
    source.close()
    database.close()


@pytest.mark.servers
def test_role_that_may_only_read_is_enough(
    make_postgres: MakePostgres, request: pytest.FixtureRequest
) -> None:
    server = request.getfixturevalue("cluster")
    database = Database(make_postgres())
    database.migrate()
    put_run(database, make_run())
    for statement in (
        "DROP ROLE IF EXISTS exporter",
        "CREATE ROLE exporter LOGIN PASSWORD 'only-reads'",
        "GRANT SELECT ON ALL TABLES IN SCHEMA public TO exporter",
        "GRANT USAGE ON SCHEMA public TO exporter",
    ):
        server.query(NAME, statement)
    url = f"postgresql://exporter:only-reads@127.0.0.1:{server.port}/{NAME}"
    source = StoreSource(url, MODEL, every=0)
    assert shown(source).by("rakuten_monitor_runs_total", "outcome")["critical"] == 1
    source.close()
    database.close()
