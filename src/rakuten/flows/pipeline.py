"""The flow ``rakuten_pipeline``: DVC's stages one by one, then finalize, register and the gate."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from prefect import flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run as running
from prefect.states import Completed

from rakuten.errors import PreflightError
from rakuten.flows import artifacts, reproduction
from rakuten.flows.feedback import export_corrections
from rakuten.flows.hooks import tell_failure
from rakuten.flows.leftovers import clear_leftovers
from rakuten.flows.lock import hold
from rakuten.flows.project import Limits, Project, open_project, run_log
from rakuten.flows.publication import (
    PipelineOutcome,
    judge_model,
    outcome_of,
    register_model,
    run_address,
)
from rakuten.flows.recording import Recording, recorded
from rakuten.flows.reproduction import Planned, Reproduced
from rakuten.flows.retries import retry_options
from rakuten.stages.preflight import run_preflight
from rakuten.stages.promotion import Promotion
from rakuten.tracking.connection import import_ahead
from rakuten.tracking.registry import Version
from rakuten.tracking.runs import Finalized, finalize_run


def run_name() -> str:
    """Name of a run: what it does and when it began."""
    kind = "pipeline-feedback" if running.parameters.get("feedback") else "pipeline"
    return f"{kind}-{datetime.now(UTC):%Y%m%d-%H%M%S}"


@flow(
    name="rakuten_pipeline",
    flow_run_name=run_name,
    persist_result=False,
    on_failure=[tell_failure],
    on_crashed=[tell_failure],
)
def rakuten_pipeline(
    root: Path = Path(),
    feedback: bool = False,
    promote: bool = True,
    push: bool = False,
    reason: str = "",
    limits: Limits = Limits(),  # noqa: B008 - it is frozen
) -> PipelineOutcome:
    """Bring the pipeline up to date, register its model, and let the gate decide.

    The final state is named Promoted, Refused, Unchanged or Registered, all of the type Completed.

    Args:
        root: Project folder.
        feedback: First export corrected labels from the prediction store, to be trained on.
        promote: Ask the gate; without it the model is only registered.
        push: At last send data and models to DVC's remote.
        reason: Why, for the record of the promotion.
        limits: Time-outs and retries.
    """
    project, name = open_project(root), f"flow run {running.name}"
    wait, note = limits.lock_minutes * 60, get_run_logger().info
    lock = hold(project.pipeline_lock, "a pipeline run", name, wait_seconds=wait, note=note)
    record = recorded(project.settings, project.paths.root, str(running.name))
    with run_log(project.settings), record as recording, lock as held:
        look_ahead(project, push)
        again = retry_options(limits.retries, limits.retry_seconds)
        if feedback:
            add_feedback.with_options(**again)(project)
        seconds = limits.stage_minutes * 60
        _reproduce(project, seconds, held, again, recording)
        outcome = _publish(project, again, recording, ask=promote, why=reason)
        if push:
            push_data.with_options(**again)(project.paths.root, seconds, held)
    sentence = outcome.sentence(project.settings.mlflow_model_name)
    state: State[PipelineOutcome] = Completed(
        name=outcome.state.capitalize(), message=sentence, data=outcome
    )
    return cast(PipelineOutcome, state)  # Prefect hands on what is in it


def _reproduce(
    project: Project, seconds: float, lock: int, again: dict[str, Any], recording: Recording
) -> None:
    """A task for each stage, one after the other."""
    root, one = project.paths.root, reproduce_stage.with_options(**again)
    clear_leftovers(root)
    planned = reproduction.plan_stages(root)
    if not all(stage.up_to_date for stage in planned):
        import_ahead()
    found: list[Reproduced] = []
    for stage in planned:
        with recording.stage(stage.stage):
            found.append(one(root, stage, seconds, lock).result())
        recording.add(found[-1])
    artifacts.show_stages(found)


def _publish(
    project: Project, again: dict[str, Any], recording: Recording, *, ask: bool, why: str
) -> PipelineOutcome:
    """The run is completed, becomes a version, and the gate judges it."""
    complete_run.with_options(**again)(project)
    version = register.with_options(**again)(project)
    promotion = ask_gate.with_options(**again)(project, version, why) if ask else None
    outcome = outcome_of(version, promotion)
    recording.publish(outcome, version.scores())
    model, address = project.settings.mlflow_model_name, run_address(project, outcome.run_id)
    artifacts.show_outcome(outcome, version, promotion, model=model, address=address)
    return outcome


@task(name="preflight", task_run_name="preflight", cache_policy=NO_CACHE, persist_result=False)
def look_ahead(project: Project, push: bool) -> None:
    """Stop before any work where something that will be written to refuses it."""
    if project.settings.rakuten_preflight == "off":
        return
    found = run_preflight(project.paths, project.settings, project.params.features, push=push)
    # A remote that is silent now may answer when it is pushed to; a refusal stays one.
    refused = [check for check in found if check.state == "failed" and not check.away]
    if refused:
        reasons = "; ".join(check.detail for check in refused)
        hints = "\n  → ".join(dict.fromkeys(check.hint for check in refused if check.hint))
        raise PreflightError(f"The pipeline was not started: {reasons}.", hint=hints or None)
    for check in found:
        if check.state in ("failed", "warning"):
            get_run_logger().warning("%s; %s", check.detail, check.hint)


@task(name="export", task_run_name="export-feedback", cache_policy=NO_CACHE, persist_result=False)
def add_feedback(project: Project) -> None:
    """Write the corrected labels of the store where training reads them."""
    get_run_logger().info("%s", export_corrections(project))


@task(name="stage", task_run_name="{planned.stage}", cache_policy=NO_CACHE, persist_result=False)
def reproduce_stage(root: Path, planned: Planned, seconds: float, lock: int) -> State[Any]:
    """Let DVC bring one stage up to date."""
    if planned.up_to_date:
        return Completed(name="Unchanged", data=Reproduced(planned.stage, "unchanged"))
    line = get_run_logger().info
    clear_leftovers(root)
    found = reproduction.reproduce(
        root, planned.stage, seconds=seconds, line=line, inherited=[lock]
    )
    name = {"ran": "Completed", "cached": "FromCache", "unchanged": "Unchanged"}[found.outcome]
    return Completed(name=name, data=found)


@task(name="finalize", task_run_name="finalize", cache_policy=NO_CACHE, persist_result=False)
def complete_run(project: Project) -> Finalized:
    """Attach the final ``dvc.lock`` to the run of the model, on the server or where it waits."""
    found = finalize_run(project.paths, project.settings)
    get_run_logger().info("finalize: %s %s", found.state, found.run_id or "")
    return found


@task(name="register", task_run_name="register", cache_policy=NO_CACHE, persist_result=False)
def register(project: Project) -> Version:
    """Make a version of the run, logging it first if it waits for the tracking server."""
    version = register_model(project)
    get_run_logger().info("%s of run %s is registered", version, version.run_id)
    return version


@task(name="gate", task_run_name="gate", cache_policy=NO_CACHE, persist_result=False)
def ask_gate(project: Project, version: Version, reason: str) -> Promotion:
    """Let the gate judge the version; a refusal is an answer, not an error."""
    log = get_run_logger()
    found = judge_model(project, version, reason, note=log.info)
    for check in found.verdict.checks if found.verdict else ():
        log.info("%s %s: %s", "ok  " if check.passed else "FAIL", check.name, check.detail)
    return found


@task(name="push", task_run_name="push", cache_policy=NO_CACHE, persist_result=False)
def push_data(root: Path, seconds: float, lock: int) -> None:
    """Send what DVC keeps to its default remote."""
    clear_leftovers(root)
    reproduction.push(root, seconds=seconds, line=get_run_logger().info, inherited=[lock])
