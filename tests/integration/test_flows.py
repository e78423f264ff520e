"""Flows on a real Prefect server, DVC, MLflow and workers: each ends in the right state."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from rakuten.tracking.pending import pending_runs
from tests.conftest import REPOSITORY
from tests.flows.chat import SECRET, chat
from tests.integration.conftest import Project, away
from tests.integration.flow_project import FlowProject, make_flow_project, wait_until
from tests.servers.mlflow_server import TrackingServer
from tests.servers.prefect_server import PrefectServer

pytestmark = pytest.mark.servers

QUICK = "echo hello from first; echo x >> ../runs; echo 1 > first.txt"
HELD = (
    "echo began >> ../runs; while [ ! -e ../go ]; do sleep 0.1; done; "
    "echo ended >> ../runs; echo 1 > first.txt"
)
"""A stage that lasts until the test lets it go on."""
RUN = ("run", "pipeline", "--retry-seconds", "0.5")

MakeProject = Callable[..., FlowProject]


@pytest.fixture
def make(copy_project: Callable[[str], Project], prefect: PrefectServer) -> Iterator[MakeProject]:
    """Make a project whose flows report to the shared Prefect server; its stages end with it."""
    made: list[FlowProject] = []

    def make(first: str = QUICK, **environment: str) -> FlowProject:
        paths = copy_project("project")[0]
        made.append(make_flow_project(paths, first, {**prefect.environment, **environment}))
        return made[-1]

    yield make
    for project in made:
        project.let_go()


def newest(prefect: PrefectServer, project: FlowProject) -> dict[str, Any]:
    """The newest flow run of a project."""
    root = str(project.paths.root.resolve())
    return next(run for run in prefect.flow_runs() if run["parameters"].get("root") == root)


def test_a_refused_and_a_promoted_model_are_seen_with_tasks_states_and_artifacts(
    make: MakeProject, prefect: PrefectServer, server: TrackingServer
) -> None:
    project = make(
        MLFLOW_TRACKING_URI=server.uri,
        MLFLOW_EXPERIMENT_NAME="flow",
        MLFLOW_MODEL_NAME="flow-model",
    )
    project.set_floor(0.999)
    printed = project.run(*RUN, code=3)
    assert "was refused by the gate: floor weighted_f1" in printed
    run = newest(prefect, project)
    assert (run["state_name"], run["state_type"]) == ("Refused", "COMPLETED")
    tasks = prefect.task_runs(run["id"])
    names = ["preflight", "first", "train", "finalize", "register", "gate"]
    assert sorted(tasks, key=lambda name: tasks[name]["start_time"]) == names
    assert {task["state_name"] for task in tasks.values()} == {"Completed"}
    wait_until(lambda: "hello from first" in prefect.log_lines(run["id"]), "the stage in the log")
    found = prefect.artifacts(run["id"])
    assert set(found) == {"stages", "scores", "verdict", "mlflow-run"}
    assert "| **fails** | floor weighted_f1 |" in found["verdict"]["data"]
    assert f"({server.uri}/#/experiments/" in found["mlflow-run"]["data"]

    project.set_floor(0.0)
    assert "flow-model version 1 is champion now" in project.run(*RUN)
    run = newest(prefect, project)
    assert run["state_name"] == "Promoted"
    assert prefect.task_runs(run["id"])["first"]["state_name"] == "Unchanged"
    assert project.runs == ["x"]
    promoted, refused = project.recorded()
    assert (promoted.state, promoted.version, refused.state) == ("promoted", 1, "refused")
    assert promoted.name == run["name"]
    assert [one["outcome"] for one in refused.stages] == ["ran", "ran"]
    assert [one["outcome"] for one in promoted.stages] == ["unchanged", "unchanged"]
    assert promoted.scores["weighted_f1"] == refused.scores["weighted_f1"] > 0


def test_what_a_run_made_is_pushed_and_a_remote_in_trouble_fails_the_push_alone(
    make: MakeProject, prefect: PrefectServer, tmp_path: Path
) -> None:
    remote = tmp_path / "remote"
    project = make(f"{QUICK}; echo 1 > ../remote")  # in the way once the preflight is over
    command = [sys.executable, "-m", "dvc", "remote", "add", "-d", "folder", str(remote)]
    subprocess.run(command, cwd=project.paths.root, check=True)
    printed = project.run(*RUN, "--push", "--retries", "1", code=1)
    assert "dvc push did not get through" in printed
    run = newest(prefect, project)
    tasks = prefect.task_runs(run["id"])
    assert run["state_name"] == "Failed"
    assert (tasks["gate"]["state_name"], tasks["push"]["state_name"]) == ("Completed", "Failed")

    remote.unlink()
    assert "is the champion already" in project.run(*RUN, "--push")
    assert prefect.task_runs(newest(prefect, project)["id"])["push"]["state_name"] == "Completed"
    assert any(path.is_file() for path in remote.rglob("*"))
    assert project.runs == ["x"]


def test_a_stage_that_is_killed_twice_then_works(make: MakeProject, prefect: PrefectServer) -> None:
    project = make(
        "echo x >> ../runs; [ $(wc -l < ../runs) -gt 2 ] || kill -9 $$; echo 1 > first.txt"
    )
    project.run(*RUN)
    run = newest(prefect, project)
    assert run["state_name"] == "Promoted"
    task = prefect.task_runs(run["id"])["first"]
    states = prefect.states(task["id"])
    assert states[-1] == "Completed"
    assert states.count("AwaitingRetry") == 2
    assert len(project.runs) == 3


def test_a_stage_that_fails_for_a_reason_of_its_own_fails_at_once_and_people_are_told(
    make: MakeProject, prefect: PrefectServer
) -> None:
    with chat() as room:
        project = make(
            "echo x >> ../runs; echo 'error: params.yaml: no such encoder.' >&2; exit 2",
            RAKUTEN_NOTIFY_URL=room.url,
        )
        printed = project.run(*RUN, code=1)
    assert "error: first failed: params.yaml: no such encoder." in printed
    assert project.runs == ["x"]
    run = newest(prefect, project)
    assert run["state_type"] == "FAILED"
    (record,) = project.recorded()
    assert (record.state, record.error) == (
        "failed",
        "first failed: params.yaml: no such encoder.",
    )
    assert [(one["stage"], one["outcome"]) for one in record.stages] == [("first", "failed")]
    (message,) = room.messages
    assert run["name"] in message["text"]
    assert "no such encoder" in message["text"]
    assert SECRET not in printed + str(prefect.log_lines(run["id"])) + str(run)


def test_an_absent_tracking_server_costs_no_run_and_the_flow_goes_on_when_it_is_back(
    make: MakeProject, prefect: PrefectServer, server: TrackingServer
) -> None:
    project = make(
        MLFLOW_TRACKING_URI=server.uri,
        MLFLOW_EXPERIMENT_NAME="away",
        MLFLOW_MODEL_NAME="away-model",
    )
    with away(server.process):
        printed = project.run(*RUN, "--retries", "1", code=1)
        assert "the run waits for the tracking server" in printed
        assert newest(prefect, project)["state_type"] == "FAILED"
        (waiting,) = pending_runs(project.paths.pending_runs)
        assert "dvc_lock_sha256" in waiting.record.tags

        running = project.begin("run", "pipeline", "--retry-seconds", "3")
        run = wait_until(lambda: retrying(prefect, project), "a second attempt to register")
    printed = running.end()
    assert "away-model version 1 is champion now" in printed
    assert prefect.ask(f"/flow_runs/{run}")["state_name"] == "Promoted"
    assert pending_runs(project.paths.pending_runs) == []
    assert project.runs == ["x"]


def retrying(prefect: PrefectServer, project: FlowProject) -> str | None:
    """Id of the newest run of a project, once its task ``register`` waits for another attempt."""
    run = newest(prefect, project)
    task = prefect.task_runs(run["id"]).get("register")
    waits = run["state_type"] == "RUNNING" and task and task["state_name"] == "AwaitingRetry"
    return run["id"] if waits else None


def test_a_flow_that_was_killed_and_is_started_again_waits_for_the_stage_that_goes_on(
    make: MakeProject, prefect: PrefectServer
) -> None:
    project = make(HELD)
    first = project.begin(*RUN)
    wait_until(lambda: project.runs == ["began"], "the stage has begun")
    killed = newest(prefect, project)["id"]
    first.process.kill()
    second = project.begin(*RUN)
    wait_until(lambda: waiting(prefect, project, killed), "the second run waits")
    project.let_go()
    assert "that was killed, what it began still runs" in second.end()
    assert project.runs == ["began", "ended"]
    run = newest(prefect, project)
    assert run["id"] != killed
    assert run["state_name"] == "Promoted"
    assert prefect.task_runs(run["id"])["first"]["state_name"] == "Unchanged"
    assert [(one.state, one.error) for one in project.recorded()] == [
        ("promoted", None),
        (None, None),
    ]


def test_a_flow_that_is_told_to_end_takes_the_stage_along_and_people_are_told(
    make: MakeProject, prefect: PrefectServer
) -> None:
    with chat() as room:
        project = make(HELD, RAKUTEN_NOTIFY_URL=room.url)
        running = project.begin(*RUN)
        wait_until(lambda: project.runs == ["began"], "the stage has begun")
        stage = psutil.Process(running.process.pid).children(recursive=True)
        running.process.terminate()
        running.end(None)
    assert running.process.returncode != 0
    wait_until(lambda: not any(map(lives, stage)), "all that it began has ended")
    assert newest(prefect, project)["state_type"] == "CRASHED"
    assert "ended as Crashed" in room.messages[0]["text"]
    (record,) = project.recorded()
    assert record.state == "failed"
    assert [(one["stage"], one["outcome"]) for one in record.stages] == [("first", "failed")]
    project.let_go()
    project.run(*RUN)
    assert project.runs == ["began", "began", "ended"]


def lives(process: psutil.Process) -> bool:
    """Whether a process goes on; one that nobody has reaped yet does not."""
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def waiting(prefect: PrefectServer, project: FlowProject, killed: str) -> bool:
    """Whether a run after the killed one says in its log that it waits."""
    run = newest(prefect, project)
    lines = prefect.log_lines(run["id"])
    return run["id"] != killed and any(line.startswith("waiting up to") for line in lines)


def test_a_flow_that_was_killed_with_all_it_began_runs_the_stage_again(
    make: MakeProject, prefect: PrefectServer
) -> None:
    project = make(HELD)
    first = project.begin(*RUN)
    wait_until(lambda: project.runs == ["began"], "the stage has begun")
    process = psutil.Process(first.process.pid)
    for one in [process, *process.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):  # a child may go with its parent
            one.kill()
    first.end(None)
    project.let_go()
    assert "pid" in (project.paths.root / ".dvc" / "tmp" / "rwlock").read_text()
    project.run(*RUN)
    assert project.runs == ["began", "began", "ended"]
    assert newest(prefect, project)["state_name"] == "Promoted"


def test_of_flows_started_at_once_one_works_the_other_waits_and_the_impatient_fails(
    make: MakeProject, prefect: PrefectServer
) -> None:
    project = make(HELD)
    both = [project.begin(*RUN), project.begin(*RUN)]
    wait_until(lambda: project.runs == ["began"], "the stage has begun")
    refused = project.run(*RUN, "--lock-minutes", "0", code=1)
    assert "A pipeline run of this project is under way already, by flow run pipeline-" in refused
    project.let_go()
    printed = [running.end() for running in both]
    assert sum("waiting up to 1800 s: a pipeline run is under way" in one for one in printed) == 1
    assert project.runs == ["began", "ended"]
    root = str(project.paths.root.resolve())
    mine = [run for run in prefect.flow_runs() if run["parameters"].get("root") == root]
    assert sorted(run["state_name"] for run in mine) == ["Failed", "Promoted", "Unchanged"]


def test_a_deployment_of_prefect_yaml_is_run_by_a_worker(
    make: MakeProject, prefect: PrefectServer, tmp_path: Path
) -> None:
    project = make()
    root = project.paths.root
    (root / "prefect.yaml").write_text((REPOSITORY / "prefect.yaml").read_text())
    environment = {**os.environ, **project.environment, "PWD": str(root)}

    def command(*arguments: str) -> list[str]:
        return [sys.executable, "-m", "prefect", "--no-prompt", *arguments]

    for arguments in (
        ["work-pool", "create", "rakuten", "--type", "process"],
        ["deploy", "--all"],
    ):
        done = subprocess.run(
            command(*arguments), cwd=root, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
    found = {name: prefect.ask(f"/deployments/name/{name}") for name in DEPLOYMENTS}
    schedules = {
        name: [(entry["schedule"]["cron"], entry["active"]) for entry in one["schedules"]]
        for name, one in found.items()
    }
    assert schedules == {
        "rakuten_pipeline/pipeline": [("0 3 * * 1", False)],
        "monitor/monitor": [("0 * * * *", True)],
    }
    worker = subprocess.Popen(  # it ends by SIGINT alone, whatever it is sent
        ["env", "--default-signal=INT", *command("worker", "start", "--pool", "rakuten")],
        cwd=tmp_path,
        env=environment,
        stdout=(tmp_path / "worker.log").open("w"),
        stderr=subprocess.STDOUT,
    )
    try:
        run = begin_run(prefect, found["rakuten_pipeline/pipeline"]["id"])
        wait_until(lambda: ended(prefect, run), "the worker has run it", 120)
    finally:
        worker.terminate()
        worker.wait(timeout=30)
    assert prefect.ask(f"/flow_runs/{run}")["state_name"] == "Promoted"
    assert project.runs == ["x"]


DEPLOYMENTS = ("rakuten_pipeline/pipeline", "monitor/monitor")
"""Flow and deployment, as ``prefect.yaml`` names them."""


def begin_run(prefect: PrefectServer, deployment: str) -> str:
    """Ask for a run of a deployment, without feedback."""
    wanted = {"parameters": {"feedback": False}, "state": {"type": "SCHEDULED"}}
    return str(prefect.ask(f"/deployments/{deployment}/create_flow_run", wanted)["id"])


def ended(prefect: PrefectServer, run: str) -> bool:
    """Whether a run is in a final state."""
    state = prefect.ask(f"/flow_runs/{run}")["state_type"]
    return state in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")


def deployment(prefect: PrefectServer, root: Path) -> dict[str, Any] | None:
    """The pipeline's deployment, once it is that of a project."""
    wanted = {"deployments": {"name": {"any_": ["pipeline"]}}}
    found = prefect.ask("/deployments/filter", wanted)
    mine = [one for one in found if one["parameters"].get("root") == str(root.resolve())]
    return mine[0] if mine else None


def test_served_flows_run_and_the_process_ends_in_order(
    make: MakeProject, prefect: PrefectServer
) -> None:
    project = make()
    root = project.paths.root
    (root / "prefect.yaml").write_text((REPOSITORY / "prefect.yaml").read_text())
    # As a shell script starts what goes on in the background.
    serving = project.begin("serve", by=("env", "--ignore-signal=INT"))
    try:
        found = wait_until(lambda: deployment(prefect, root), "the deployments are there")
        run = begin_run(prefect, found["id"])
        wait_until(lambda: ended(prefect, run), "the run has ended", 120)
    finally:
        serving.process.send_signal(signal.SIGTERM)
        printed = serving.end(0)
    assert prefect.ask(f"/flow_runs/{run}")["state_name"] == "Promoted", printed
    assert prefect.ask(f"/deployments/{found['id']}")["paused"] is True
    assert "no longer served" in printed


def test_without_a_server_the_flow_starts_one_of_its_own(
    copy_project: Callable[[str], Project], tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    paths = copy_project("project")[0]
    project = make_flow_project(paths, QUICK, {"HOME": str(home)})
    assert "version 1 is champion now" in project.run(*RUN)
    assert (paths.root / ".rakuten" / "prefect").is_dir()
    assert not (home / ".prefect").exists()
