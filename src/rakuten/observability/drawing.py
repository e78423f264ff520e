"""One panel drawn with matplotlib, as Grafana would show it."""

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from rakuten.observability.canvas import SMALL, Answer, Around, Named, hide, named, over_time
from rakuten.observability.drawing_kinds import (
    draw_bars,
    draw_heatmap,
    draw_stat,
    draw_table,
    draw_timeline,
)
from rakuten.observability.looks import EXEMPLAR, FAINT, GRID, PANEL, colour
from rakuten.observability.panels import Kind, Panel
from rakuten.observability.prometheus_api import Series
from rakuten.observability.units import written

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw(axes: "Axes", panel: Panel, answers: Sequence[Answer], around: Around) -> None:
    """Draw what the queries of a panel answered."""
    axes.set_facecolor(PANEL)
    for edge in axes.spines.values():
        edge.set_visible(False)
    axes.tick_params(colors=FAINT, labelsize=SMALL, length=0)
    if any(series for _, series in answers):
        _DRAW[panel.kind](axes, panel, answers, around)
        return
    hide(axes)
    axes.text(0.5, 0.5, panel.absent, ha="center", va="center", color=FAINT, fontsize=11)


def _draw_series(axes: "Axes", panel: Panel, answers: Sequence[Answer], around: Around) -> None:
    found = named(panel, answers)
    if panel.shown == "stacked":
        _stack(axes, found, around)
    else:
        _lines(axes, panel, found, around)
    _limits(axes, panel, found)
    if around.exemplars:
        moments = [moment for moment, _ in around.exemplars]
        values = [value for _, value in around.exemplars]
        axes.scatter(moments, values, marker="D", s=8, color=EXEMPLAR, linewidths=0, zorder=4)
    axes.grid(color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    over_time(axes, around)
    _value_axis(axes, panel)


def _lines(axes: "Axes", panel: Panel, found: Sequence[Named], around: Around) -> None:
    stepped = panel.shown == "steps"
    for one in found:
        times, values = _with_gaps(one.series, around)
        style = "steps-post" if stepped else "default"
        axes.plot(times, values, color=one.shade, linewidth=1.2, drawstyle=style)
        if len(found) == 1:
            step = "post" if stepped else None
            axes.fill_between(times, values, color=one.shade, alpha=0.12, linewidth=0, step=step)  # type: ignore[arg-type]


def _stack(axes: "Axes", found: Sequence[Named], around: Around) -> None:
    """Series on top of each other; a moment that none of them has is a gap, not a zero."""
    times = sorted({moment for one in found for moment, _ in one.series.points})
    gaps = [
        before + around.step
        for before, now in zip(times, times[1:], strict=False)
        if now - before > 1.5 * around.step
    ]
    moments = sorted([*times, *gaps])
    missing = set(gaps)
    values = []
    for one in found:
        known = {moment: value for moment, value in one.series.points if math.isfinite(value)}
        values.append([math.nan if at in missing else known.get(at, 0.0) for at in moments])
    shades = [one.shade for one in found]
    axes.stackplot(moments, values, colors=shades, alpha=0.75, linewidth=0)


def _with_gaps(one: Series, around: Around) -> tuple[list[float], list[float]]:
    """Times and values, with a break wherever values are missing."""
    points = one.points
    times, values = [points[0][0]], [points[0][1]]
    for (before, _), (now, value) in zip(points, points[1:], strict=False):
        if now - before > 1.5 * around.step:
            times.append(before + around.step)
            values.append(math.nan)
        times.append(now)
        values.append(value)
    return times, values


def _limits(axes: "Axes", panel: Panel, found: Sequence[Named]) -> None:
    """Thresholds as dashed lines: the first always, others where the data comes near them."""
    if not panel.limit_lines:
        return
    values = [value for one in found for _, value in one.series.points if math.isfinite(value)]
    top = max(values, default=0.0)
    levels = [(step.value, step.colour) for step in panel.thresholds if step.value is not None]
    for number, (level, name) in enumerate(levels):
        if number == 0 or level <= 1.6 * top:
            axes.axhline(level, color=colour(name), linewidth=1, linestyle="--", alpha=0.9)


def _value_axis(axes: "Axes", panel: Panel) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator, MultipleLocator

    low, high = axes.get_ylim()
    low = panel.minimum if panel.minimum is not None else low
    high = high if panel.maximum is None else min(high, panel.maximum)
    high = high if high - low > 1e-9 else low + 1
    axes.set_ylim(low, high)
    step = next((step for step in _round_steps(panel, high) if (high - low) / step <= 5), None)
    whole = MaxNLocator(nbins=5, integer=panel.decimals == 0, min_n_ticks=2)
    axes.yaxis.set_major_locator(MultipleLocator(step) if step else whole)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: written(value, panel.unit)))


def _round_steps(panel: Panel, high: float) -> Sequence[float]:
    """Steps that are round in the unit of an axis up to ``high``; none where decimal ones are."""
    if panel.unit == "bytes":
        return [2.0**power for power in range(60)]
    return _LONG_STEPS if panel.unit == "s" and high >= 120 else []


_LONG_STEPS: Final = [
    *(60.0 * minutes for minutes in (1, 2, 5, 10, 30)),
    *(3600.0 * hours for hours in (1, 2, 6, 12, 24, 48, 168, 720)),
]
"""Seconds between two ticks of an axis of minutes, hours or days."""
_Draw = Callable[["Axes", Panel, Sequence[Answer], Around], None]
_DRAW: Final[dict[Kind, _Draw]] = {
    "timeseries": _draw_series,
    "stat": draw_stat,
    "bargauge": draw_bars,
    "heatmap": draw_heatmap,
    "state-timeline": draw_timeline,
    "table": draw_table,
}
