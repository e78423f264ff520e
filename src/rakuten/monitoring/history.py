"""Decisions from the store's history, and into it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

from rakuten.monitoring.decision import Action, PastDecision, decide
from rakuten.monitoring.evidence import CheckedWindow, LabelEvidence, Outcome, Reason
from rakuten.params import RetrainingParams
from rakuten.store.database import Database
from rakuten.store.monitoring import (
    DecisionRecord,
    MonitorRun,
    put_decision,
    read_decisions,
    read_runs,
)
from rakuten.store.records import new_prediction_id

LABELS: Final = "label_evidence"
"""Key of the findings of a run that holds its :class:`LabelEvidence`."""
FAULTS: Final = "faults"
"""Key of the findings of a run that holds faults of the log, each a :class:`Reason`."""

_RUNS: Final = 200


def decision_findings(labels: LabelEvidence, faults: Sequence[Reason] = ()) -> dict[str, Any]:
    """What a decision looks at besides the outcome, in the form in which a run's findings keep it.

    Args:
        labels: scores from labels.
        faults: of the log itself.
    """
    return {LABELS: asdict(labels), FAULTS: [asdict(fault) for fault in faults]}


def checked_window(run: MonitorRun) -> CheckedWindow:
    """A run of the store as a window to decide on; one that cannot be read is a failed check."""
    try:
        outcome = Outcome(run.outcome)
        kept: Mapping[str, Any] | None = run.findings.get(LABELS)
        labels = None if kept is None else LabelEvidence(**kept)
        faults = tuple(Reason(**fault) for fault in run.findings.get(FAULTS, ()))
    except (AttributeError, TypeError, ValueError):
        outcome, labels, faults = Outcome.CHECK_FAILED, None, ()
    return CheckedWindow(
        run_id=run.run_id,
        checked_at=run.finished_at or run.started_at,
        model_version=run.model_version,
        outcome=outcome if run.finished_at else Outcome.CHECK_FAILED,
        start=run.window_start,
        end=run.window_end,
        labels=labels,
        faults=faults,
    )


def decide_and_record(
    database: Database,
    model_name: str,
    live_version: int | None,
    *,
    now: datetime,
    params: RetrainingParams,
) -> DecisionRecord:
    """Decide on the newest runs of a model, and keep the decision before anybody acts on it.

    Args:
        database: the store.
        model_name: of the registered model.
        live_version: version that answers now, None where nobody knows.
        now: the moment of the decision.
        params: the section ``monitoring.retraining`` of ``params.yaml``.

    Raises:
        DatabaseAwayError: nobody answered; nothing was decided, or nobody knows: do not act.
    """
    runs = read_runs(database, _RUNS, model_name=model_name)
    last = read_decisions(database, 1, model_name=model_name, action=Action.RETRAIN)
    found = decide(
        [checked_window(run) for run in runs],
        [PastDecision(Action.RETRAIN, one.created_at) for one in last],
        live_version=live_version,
        now=now,
        params=params,
    )
    record = DecisionRecord(
        decision_id=new_prediction_id(),
        created_at=now,
        model_name=model_name,
        model_version=live_version,
        action=found.action.value,
        reasons=found.reason_rows(),
        evidence=list(found.evidence),
    )
    put_decision(database, record)
    return record
