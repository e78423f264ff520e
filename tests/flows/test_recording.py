"""The record of a pipeline run in the store: whatever ends the run, and whatever the store does."""

import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from rakuten.errors import DatabaseAwayError, StageError
from rakuten.flows import recording as recording_module
from rakuten.flows.publication import PipelineOutcome
from rakuten.flows.recording import STORE_SECONDS, recorded
from rakuten.flows.reproduction import Reproduced
from rakuten.settings import Settings
from rakuten.store.database import Database
from rakuten.store.flow_runs import FlowRun, read_flow_runs
from tests.conftest import REPOSITORY
from tests.servers.process import free_port

PROMOTED = PipelineOutcome("promoted", 7, "a1b2")
KILLED = """
import os, signal, sys
from pathlib import Path
from rakuten.flows.recording import recorded
from rakuten.flows.reproduction import Reproduced
from rakuten.settings import Settings
with recorded(Settings(), Path(sys.argv[1]), "killed") as recording:
    recording.add(Reproduced("ingest", "ran", 1.5))
    os.kill(os.getpid(), signal.SIGKILL)
"""


def kept(root: Path) -> list[FlowRun]:
    """What the project's own store has."""
    database = Database(Settings().store_url(root))
    try:
        return read_flow_runs(database, 9)
    finally:
        database.close()


@pytest.fixture
def hung() -> Iterator[int]:
    """A port where somebody takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_run_is_in_the_store_while_it_goes_on_and_as_it_ended(tmp_path: Path) -> None:
    with recorded(Settings(), tmp_path, "pipeline-1") as recording:
        (begun,) = kept(tmp_path)
        assert (begun.name, begun.state, begun.finished_at) == ("pipeline-1", None, None)
        with recording.stage("ingest"):
            pass
        recording.add(Reproduced("ingest", "cached", 0.5))
        recording.add(Reproduced("train", "ran", 12.34567))
        (under_way,) = kept(tmp_path)
        assert [one["stage"] for one in under_way.stages] == ["ingest", "train"]
        recording.publish(PROMOTED, {"weighted_f1": 0.875, "odd": float("nan")})
        time.sleep(0.05)
    (run,) = kept(tmp_path)
    assert (run.run_id, run.started_at) == (begun.run_id, begun.started_at)
    assert (run.flow, run.model_name) == ("rakuten_pipeline", "rakuten-classifier")
    assert (run.state, run.version, run.mlflow_run_id) == ("promoted", 7, "a1b2")
    assert run.stages == [
        {"stage": "ingest", "outcome": "cached", "seconds": 0.5},
        {"stage": "train", "outcome": "ran", "seconds": 12.346},
    ]
    assert (run.scores, run.error) == ({"weighted_f1": 0.875}, None)
    assert run.finished_at
    assert 0.05 <= (run.finished_at - run.started_at).total_seconds() < 30


def test_run_that_fails_names_the_stage_and_the_reason(tmp_path: Path) -> None:
    with (
        pytest.raises(StageError, match="no room"),
        recorded(Settings(), tmp_path, "pipeline-1") as recording,
        recording.stage("train"),
    ):
        raise StageError("train failed: no room.", hint="make some")
    (run,) = kept(tmp_path)
    assert (run.state, run.error) == ("failed", "train failed: no room.")
    assert [(one["stage"], one["outcome"]) for one in run.stages] == [("train", "failed")]
    assert run.finished_at


def test_run_that_fails_behind_its_promotion_has_failed_and_keeps_the_version(
    tmp_path: Path,
) -> None:
    def push_away() -> None:
        with recorded(Settings(), tmp_path, "pipeline-1") as recording:
            recording.publish(PROMOTED, {})
            raise OSError("dvc push did not get through")

    with pytest.raises(OSError, match="dvc push"):
        push_away()
    (run,) = kept(tmp_path)
    assert (run.state, run.version) == ("failed", 7)
    assert run.error == "OSError: dvc push did not get through"


def test_interrupted_run_has_failed_and_the_interrupt_goes_on(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), recorded(Settings(), tmp_path, "pipeline-1"):
        raise KeyboardInterrupt
    (run,) = kept(tmp_path)
    assert (run.state, run.error) == ("failed", "KeyboardInterrupt")


def test_killed_run_has_its_stages_and_no_end(tmp_path: Path) -> None:
    command = [sys.executable, "-c", KILLED, str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "src")}
    assert subprocess.run(command, env=environment, check=False).returncode == -signal.SIGKILL
    (run,) = kept(tmp_path)
    assert (run.state, run.finished_at) == (None, None)
    assert [one["stage"] for one in run.stages] == ["ingest"]


@pytest.mark.parametrize("hangs", [False, True])
def test_absent_store_costs_a_warning_and_little_time_and_no_run(
    hung: int, hangs: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    port = hung if hangs else free_port()
    settings = Settings(database_url=f"postgresql://someone:hidden-word@127.0.0.1:{port}/none")
    begun = time.monotonic()
    with (
        caplog.at_level(logging.WARNING, "rakuten"),
        recorded(settings, tmp_path, "pipeline-1") as recording,
    ):
        for stage in ("ingest", "features", "train", "predict"):
            recording.add(Reproduced(stage, "ran", 1.0))
        recording.publish(PROMOTED, {})
    assert time.monotonic() - begun < 4 * STORE_SECONDS
    assert len(caplog.messages) == 2  # at the start and at the end
    assert "hidden-word" not in caplog.text
    assert not (tmp_path / ".rakuten").exists()


def test_store_that_comes_back_has_the_whole_run(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place = tmp_path / ".rakuten" / "predictions.db"
    place.mkdir(parents=True)  # what SQLite cannot open
    with pytest.raises(DatabaseAwayError):
        kept(tmp_path)
    with recorded(Settings(), tmp_path, "pipeline-1") as recording:
        recording.add(Reproduced("ingest", "ran", 1.0))
        place.rmdir()
        recording.add(Reproduced("train", "ran", 1.0))
        recording.publish(PROMOTED, {})
    (run,) = kept(tmp_path)
    assert run.state == "promoted"
    assert [one["stage"] for one in run.stages] == ["ingest", "train"]
    assert len(caplog.messages) == 1


def test_setting_that_names_no_database_costs_no_run(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with recorded(Settings(database_url="mysql://here/x"), tmp_path, "p") as recording:
        recording.publish(PROMOTED, {})
    assert "cannot keep predictions" in caplog.text


def test_store_of_a_writer_that_does_not_end_is_waited_for_as_long_as_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording_module, "STORE_SECONDS", 0.3)
    database = Database(Settings().store_url(tmp_path))
    database.migrate()
    begun = time.monotonic()
    with database.write() as connection:
        connection.execute(sa.text("DELETE FROM claims"))
        with recorded(Settings(), tmp_path, "p") as recording:
            recording.publish(PROMOTED, {})
    assert time.monotonic() - begun < 9  # a transaction's own limit is 10 s
    assert "locked" in caplog.text
    database.close()
