"""What follows from which windows: a table of cases, and what holds in every case."""

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rakuten.monitoring.decision import LADDER, Action, Decision, PastDecision, decide
from rakuten.monitoring.evidence import CheckedWindow, LabelEvidence, Outcome, Reason
from rakuten.params import RetrainingParams

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
LIVE = 7
PARAMS = RetrainingParams(violated=2, windows=3, cool_down_hours=24)
DROP = LabelEvidence(
    labels=300, unknown_share=0.02, f1_upper=0.80, expected_f1=0.90, queue_labels=0
)
OUTCOMES = {
    ".": Outcome.NONE,
    "w": Outcome.WARNING,
    "C": Outcome.CRITICAL,
    "?": Outcome.NOT_ENOUGH_DATA,
    "X": Outcome.CHECK_FAILED,
}


def window(number: int, sign: str, **changes: object) -> CheckedWindow:
    """A window an hour long, checked at its end; lower case \"d\" is a drop without drift."""
    end = NOON + number * HOUR
    made = CheckedWindow(
        run_id=f"run-{number:03}",
        checked_at=end,
        model_version=LIVE,
        outcome=OUTCOMES.get(sign, Outcome.NONE),
        start=end - 0.9 * HOUR,
        end=end - 0.1 * HOUR,
        labels=DROP if sign == "d" else None,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def signs(text: str) -> list[CheckedWindow]:
    """Windows one after another, oldest first."""
    return [window(number, sign) for number, sign in enumerate(text)]


def decide_on(
    windows: Sequence[CheckedWindow],
    *retrained: datetime,
    params: RetrainingParams = PARAMS,
    now: datetime | None = None,
) -> Decision:
    """Decide a minute after the last check."""
    newest = max((one.checked_at for one in windows), default=NOON)
    return decide(
        windows,
        [PastDecision(Action.RETRAIN, moment) for moment in retrained],
        live_version=LIVE,
        now=now or newest + HOUR / 60,
        params=params,
    )


def codes(decision: Decision) -> list[str]:
    """Its reasons in short."""
    return [reason.code for reason in decision.reasons]


@pytest.mark.parametrize(
    ("history", "action"),
    [
        ("", Action.NOTHING),
        (".", Action.NOTHING),
        ("...", Action.NOTHING),
        ("w", Action.WATCH),
        (".w", Action.WATCH),
        ("C", Action.ALERT),
        ("..C", Action.ALERT),
        ("CC", Action.RETRAIN),
        ("C.C", Action.RETRAIN),
        ("C..C", Action.ALERT),  # the first is no longer among the last three
        ("CwC", Action.RETRAIN),
        ("CC.", Action.WATCH),  # the newest is well
        ("CCw", Action.ALERT),
        ("CC..", Action.WATCH),
        ("CC...", Action.NOTHING),
        ("ww", Action.ALERT),
        ("w.w", Action.ALERT),
        ("w..w", Action.WATCH),
        ("wC", Action.ALERT),
        ("X", Action.ALERT),
        ("CX", Action.ALERT),
        ("CCX", Action.ALERT),  # never on a failed check
        ("CXC", Action.RETRAIN),  # which breaks no streak
        ("CXXXXC", Action.RETRAIN),
        ("XC", Action.ALERT),  # and makes none
        ("X.", Action.NOTHING),
        ("?", Action.NOTHING),
        ("CC?", Action.NOTHING),
        ("C?C", Action.RETRAIN),
        ("C????C", Action.RETRAIN),
        ("?C", Action.ALERT),
        ("??", Action.NOTHING),
        ("d", Action.ALERT),
        ("dd", Action.RETRAIN),
        ("Cd", Action.RETRAIN),
        ("d.", Action.WATCH),
        ("dX", Action.ALERT),
    ],
)
def test_history_leads_to_action(history: str, action: Action) -> None:
    assert decide_on(signs(history)).action == action


def test_reasons_are_sentences_and_data() -> None:
    decision = decide_on(signs(".Cd"))
    assert codes(decision) == ["drift_none", "performance_drop", "streak"]
    assert decision.evidence == ("run-002", "run-001", "run-000")
    rows = decision.reason_rows()
    assert rows[1]["data"] == {"labels": 300, "upper": 0.8, "held": 0.9}
    assert rows[1]["sentence"] == (
        "Weighted F1 is at most 0.800 by 300 labels; the held-out rows gave 0.900, of which 0.05 "
        "may be lost."
    )
    assert rows[2]["sentence"] == "2 of the last 3 windows are violated, the newest among them."


@pytest.mark.parametrize(
    ("history", "code"),
    [("", "no_window"), ("X", "check_failed"), ("?", "not_enough_data"), ("C", "no_streak")]
    + [("ww", "warnings"), ("C.", "recovered")],
)
def test_action_names_its_reason(history: str, code: str) -> None:
    assert codes(decide_on(signs(history)))[-1] == code


def test_one_window_is_enough_where_the_parameters_say_so() -> None:
    params = RetrainingParams(violated=1, windows=1)
    assert decide_on(signs("..C"), params=params).action == Action.RETRAIN


def test_windows_of_other_versions_count_for_nothing() -> None:
    first, second = signs("CC")
    assert decide_on([replace(first, model_version=6), second]).action == Action.ALERT
    found = decide_on([first, replace(second, model_version=8)])
    assert found.action == Action.ALERT  # on the first alone
    assert found.evidence == ("run-000",)
    assert codes(decide_on([replace(first, model_version=8)])) == ["no_window"]


def test_check_that_failed_before_it_knew_a_version_alerts() -> None:
    assert decide_on([window(0, "X", model_version=None)]).action == Action.ALERT


def test_windows_that_share_rows_are_one_piece_of_evidence() -> None:
    first, second, third = signs("CCC")
    sharing = replace(second, start=first.start)
    assert decide_on([first, sharing]).action == Action.ALERT
    assert decide_on([first, sharing, third]).action == Action.RETRAIN
    assert decide_on([first, sharing, third]).evidence == ("run-002", "run-001")


def test_windows_that_touch_at_one_moment_may_share_its_row() -> None:
    first, second = signs("CC")
    assert decide_on([first, replace(second, start=first.end)]).action == Action.ALERT


def test_same_window_checked_again_counts_once() -> None:
    once = window(0, "C")
    again = replace(once, run_id="run-999", checked_at=once.checked_at + HOUR)
    assert decide_on([once, again]).action == Action.ALERT


def test_cool_down_holds_until_its_end() -> None:
    windows = signs("CC")
    last = windows[0].checked_at - HOUR / 2
    held = decide_on(windows, last, now=last + 24 * HOUR - timedelta(seconds=1))
    assert held.action == Action.ALERT
    assert codes(held)[-2:] == ["streak", "cool_down"]
    assert held.reasons[-1].sentence == (
        "The last retraining is too recent: there is none before 2026-03-02 11:30 UTC."
    )
    assert decide_on(windows, last, now=last + 24 * HOUR).action == Action.RETRAIN


def test_newest_retraining_starts_the_cool_down() -> None:
    windows = signs("CC")
    last = windows[0].checked_at - HOUR / 2
    assert decide_on(windows, last, last - 99 * HOUR).action == Action.ALERT


def test_retraining_dated_in_the_future_holds_too() -> None:
    params = RetrainingParams(violated=1, windows=1)
    windows = signs("C")
    assert decide_on(windows, NOON + 2 * HOUR, params=params).action == Action.ALERT


def test_what_led_to_a_retraining_does_not_lead_to_another() -> None:
    windows = signs("CC")
    last = windows[-1].checked_at + HOUR / 60
    later = last + 48 * HOUR
    assert decide_on(windows, last, now=later).action == Action.ALERT
    windows.append(window(40, "C"))
    assert codes(decide_on(windows, last, now=later))[-1] == "no_streak"
    windows.append(window(41, "C"))
    assert decide_on(windows, last, now=later).action == Action.RETRAIN


def test_only_retrainings_cool_down() -> None:
    windows = signs("CC")
    past = [PastDecision(action, NOON) for action in LADDER if action != Action.RETRAIN]
    found = decide(windows, past, live_version=LIVE, now=NOON + 2 * HOUR, params=PARAMS)
    assert found.action == Action.RETRAIN


@pytest.mark.parametrize(
    ("changes", "violates"),
    [
        ({}, True),
        ({"labels": 199}, False),
        ({"labels": 200}, True),
        ({"f1_upper": 0.85}, False),  # exactly the margin
        ({"f1_upper": 0.8499}, True),
        ({"unknown_share": 0.11}, False),
        ({"f1_upper": None}, False),
        ({"expected_f1": None}, False),
    ],
)
def test_drop_of_performance_is_judged_on_enough_labels_of_nearly_all_traffic(
    changes: dict[str, float | None], violates: bool
) -> None:
    labels = replace(DROP, **changes)  # type: ignore[arg-type]
    found = decide_on([window(0, ".", labels=labels)])
    assert found.action == (Action.ALERT if violates else Action.NOTHING)
    assert ("performance_drop" in codes(found)) == violates


@pytest.mark.parametrize(
    ("count", "upper", "promised", "violates"),
    [
        (200, 0.60, 0.70, True),
        (199, 0.60, 0.70, False),
        (200, 0.66, 0.70, False),
        (200, None, 0.70, False),
        (200, 0.60, None, False),
    ],
)
def test_queue_that_is_less_right_than_promised_violates_whatever_is_unknown(
    count: int, upper: float | None, promised: float | None, violates: bool
) -> None:
    labels = LabelEvidence(200, 0.8, 0.1, 0.9, count, upper, promised)
    found = decide_on([window(0, ".", labels=labels)])
    assert ("overconfident" in codes(found)) == violates


def test_labels_speak_where_rows_are_too_few() -> None:
    assert decide_on([window(0, "?", labels=DROP)]).action == Action.ALERT
    assert decide_on([window(0, "?", labels=DROP), window(1, "C")]).action == Action.RETRAIN


FAULT = Reason("corrupt_rows", "Half of the rows are damaged.")


@pytest.mark.parametrize(
    ("history", "action"),
    [
        (".", Action.ALERT),
        ("?", Action.ALERT),
        ("w", Action.ALERT),
        ("C", Action.ALERT),
        ("CC", Action.RETRAIN),
    ],
)
def test_faults_of_the_log_alert_at_least_and_say_so(history: str, action: Action) -> None:
    *before, newest = signs(history)
    found = decide_on([*before, replace(newest, faults=(FAULT,))])
    assert found.action == action
    assert found.reasons[-1] == FAULT
    assert found.reasons[:-1] == decide_on([*before, newest]).reasons


def test_faults_of_earlier_windows_are_past() -> None:
    first, second = signs("..")
    assert decide_on([replace(first, faults=(FAULT,)), second]).action == Action.NOTHING


# Many cases, kept nowhere; a busy machine is no failure.
CASES = settings(max_examples=200, deadline=None, database=None)
HISTORIES = st.text("".join([*OUTCOMES, "d"]), max_size=8)
MOMENTS = st.integers(-40, 12).map(lambda hours: NOON + hours * HOUR + HOUR / 2)


@CASES
@given(HISTORIES, st.lists(MOMENTS, max_size=3), st.integers(0, 30))
def test_never_retrains_in_the_cool_down(
    history: str, retrained: list[datetime], hours: int
) -> None:
    now = NOON + hours * HOUR
    found = decide_on(signs(history), *retrained, now=now)
    if retrained and now < max(retrained) + 24 * HOUR:
        assert found.action != Action.RETRAIN


@CASES
@given(HISTORIES)
def test_never_retrains_on_a_failed_check(history: str) -> None:
    assert decide_on(signs(history + "X")).action == Action.ALERT


@CASES
@given(HISTORIES, st.integers(0, 8), st.sampled_from("?X"))
def test_window_that_says_nothing_changes_nothing_between_others(
    history: str, place: int, sign: str
) -> None:
    place = min(place, len(history) - 1)
    if place < 0 or history[-1] in "?X":
        return
    windows = [window(2 * number, one) for number, one in enumerate(history)]
    silent = window(2 * place - 1, sign)
    assert decide_on([*windows, silent]) == decide_on(windows)


@CASES
@given(HISTORIES, st.lists(MOMENTS, max_size=2), st.randoms(use_true_random=False))
def test_order_of_input_does_not_matter_even_at_equal_times(
    history: str, retrained: list[datetime], chance: random.Random
) -> None:
    windows = [
        replace(one, checked_at=NOON + n // 2 * HOUR) for n, one in enumerate(signs(history))
    ]
    now = NOON + 10 * HOUR
    expected = decide_on(windows, *retrained, now=now)
    for moments in (windows, retrained):
        chance.shuffle(moments)
    assert decide_on(windows, *retrained, now=now) == expected


@CASES
@given(
    st.text(".wC", min_size=1, max_size=6),
    st.integers(0, 5),
    st.lists(MOMENTS, max_size=2),
    st.integers(1, 4),
)
def test_worse_window_never_leads_to_less(
    history: str, place: int, retrained: list[datetime], asked: int
) -> None:
    place %= len(history)
    params = RetrainingParams(violated=asked, windows=4)
    levels = []
    for sign in ".wC":
        changed = history[:place] + sign + history[place + 1 :]
        found = decide_on(signs(changed), *retrained, params=params)
        levels.append(LADDER.index(found.action))
    assert levels == sorted(levels)
    dropped = history[:place] + "d" + history[place + 1 :]
    assert LADDER.index(decide_on(signs(dropped), *retrained, params=params).action) >= levels[0]


@CASES
@given(HISTORIES, st.lists(MOMENTS, max_size=2))
def test_retraining_rests_on_enough_violated_windows_and_the_newest(
    history: str, retrained: list[datetime]
) -> None:
    found = decide_on(signs(history), *retrained)
    if found.action == Action.RETRAIN:
        assert history[-1] in "Cd"
        by_id = {f"run-{number:03}": sign for number, sign in enumerate(history)}
        assert sum(by_id[one] in "Cd" for one in found.evidence) >= 2
        assert len(found.evidence) <= 3


@CASES
@given(HISTORIES, st.lists(MOMENTS, max_size=2))
def test_every_decision_has_a_reason(history: str, retrained: list[datetime]) -> None:
    found = decide_on(signs(history), *retrained)
    assert found.reasons
    assert all(reason.sentence.endswith(".") for reason in found.reasons)
