"""Geometry of the page's charts: from scores to coordinates; the template draws them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import floor
from typing import Final

from rakuten.models.evaluate import Evaluation
from rakuten.models.evaluate.intervals import Interval
from rakuten.models.evaluate.product_types import TypeScores

HEAT_MAP_TYPES: Final = 40
"""More types than this do not fit a heat map; the most frequent ones are shown."""

_LABEL_CHARACTERS: Final = 26


@dataclass(frozen=True)
class Frame:
    """A plot of ``width`` × ``height`` units whose axes go over the given ranges."""

    x_range: Interval
    y_range: Interval
    width: float = 440
    height: float = 320
    left: float = 64
    right: float = 28
    top: float = 14
    bottom: float = 46

    def x(self, value: float) -> float:
        """Horizontal position of a value."""
        low, high = self.x_range
        space = self.width - self.left - self.right
        return round(self.left + (value - low) / (high - low) * space, 1)

    def y(self, value: float) -> float:
        """Vertical position of a value."""
        low, high = self.y_range
        space = self.height - self.top - self.bottom
        return round(self.height - self.bottom - (value - low) / (high - low) * space, 1)

    def path(self, points: Iterable[tuple[float, float]]) -> str:
        """SVG path data through points in data units."""
        return "M" + "L".join(f"{self.x(x)} {self.y(y)}" for x, y in points)


@dataclass(frozen=True)
class CoverageChart:
    """Precision against coverage with its interval band, the decision taken and its target."""

    frame: Frame
    x_ticks: Sequence[float]
    y_ticks: Sequence[float]
    line: str
    band: str
    decision: tuple[float, float] | None
    target: float | None


@dataclass(frozen=True)
class ReliabilityChart:
    """Share of right answers against confidence; ``bins`` are x, y, lower and upper end."""

    frame: Frame
    ticks: Sequence[float]
    bins: Sequence[tuple[float, float, float, float]]


@dataclass(frozen=True)
class HeatCell:
    """Products of one type (row) that got one answer (column)."""

    row: int
    column: int
    count: int
    share: float


@dataclass(frozen=True)
class HeatMap:
    """Confusion matrix in units of ``side`` with room for labels."""

    types: Sequence[TypeScores]
    labels: Sequence[str]
    hidden: int
    cells: Sequence[HeatCell]
    side: float
    margin: float
    head: float


def coverage_chart(evaluation: Evaluation) -> CoverageChart | None:
    """The coverage curve, or None where there are too few rows for one."""
    curve = evaluation.coverage_curve
    if len(curve) < 2:
        return None
    lowest = min(point.precision_interval[0] for point in curve)
    frame = Frame((0, 1), _range_from(lowest))
    band = [(point.coverage, point.precision_interval[1]) for point in curve]
    band += [(point.coverage, point.precision_interval[0]) for point in reversed(curve)]
    coverage, precision = evaluation.scores["coverage"], evaluation.scores["auto_precision"]
    decision = None
    if coverage is not None and precision is not None and precision >= frame.y_range[0]:
        decision = (coverage, precision)
    target = evaluation.source.target_precision
    return CoverageChart(
        frame=frame,
        x_ticks=_ticks(frame.x_range),
        y_ticks=_ticks(frame.y_range),
        line=frame.path((point.coverage, point.precision) for point in curve),
        band=frame.path(band) + "Z",
        decision=decision,
        target=target if target is not None and target >= frame.y_range[0] else None,
    )


def reliability_chart(evaluation: Evaluation) -> ReliabilityChart | None:
    """The reliability plot, or None where there are too few rows for one."""
    if evaluation.calibration_spread is None:
        return None
    bins = [
        (part.mean_confidence, part.accuracy, *part.accuracy_interval)
        for part in evaluation.calibration
    ]
    both = _range_from(min(min(x, lower) for x, _, lower, _ in bins))
    return ReliabilityChart(Frame(both, both), _ticks(both), bins)


def heat_map(evaluation: Evaluation) -> HeatMap:
    """The confusion matrix of the most frequent types, in the order of their codes."""
    shown = evaluation.per_class[:HEAT_MAP_TYPES]
    types = sorted(shown, key=lambda scores: scores.prdtypecode)
    place = {scores.prdtypecode: row for row, scores in enumerate(types)}
    cells = [
        HeatCell(place[actual], place[predicted], count, count / types[place[actual]].support)
        for actual, predicted, count in evaluation.confusion
        if actual in place and predicted in place
    ]
    labels = [_label(scores) for scores in types]
    digits = max(len(str(scores.prdtypecode)) for scores in types)
    return HeatMap(
        types=types,
        labels=labels,
        hidden=len(evaluation.per_class) - len(types),
        cells=cells,
        side=max(22.0, min(40.0, 560 / len(types))),
        margin=24 + 6.4 * max(len(label) for label in labels),
        head=16 + 7.0 * digits,
    )


def _label(scores: TypeScores) -> str:
    code, name = str(scores.prdtypecode), scores.label
    if name == code:
        return code
    if len(name) > _LABEL_CHARACTERS:
        name = f"{name[: _LABEL_CHARACTERS - 1]}…"
    return f"{name} {code}"


def _range_from(lowest: float) -> Interval:
    """From the next lower twentieth, at least a tenth wide, up to 1."""
    return min(floor(lowest * 20) / 20, 0.9), 1.0


def _ticks(limits: Interval) -> list[float]:
    low, high = limits
    step = next(s for s in (0.02, 0.05, 0.1, 0.2, 0.25) if (high - low) / s <= 6)
    first = floor(low / step + 0.999)
    return [round(k * step, 2) for k in range(first, round(high / step) + 1)]
