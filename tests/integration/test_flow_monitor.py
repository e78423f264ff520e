"""The flow that monitors: a retraining that is open goes first, and is closed with its outcome."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from rakuten.errors import BusyError, CheckFailedError, StageError
from rakuten.flows.lock import hold
from rakuten.settings import Settings
from rakuten.store.database import Database
from rakuten.store.monitoring import DecisionRecord, put_decision, read_decisions, read_runs
from tests.flows.chat import Chat, chat
from tests.integration.conftest import Project
from tests.integration.flow_project import FlowProject, make_flow_project
from tests.servers.prefect_server import PrefectServer

pytestmark = pytest.mark.servers

QUICK = "echo x >> ../runs; [ ! -e ../fail ] || exit 2; echo 1 > first.txt"


@pytest.fixture
def room() -> Iterator[Chat]:
    """Where people are told."""
    with chat() as running:
        yield running


@pytest.fixture
def project(
    copy_project: Callable[[str], Project],
    prefect: PrefectServer,
    room: Chat,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[FlowProject]:
    """A project whose flows run in this process and report to the shared Prefect server."""
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogWorker
    from prefect.settings import (
        PREFECT_API_URL,
        PREFECT_HOME,
        PREFECT_SERVER_ANALYTICS_ENABLED,
        temporary_settings,
    )

    made = make_flow_project(copy_project("project")[0], QUICK, prefect.environment)
    for name, value in {"NO_PROXY": "127.0.0.1", "RAKUTEN_NOTIFY_URL": room.url}.items():
        monkeypatch.setenv(name, value)
    settings = {
        PREFECT_API_URL: prefect.api,
        PREFECT_HOME: prefect.folder / "client",
        PREFECT_SERVER_ANALYTICS_ENABLED: False,
    }
    with temporary_settings(settings):
        yield made
        for worker in (APILogWorker, EventsWorker):  # or they look for the server after its end
            worker.drain_all(timeout=10)


def run_monitor(project: FlowProject, **limits: float) -> str:
    from rakuten.flows.monitor import monitor
    from rakuten.flows.project import Limits

    values: dict[str, Any] = {"retries": 1, "retry_seconds": 0.1, **limits}
    return monitor(root=project.paths.root, limits=Limits(**values))


def promote(project: FlowProject) -> None:
    """Make the project's model champion, by a run of the pipeline."""
    from rakuten.flows.pipeline import rakuten_pipeline

    assert rakuten_pipeline(root=project.paths.root).state == "promoted"


def store(project: FlowProject) -> Database:
    database = Database(Settings().store_url(project.paths.root))
    database.migrate()
    return database


def decide_to_retrain(project: FlowProject, *, age: timedelta = timedelta(minutes=5)) -> None:
    """As if a check had decided so, and its process had been killed right after."""
    reason = {"code": "streak", "sentence": "2 of the last 3 windows are violated.", "data": {}}
    decision = DecisionRecord(
        decision_id="01900000-0000-7000-8000-000000000001",
        created_at=datetime.now(UTC) - age,
        model_name="rakuten-classifier",
        model_version=1,
        action="retrain",
        reasons=[reason],
        evidence=[],
    )
    put_decision(store(project), decision)


def retraining(project: FlowProject) -> DecisionRecord:
    (found,) = read_decisions(store(project), 9, action="retrain")
    return found


def state_of(prefect: PrefectServer, project: FlowProject, flow: str) -> str:
    """Name of the final state of the newest run of a flow in a project."""
    root = str(project.paths.root)
    known = {one["id"]: one["name"] for one in prefect.ask("/flows/filter", {})}
    mine = [one for one in prefect.flow_runs() if one["parameters"].get("root") == root]
    return str(next(one["state_name"] for one in mine if known[one["flow_id"]] == flow))


def test_without_traffic_nothing_follows_and_the_check_is_in_the_store(
    project: FlowProject, prefect: PrefectServer, room: Chat
) -> None:
    promote(project)
    assert "too little data" in run_monitor(project)
    assert state_of(prefect, project, "monitor") == "Nothing"
    (run,) = read_runs(store(project), 9)
    assert run.outcome == "not_enough_data"
    assert room.messages == []


def test_a_check_that_failed_ends_the_flow_failed_alerts_people_and_retrains_nothing(
    project: FlowProject, prefect: PrefectServer, room: Chat
) -> None:
    with pytest.raises(CheckFailedError, match="champion"):
        run_monitor(project)
    assert state_of(prefect, project, "monitor") == "Failed"
    (run,) = read_runs(store(project), 9)
    assert (run.outcome, run.finished_at is None) == ("check_failed", False)
    (decision,) = read_decisions(store(project), 9)
    assert decision.action == "alert"
    (message,) = room.messages
    assert "No version of rakuten-classifier is champion" in message["text"]
    assert project.runs == []


def test_an_open_retraining_is_carried_out_first_and_keeps_what_came_of_it(
    project: FlowProject, prefect: PrefectServer, room: Chat
) -> None:
    decide_to_retrain(project)
    assert "version 1 is champion now" in run_monitor(project)
    found = retraining(project)
    assert found.result is not None
    assert (found.result["state"], found.result["version"]) == ("promoted", 1)
    assert found.finished_at is not None
    assert project.runs == ["x"]
    assert state_of(prefect, project, "monitor") == "Promoted"
    assert state_of(prefect, project, "rakuten_pipeline") == "Promoted"
    assert "the retraining is done" in room.messages[-1]["text"]
    assert read_runs(store(project), 9) == []  # this run carried it out and checked nothing
    run_monitor(project)
    assert len(read_runs(store(project), 9)) == 1
    assert project.runs == ["x"]


def test_a_retraining_that_cannot_begin_now_stays_open_and_one_that_fails_for_good_is_closed(
    project: FlowProject, prefect: PrefectServer
) -> None:
    decide_to_retrain(project)
    (project.paths.root.parent / "fail").touch()
    path = project.paths.root / ".rakuten" / "pipeline.lock"
    with hold(path, "a pipeline run", "somebody"), pytest.raises(BusyError, match="somebody"):
        run_monitor(project, lock_minutes=0)
    assert retraining(project).finished_at is None
    with pytest.raises(StageError, match="first failed"):
        run_monitor(project)
    assert state_of(prefect, project, "monitor") == "Failed"
    result = retraining(project).result
    assert result is not None
    assert result["state"] == "failed"
    assert "first failed" in result["error"]
    assert project.runs == ["x"]


def test_a_retraining_that_another_run_carries_out_is_left_to_it(
    project: FlowProject, prefect: PrefectServer
) -> None:
    promote(project)
    decide_to_retrain(project)
    path: Path = project.paths.root / ".rakuten" / "retraining.lock"
    with hold(path, "a retraining", "another run"):
        assert "too little data" in run_monitor(project)
    assert state_of(prefect, project, "monitor") == "Nothing"
    assert retraining(project).finished_at is None


def test_a_decision_that_nobody_could_carry_out_for_a_day_is_given_up(
    project: FlowProject, room: Chat
) -> None:
    promote(project)
    decide_to_retrain(project, age=timedelta(hours=25))
    assert "too little data" in run_monitor(project)
    result = retraining(project).result
    assert result is not None
    assert result["state"] == "expired"
    assert "given up" in room.messages[-1]["text"]
    assert len(read_runs(store(project), 9)) == 1
