"""The flow ``monitor``: an open retraining first, else a check of live traffic and what follows."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, cast

from prefect import flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run as running
from prefect.states import Completed

from rakuten.errors import BusyError, CheckFailedError, RakutenError
from rakuten.flows.hooks import tell_failure
from rakuten.flows.lock import hold
from rakuten.flows.notify import notify
from rakuten.flows.pipeline import rakuten_pipeline
from rakuten.flows.project import Limits, Project, open_project, run_log
from rakuten.flows.retraining import (
    find_open_retraining,
    finish_retraining,
    is_stale,
    look_at_traffic,
    reasons_of,
)
from rakuten.flows.retries import is_transient, retry_options
from rakuten.monitoring.check import Checked
from rakuten.monitoring.decision import Action
from rakuten.monitoring.evidence import Outcome
from rakuten.store.monitoring import DecisionRecord

POSTPONED: Final = "Postponed"
"""State of a run that left a retraining to another run, which carries one out."""


def run_name() -> str:
    """Name of a run: when it began."""
    return f"monitor-{datetime.now(UTC):%Y%m%d-%H%M%S}"


@flow(
    name="monitor",
    flow_run_name=run_name,
    persist_result=False,
    on_failure=[tell_failure],
    on_crashed=[tell_failure],
)
def monitor(root: Path = Path(), push: bool = False, limits: Limits = Limits()) -> str:  # noqa: B008
    """Carry out a retraining that is open; else check live traffic, decide, and retrain if so.

    The final state is named after the action (Nothing, Watch, Alert), after what came of a
    retraining (Promoted, Refused, Unchanged), or Postponed, all of the type Completed; the result
    is a sentence. A check that failed ends the run as Failed, once the store has it.

    Args:
        root: Project folder.
        push: After a retraining send data and models to DVC's remote.
        limits: Time-outs and retries.
    """
    project = open_project(root)
    with run_log(project.settings):
        state = _Monitor(project, push, limits).run()
    return cast(str, state)  # Prefect hands on what is in it


class _Monitor:
    """A run of the flow, with what its steps share."""

    def __init__(self, project: Project, push: bool, limits: Limits) -> None:
        self.project, self.push, self.limits = project, push, limits
        self.options = retry_options(limits.retries, limits.retry_seconds)
        self.log = get_run_logger()

    def run(self) -> State[str]:
        """An open retraining, else a check; the state is what the flow ends in."""
        if self._open() is not None:
            with self._right_to_retrain() as ours:
                left = self._open() if ours else None  # whoever had the right may have done it
                if left is not None and not self._given_up(left):
                    self.log.warning("carrying out what was decided before: %s", reasons_of(left))
                    return self._retrain(left)
        checked = check.with_options(**self.options)(self.project)
        if checked.run.outcome == Outcome.CHECK_FAILED:
            raise CheckFailedError(
                f"The check {checked.run.run_id} of live traffic failed: "
                f"{checked.run.error or 'it did not end'}",
                hint="it retrains nothing; rakuten doctor looks at database and registry",
            )
        return self._act(checked)

    def _act(self, checked: Checked) -> State[str]:
        decision, reasons = checked.decision, reasons_of(checked.decision)
        if decision.action == Action.RETRAIN:
            with self._right_to_retrain() as ours:
                if ours:
                    self._tell(f"retraining was decided. {reasons}", checked.report)
                    return self._retrain(decision)
            return _ended(POSTPONED, f"Another run retrains now. {reasons}")
        if decision.action == Action.ALERT:
            self._tell(f"alert. {reasons}", checked.report)
        return _ended(decision.action.capitalize(), reasons)

    def _retrain(self, decision: DecisionRecord) -> State[str]:
        """The pipeline with feedback; what came of it is kept with the decision."""
        try:
            found = rakuten_pipeline(
                root=self.project.paths.root,
                feedback=True,
                push=self.push,
                reason=f"decision {decision.decision_id}: {reasons_of(decision)}",
                limits=self.limits,
            )
        except RakutenError as error:
            if not is_transient(error):  # it would fail each hour, and nothing be checked any more
                self._finish(decision, {"state": "failed", "error": error.message})
            raise
        self._finish(decision, found.to_dict())
        sentence = found.sentence(self.project.settings.mlflow_model_name)
        self._tell(f"the retraining is done: {sentence}.")
        return _ended(found.state.capitalize(), sentence)

    def _given_up(self, decision: DecisionRecord) -> bool:
        """Close a decision that is too old to be acted on; newer windows decide anew."""
        if not is_stale(decision, self.limits.decision_hours):
            return False
        hours = f"{self.limits.decision_hours:g} hours"
        self._finish(decision, {"state": "expired", "error": f"not carried out in {hours}"})
        self._tell(f"a retraining was given up that nobody could carry out in {hours}.")
        return True

    @contextmanager
    def _right_to_retrain(self) -> Iterator[bool]:
        """Hold the right to carry out decisions; false where another run is doing so."""
        with ExitStack() as stack:
            try:
                stack.enter_context(
                    hold(self.project.retraining_lock, "a retraining", f"flow run {running.name}")
                )
            except BusyError as error:
                self.log.info("%s", error.message)
                yield False
                return
            yield True

    def _open(self) -> DecisionRecord | None:
        return open_decision.with_options(**self.options)(self.project)

    def _finish(self, decision: DecisionRecord, result: dict[str, Any]) -> None:
        result = {**result, "flow_run": running.name}
        finish.with_options(**self.options)(self.project, decision, result)

    def _tell(self, what: str, report: Path | None = None) -> None:
        text = f"{self.project.settings.mlflow_model_name}: {what}"
        notify(f"{text}\n{report}" if report else text, self.project.settings)


def _ended(name: str, message: str) -> State[str]:
    return Completed(name=name, message=message, data=message)


@task(name="check", task_run_name="check", cache_policy=NO_CACHE, persist_result=False)
def check(project: Project) -> Checked:
    """Look at the newest answers and decide; both are in the store when this ends."""
    log = get_run_logger()
    found = look_at_traffic(project, note=log.info)
    run = found.run
    log.info("%s of %d answers (%s); %s", run.outcome, run.rows, run.run_id, found.decision.action)
    return found


@task(name="open", task_run_name="open-decision", cache_policy=NO_CACHE, persist_result=False)
def open_decision(project: Project) -> DecisionRecord | None:
    """Look for a retraining that was decided and not carried out."""
    return find_open_retraining(project)


@task(name="finish", task_run_name="finish-decision", cache_policy=NO_CACHE, persist_result=False)
def finish(project: Project, decision: DecisionRecord, result: dict[str, Any]) -> None:
    """Keep with the decision what came of it."""
    finish_retraining(project, decision, result)
