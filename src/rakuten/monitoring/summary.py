"""What a check found, in the order in which people and machines read it."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from rakuten.models.evaluate.intervals import Interval
from rakuten.monitoring.drift import ColumnDrift, DriftCheck
from rakuten.monitoring.estimate import Expected
from rakuten.monitoring.scores import Score
from rakuten.monitoring.window import Seen
from rakuten.store.monitoring import DecisionRecord, MonitorRun

_ORDER: Final = ("drifted", "stable", "constant", "not_enough_data", "absent")


@dataclass(frozen=True)
class Line:
    """A score with its 95 % interval and the rows or labels behind it; None where there is none."""

    name: str
    value: float | None
    interval: Interval | None
    count: int | None


def measured_lines(seen: Seen) -> list[Line]:
    """What labels say, and what the held-out rows said when the version was trained."""
    found = seen.performance
    traffic, labelled = found.traffic, found.labelled
    return [
        _line("weighted F1, all traffic", traffic.weighted_f1 if traffic else None),
        _line("accuracy, all traffic", traffic.accuracy if traffic else None),
        _line("weighted F1, labelled answers", labelled.weighted_f1 if labelled else None),
        _line("accuracy, labelled answers", labelled.accuracy if labelled else None),
        _line(
            "calibration error, labelled answers", labelled.calibration_error if labelled else None
        ),
        _line("automatic answers that are right", labelled.auto_precision if labelled else None),
        _line("review queue: answers that are right", found.queue_accuracy),
        Line("review queue: what confidence promised", found.queue_confidence, None, None),
        Line("weighted F1 on held-out rows", seen.live.held_out_f1, None, None),
    ]


def expected_lines(seen: Seen) -> list[Line]:
    """What confidence promises, which needs no labels and is no measurement."""
    longer = _expected("expected accuracy, time of the labels", seen.performance.expected)
    return [
        *_expected("expected accuracy, window", seen.expected),
        *longer,
        Line(
            "expected weighted F1, window",
            seen.expected.weighted_f1 if seen.expected else None,
            None,
            seen.expected.rows if seen.expected else None,
        ),
    ]


def sorted_columns(drift: DriftCheck) -> list[ColumnDrift]:
    """Columns that drifted first, the largest effect for its floor at their head."""

    def rank(column: ColumnDrift) -> tuple[int, float]:
        return _ORDER.index(column.verdict), -abs(column.effect or 0.0) / column.threshold

    return sorted(drift.columns, key=rank)


def to_values(run: MonitorRun, decision: DecisionRecord | None) -> dict[str, Any]:
    """A run and the decision on it as JSON values."""
    return {"run": _plain(run), "decision": _plain(decision) if decision else None}


def _line(name: str, score: Score | None) -> Line:
    if score is None:
        return Line(name, None, None, 0)
    return Line(name, score.value, score.interval, score.labels)


def _expected(name: str, expected: Expected | None) -> list[Line]:
    if expected is None:
        return [Line(name, None, None, 0)]
    return [Line(name, expected.accuracy, expected.accuracy_interval, expected.rows)]


def _plain(record: MonitorRun | DecisionRecord) -> dict[str, Any]:
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in asdict(record).items()
    }
