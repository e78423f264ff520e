"""From the windows that were checked to what is done: nothing, watch, alert, retrain."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from rakuten.monitoring.evidence import (
    NO_WINDOW,
    CheckedWindow,
    Outcome,
    Reason,
    label_violations,
)
from rakuten.params import RetrainingParams


class Action(StrEnum):
    """What is done, from the mildest on."""

    NOTHING = "nothing"
    WATCH = "watch"
    ALERT = "alert"
    RETRAIN = "retrain"


LADDER: Final = tuple(Action)
"""From the mildest to the strongest."""


@dataclass(frozen=True)
class PastDecision:
    """What was decided before, and when."""

    action: Action
    created_at: datetime


@dataclass(frozen=True)
class Decision:
    """What to do, why, and the ids of the runs that it rests on, newest first."""

    action: Action
    reasons: tuple[Reason, ...]
    evidence: tuple[str, ...]

    def reason_rows(self) -> list[dict[str, Any]]:
        """The reasons as JSON values."""
        return [asdict(reason) for reason in self.reasons]


def decide(
    windows: Sequence[CheckedWindow],
    past: Sequence[PastDecision],
    *,
    live_version: int | None,
    now: datetime,
    params: RetrainingParams,
) -> Decision:
    """Decide on the newest window in the light of those before it; pure, in any order of input.

    A window is violated when its drift is critical or a score of its labels surely fell. It
    retrains nothing alone unless the parameters say so: enough of the last windows of the live
    version must be violated, the newest among them. Windows that share rows are one piece of
    evidence, and what led to one retraining never leads to another. A check that failed alerts;
    like a window with too little data it neither makes nor breaks a streak. Faults of the log in
    the newest window alert too.

    Args:
        windows: windows that were checked, of any version.
        past: earlier decisions; retrainings among them start the cool-down, whatever came of them.
        live_version: version that answers now, None where nobody knows.
        now: the moment of the decision.
        params: the section ``monitoring.retraining`` of ``params.yaml``.
    """
    ours = [
        window
        for window in sorted(windows, key=lambda window: (window.checked_at, window.run_id))
        if window.outcome == Outcome.CHECK_FAILED or window.model_version == live_version
    ]
    if not ours:
        return _nothing(NO_WINDOW, f"No window of version {live_version} was checked so far.", ())
    newest = ours[-1]
    if newest.outcome == Outcome.CHECK_FAILED:
        sentence = "The newest check failed: it says nothing of the traffic, and needs a person."
        return Decision(
            Action.ALERT, (Reason(Outcome.CHECK_FAILED.value, sentence),), (newest.run_id,)
        )
    return _with_faults(_about_traffic(ours, past, now, params), newest.faults)


def _about_traffic(
    ours: list[CheckedWindow],
    past: Sequence[PastDecision],
    now: datetime,
    params: RetrainingParams,
) -> Decision:
    """What follows from windows of the live version, oldest first, whose newest was checked."""
    newest = ours[-1]
    if not _says_something(newest, params):
        sentence = "The newest window has too little data to say anything."
        return _nothing("not_enough_data", sentence, (newest.run_id,))
    recent = _apart([one for one in ours if _says_something(one, params)], params.windows)
    reasons = [*_about(newest), *label_violations(newest.labels, params)]
    if _is_violated(newest, params):
        return _violated(recent, reasons, past, now, params)
    return _mild(recent, reasons, params)


def _violated(
    recent: list[CheckedWindow],
    reasons: list[Reason],
    past: Sequence[PastDecision],
    now: datetime,
    params: RetrainingParams,
) -> Decision:
    """The newest of the windows is violated: people are told, or the model is trained again."""
    evidence = tuple(window.run_id for window in recent)
    last = max((one.created_at for one in past if one.action == Action.RETRAIN), default=None)
    fresh = [
        window
        for window in recent
        if _is_violated(window, params) and (last is None or window.checked_at > last)
    ]
    counts = {"violated": len(fresh), "of": len(recent), "asked": params.violated}
    found = f"{len(fresh)} of the last {len(recent)} windows are violated"
    if len(fresh) < params.violated:  # the newest is fresh if any is
        asked = f"{params.violated} of {params.windows} are asked for"
        reasons.append(Reason("no_streak", f"{found} and not yet acted on; {asked}.", counts))
        return Decision(Action.ALERT, tuple(reasons), evidence)
    reasons.append(Reason("streak", f"{found}, the newest among them.", counts))
    end = None if last is None else last + timedelta(hours=params.cool_down_hours)
    if end is not None and now < end:
        sentence = f"The last retraining is too recent: there is none before {_shown(end)}."
        reasons.append(Reason("cool_down", sentence, {"until": end.isoformat()}))
        return Decision(Action.ALERT, tuple(reasons), evidence)
    return Decision(Action.RETRAIN, tuple(reasons), evidence)


def _mild(recent: list[CheckedWindow], reasons: list[Reason], params: RetrainingParams) -> Decision:
    """The newest of the windows is not violated: at most people are told."""
    evidence = tuple(window.run_id for window in recent)
    violated = [window for window in recent if _is_violated(window, params)]
    if recent[0].outcome == Outcome.WARNING:
        worse = [w for w in recent if w in violated or w.outcome == Outcome.WARNING]
        if len(worse) < params.violated:
            return Decision(Action.WATCH, tuple(reasons), evidence)
        sentence = f"{len(worse)} of the last {len(recent)} windows carry a warning or worse."
        reasons.append(Reason("warnings", sentence, {"found": len(worse), "of": len(recent)}))
        return Decision(Action.ALERT, tuple(reasons), evidence)
    if violated:
        sentence = f"The newest window is well; {len(violated)} of the last {len(recent)} were not."
        reasons.append(Reason("recovered", sentence, {"violated": len(violated)}))
        return Decision(Action.WATCH, tuple(reasons), evidence)
    return Decision(Action.NOTHING, tuple(reasons), evidence)


def _with_faults(found: Decision, faults: tuple[Reason, ...]) -> Decision:
    """Faults make a decision an alert at least."""
    if not faults:
        return found
    action = max(found.action, Action.ALERT, key=LADDER.index)
    return replace(found, action=action, reasons=(*found.reasons, *faults))


def _apart(windows: list[CheckedWindow], count: int) -> list[CheckedWindow]:
    """The newest windows that share no row, newest first, at most ``count``."""
    taken: list[CheckedWindow] = []
    for window in reversed(windows):
        if len(taken) == count:
            break
        if not taken or (window.end or window.checked_at) < (
            taken[-1].start or taken[-1].checked_at
        ):
            taken.append(window)
    return taken


def _is_violated(window: CheckedWindow, params: RetrainingParams) -> bool:
    return window.outcome == Outcome.CRITICAL or bool(label_violations(window.labels, params))


def _says_something(window: CheckedWindow, params: RetrainingParams) -> bool:
    """Whether its check worked and had data: rows for drift, or labels that violate it."""
    if window.outcome == Outcome.CHECK_FAILED:
        return False
    return window.outcome != Outcome.NOT_ENOUGH_DATA or _is_violated(window, params)


def _about(window: CheckedWindow) -> list[Reason]:
    words = {
        Outcome.NONE: "shows no drift",
        Outcome.WARNING: "shows drift that is a warning",
        Outcome.CRITICAL: "shows drift that is critical",
        Outcome.NOT_ENOUGH_DATA: "has too few rows to look for drift",
    }
    sentence = f"The newest window {words[window.outcome]}."
    return [Reason(f"drift_{window.outcome.value}", sentence, {"run_id": window.run_id})]


def _shown(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _nothing(code: str, sentence: str, evidence: tuple[str, ...]) -> Decision:
    return Decision(Action.NOTHING, (Reason(code, sentence),), evidence)
