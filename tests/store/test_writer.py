"""Nothing acknowledged is lost, nothing is there twice, and an answer waits for the disk."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from rakuten.errors import DatabaseAwayError, RecordRefusedError, StoreError, StoreFullError
from rakuten.store.database import Database
from rakuten.store.feedback import read_feedback
from rakuten.store.predictions import read_prediction
from rakuten.store.spool import Spool
from rakuten.store.tables import feedback, predictions
from rakuten.store.writer import Kept, Writer
from tests.conftest import REPOSITORY, MountSmallDisk
from tests.servers.postgres import postgres
from tests.servers.process import free_port
from tests.store.conftest import postgres_url
from tests.store.material import make_feedback, make_record


@contextmanager
def running(database: Database, spool: Spool, **options: float) -> Iterator[Writer]:
    """A writer for the length of the block."""
    writer = Writer(database, spool, **options)  # type: ignore[arg-type]
    writer.start()
    try:
        yield writer
    finally:
        writer.stop(10)


def wait_until(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Fail if a condition does not come true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come true in time"
        time.sleep(0.02)


def stored_ids(database: Database) -> list[str]:
    """Ids of all rows, in the order in which they were written."""
    order = sa.text("rowid" if database.is_sqlite else "ctid")
    with database.read() as connection:
        statement = sa.select(predictions.c.prediction_id).order_by(order)
        return list(connection.execute(statement).scalars())


def load_until_killed(url: str, spool: Path, count: int, seconds: float = 0) -> dict[str, str]:
    """Run :mod:`tests.store.load`, kill it in the middle; what it acknowledged, by id."""
    command = [sys.executable, "-m", "tests.store.load", url, str(spool)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY)
    assert child.stdout is not None
    lines = [child.stdout.readline() for _ in range(count)]
    time.sleep(seconds)
    child.send_signal(signal.SIGKILL)
    lines += child.stdout.read().splitlines(keepends=True)
    child.wait()
    return dict(line.split() for line in lines if line.endswith("\n"))


def count_pairs(database: Database) -> tuple[int, int]:
    """Rows of predictions and of feedback."""
    with database.read() as connection:
        one, other = (
            connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
            for table in (predictions, feedback)
        )
    return one, other


def test_record_is_in_the_database_when_its_future_resolves(
    database: Database, tmp_path: Path
) -> None:
    with running(database, Spool(tmp_path / "spool")) as writer:
        record = make_record()
        assert writer.submit(record).result(10) == "stored"
        assert read_prediction(database, record.prediction_id) == record
        said = make_feedback(record.prediction_id)
        assert writer.submit(said).result(10) == "stored"
        assert read_feedback(database, record.prediction_id) == [said]
        many = [make_record() for _ in range(256)]
        assert writer.submit_many(many).result(10) == "stored"
        assert writer.state().spooled == 0
    assert set(stored_ids(database)) == {record.prediction_id, *(r.prediction_id for r in many)}


def test_killed_process_lost_nothing_that_it_acknowledged(
    database: Database, url: str, tmp_path: Path
) -> None:
    for _ in range(2):
        acknowledged = load_until_killed(url, tmp_path / "spool", 200)
        assert set(acknowledged.values()) == {"stored"}
        assert set(acknowledged) <= set(stored_ids(database))
    assert all(read_feedback(database, one) for one in list(acknowledged)[:50])


def test_killed_process_whose_database_was_away_lost_nothing(tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    nowhere = f"postgresql://nobody@127.0.0.1:{free_port()}/none"
    acknowledged = load_until_killed(nowhere, spool, 200)
    acknowledged |= load_until_killed(nowhere, spool, 200)
    assert set(acknowledged.values()) == {"spooled"}
    database = Database(f"sqlite:///{tmp_path / 'predictions.db'}")
    database.migrate()
    with running(database, Spool(spool)) as writer:
        wait_until(lambda: writer.submit(make_record()).result(10) == "stored")
    assert set(acknowledged) <= set(stored_ids(database))
    assert all(read_feedback(database, one) for one in list(acknowledged)[:50])


@pytest.mark.servers
def test_future_waits_for_a_commit_that_takes_its_time(
    make_postgres: Callable[[], str], tmp_path: Path
) -> None:
    database = Database(make_postgres())
    database.migrate()
    with database.write() as connection:
        for statement in (
            "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS "
            "'BEGIN PERFORM pg_sleep(1.5); RETURN NULL; END'",
            "CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON predictions DEFERRABLE "
            "INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wait()",
        ):
            connection.exec_driver_sql(statement)
    with running(database, Spool(tmp_path)) as writer:
        record = make_record()
        future = writer.submit(record)
        time.sleep(1)
        assert not future.done()
        assert read_prediction(database, record.prediction_id) is None
        assert future.result(10) == "stored"
        assert read_prediction(database, record.prediction_id) == record


@pytest.mark.servers
def test_commit_that_hangs_goes_to_the_spool_and_in_once(
    make_postgres: Callable[[], str], tmp_path: Path
) -> None:
    database = Database(make_postgres())
    database.migrate()
    with running(database, Spool(tmp_path), commit_seconds=1) as writer:
        assert writer.submit(make_record()).result(10) == "stored"
        with database.write() as connection:  # another one holds the table
            connection.exec_driver_sql("LOCK TABLE predictions IN ACCESS EXCLUSIVE MODE")
            record = make_record()
            assert writer.submit(record).result(5) == "spooled"
            begun = time.monotonic()
            assert writer.submit(make_record()).result(5) == "spooled"
            assert time.monotonic() - begun < 0.5
        wait_until(lambda: writer.submit(make_record()).result(10) == "stored")
    written = stored_ids(database)
    assert len(written) == len(set(written))
    assert record.prediction_id in written


@pytest.mark.servers
def test_outage_under_load_fails_nothing_loses_nothing_and_keeps_the_order(tmp_path: Path) -> None:
    with postgres(fsync=True) as cluster:
        cluster.make_database("store")
        database = Database(postgres_url(cluster, "store"))
        database.migrate()
        with running(database, Spool(tmp_path, segment_bytes=50_000)) as writer:
            stop = threading.Event()
            kept: list[list[tuple[str, Kept]]] = [[] for _ in range(8)]

            def submit(mine: list[tuple[str, Kept]]) -> None:
                while not stop.wait(0.002):
                    record = make_record()
                    mine.append((record.prediction_id, writer.submit(record).result(20)))

            threads = [threading.Thread(target=submit, args=(mine,)) for mine in kept]
            for thread in threads:
                thread.start()
            time.sleep(1)
            cluster.process.stop()
            assert all(mine for mine in kept)
            time.sleep(3)
            cluster.process.start()
            try:
                wait_until(lambda: all(mine[-1][1] == "stored" for mine in kept), 60)
            finally:
                stop.set()
            for thread in threads:
                thread.join()
        written = stored_ids(database)
        places = {one: place for place, one in enumerate(written)}
        assert len(places) == len(written) == sum(map(len, kept))
        for mine in kept:
            # Each thread waited for one answer before it sent the next.
            assert [places[one] for one, _ in mine] == sorted(places[one] for one, _ in mine)
            answers = [where for _, where in mine]
            assert answers[0] == answers[-1] == "stored"
            assert answers.count("spooled") > 10
        database.close()


@pytest.mark.servers
def test_process_killed_in_the_middle_of_the_replay_leaves_nothing_twice(
    make_postgres: Callable[[], str], tmp_path: Path
) -> None:
    nowhere = f"postgresql://nobody@127.0.0.1:{free_port()}/none"
    acknowledged = load_until_killed(nowhere, tmp_path, 3000)
    url = make_postgres()
    database = Database(url)
    database.migrate()
    with database.write() as connection:  # so that there is a middle
        for statement in (
            "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS "
            "'BEGIN PERFORM pg_sleep(0.2); RETURN NULL; END'",
            "CREATE TRIGGER slow AFTER INSERT ON predictions "
            "FOR EACH STATEMENT EXECUTE FUNCTION wait()",
        ):
            connection.exec_driver_sql(statement)
    rounds = 0
    while len(stored_ids(database)) < len(acknowledged):
        before = len(stored_ids(database))
        acknowledged |= load_until_killed(url, tmp_path, 1, seconds=0.7)
        assert len(stored_ids(database)) > before
        rounds += 1
        if rounds == 3:
            with database.write() as connection:
                connection.exec_driver_sql("DROP TRIGGER slow ON predictions")
    with running(database, Spool(tmp_path)) as writer:
        wait_until(lambda: writer.state().spooled == 0)
    written = stored_ids(database)
    assert rounds >= 2
    assert len(written) == len(set(written))
    assert set(acknowledged) <= set(written)
    database.close()


def test_database_that_comes_back_gets_everything_and_then_the_new(tmp_path: Path) -> None:
    file = tmp_path / "predictions.db"
    file.mkdir()  # no file: SQLite cannot open it
    database = Database(f"sqlite:///{file}")
    with running(database, Spool(tmp_path / "spool")) as writer:
        records = [make_record() for _ in range(5)]
        assert {writer.submit(record).result(10) for record in records} == {"spooled"}
        assert writer.state().spooled == 5
        assert not writer.state().database_up
        assert read_prediction_while_away(database, records[3].prediction_id, tmp_path / "spool")
        file.rmdir()
        database.migrate()
        wait_until(lambda: writer.state().spooled == 0)
        wait_until(lambda: writer.submit(make_record()).result(10) == "stored")
    assert stored_ids(database)[:5] == [record.prediction_id for record in records]


def read_prediction_while_away(database: Database, prediction_id: str, folder: Path) -> bool:
    """Whether a spooled answer can be read, and an unknown one is not said to be absent."""
    spool = Spool(folder)
    with pytest.raises(DatabaseAwayError):
        read_prediction(database, make_record().prediction_id, spool)
    return read_prediction(database, prediction_id, spool) is not None


def test_full_disk_is_told_at_once_and_ends_when_there_is_room(
    tmp_path: Path, small_disk: MountSmallDisk
) -> None:
    disk = tmp_path / "disk"
    small_disk(disk, "200k")
    (disk / "ballast").write_bytes(b"x" * 50_000)
    database = Database(f"postgresql://nobody@127.0.0.1:{free_port()}/none")
    spool = Spool(disk / "spool", segment_bytes=40_000)
    with running(database, spool) as writer:
        kept = []
        for _ in range(200):
            record = make_record()
            future = writer.submit(record)
            if future.exception(10) is not None:
                break
            kept.append(record)
        begun = time.monotonic()
        failure = writer.submit(make_record()).exception(10)
        assert isinstance(failure, StoreFullError)
        assert time.monotonic() - begun < 1
        (disk / "ballast").unlink()  # somebody makes room
        assert writer.submit(make_record()).result(10) == "spooled"
    assert len(kept) > 20
    assert spool.waiting == len(kept) + 1


def test_full_spool_does_not_matter_while_the_database_is_back(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", max_bytes=10_000)
    for _ in range(4):
        spool.append([make_record()])
    spool.rotate()
    database = Database(f"sqlite:///{tmp_path / 'predictions.db'}")
    database.migrate()
    with running(database, spool) as writer:
        with database.write():  # the replay must wait
            future = writer.submit_many([make_record() for _ in range(8)])
            time.sleep(0.5)
            assert not future.done()
        assert future.result(10) == "stored"
        wait_until(lambda: writer.state().spooled == 0)
    assert len(stored_ids(database)) == 12


def test_record_that_is_refused_fails_alone(database: Database, tmp_path: Path) -> None:
    with running(database, Spool(tmp_path / "spool")) as writer:
        good = [make_record() for _ in range(5)]
        bad = make_record(label=None)
        futures = [writer.submit(record) for record in [*good[:3], bad, *good[3:]]]
        failures = [future.exception(10) for future in futures]
    assert isinstance(failures.pop(3), RecordRefusedError)
    assert failures == [None] * 5
    assert len(stored_ids(database)) == 5


def test_refused_record_in_the_spool_fails_alone_too(tmp_path: Path) -> None:
    database = Database(f"postgresql://nobody@127.0.0.1:{free_port()}/none")
    with running(database, Spool(tmp_path)) as writer:
        bad = make_record(confidence=float("nan"))
        futures = [writer.submit(record) for record in (make_record(), bad, make_record())]
        failures = [future.exception(10) for future in futures]
    assert isinstance(failures[1], RecordRefusedError)
    assert [failures[0], failures[2]] == [None, None]


def test_stop_keeps_what_was_taken_and_takes_no_more(database: Database, tmp_path: Path) -> None:
    writer = Writer(database, Spool(tmp_path / "spool"))
    writer.start()
    futures = [writer.submit(make_record()) for _ in range(500)]
    assert writer.stop(20)
    assert {future.result(0) for future in futures} == {"stored"}
    assert isinstance(writer.submit(make_record()).exception(0), StoreError)
    assert len(stored_ids(database)) == 500


def test_stop_ends_in_time_where_the_database_does_not_answer(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'predictions.db'}")
    database.migrate()
    writer = Writer(database, Spool(tmp_path / "spool"))
    writer.start()
    with database.write():
        futures = [writer.submit(make_record())]
        time.sleep(0.1)
        futures.append(writer.submit(make_record()))
        begun = time.monotonic()
        assert not writer.stop(0.5)
        assert time.monotonic() - begun < 2
        assert isinstance(futures[1].exception(0), StoreError)
    assert futures[0].result(10) == "stored"


def test_more_than_may_wait_is_refused_at_once(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'predictions.db'}")
    database.migrate()
    with running(database, Spool(tmp_path / "spool"), max_waiting=10) as writer:
        with database.write():
            first = writer.submit(make_record())
            wait_until(lambda: writer.state().waiting == 0)
            futures = [writer.submit(make_record()) for _ in range(12)]
            refused = [future for future in futures if future.done()]
            assert [type(future.exception(0)) for future in refused] == [StoreFullError] * 2
        assert first.result(10) == "stored"
        assert [future.result(10) for future in futures[:10]] == ["stored"] * 10


def test_future_cannot_be_cancelled_by_a_client_that_leaves(
    database: Database, tmp_path: Path
) -> None:
    with running(database, Spool(tmp_path / "spool")) as writer:
        future = writer.submit(make_record())
        assert not future.cancel()
        assert future.result(10) == "stored"


def test_left_segment_of_a_process_that_died_is_taken_in_by_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rakuten.store.writer._ORPHANS_SECONDS", 0.1)
    database = Database(f"sqlite:///{tmp_path / 'predictions.db'}")
    database.migrate()
    neighbour = Spool(tmp_path / "spool")
    record = make_record()
    neighbour.append([record])
    with running(database, Spool(tmp_path / "spool")) as writer:
        assert writer.submit(make_record()).result(10) == "stored"  # it waits for nobody
        time.sleep(0.3)
        assert read_prediction(database, record.prediction_id) is None
        neighbour.rotate()  # as the kernel does when a process ends
        wait_until(lambda: read_prediction(database, record.prediction_id) == record)


@pytest.mark.servers
def test_server_that_stands_still_costs_one_wait_and_no_record(tmp_path: Path) -> None:
    with postgres() as cluster:
        cluster.make_database("store")
        database = Database(postgres_url(cluster, "store"))
        database.migrate()
        with running(database, Spool(tmp_path), commit_seconds=1) as writer:
            assert writer.submit(make_record()).result(10) == "stored"
            query = "SELECT pid FROM pg_stat_activity WHERE application_name = 'rakuten'"
            pids = [int(pid) for pid in cluster.query("store", query)]
            for pid in pids:
                os.kill(pid, signal.SIGSTOP)
            try:
                assert writer.submit(make_record()).result(5) == "spooled"
            finally:
                for pid in pids:
                    os.kill(pid, signal.SIGCONT)
            wait_until(lambda: writer.submit(make_record()).result(10) == "stored")
        written = stored_ids(database)
        assert len(written) == len(set(written)) >= 3
        database.close()
