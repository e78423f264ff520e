"""Panels that are no lines over time: numbers, bars, heat maps, time lines of states, tables."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rakuten.observability.canvas import SMALL, Answer, Around, hide, named, over_time
from rakuten.observability.looks import (
    EDGE,
    HEAT,
    LINK,
    TEXT,
    TROUGH,
    colour,
    series_name,
    value_colour,
)
from rakuten.observability.panels import Column, Panel
from rakuten.observability.prometheus_api import Series
from rakuten.observability.units import written

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ROW_DOTS = 23


def draw_stat(axes: "Axes", panel: Panel, answers: Sequence[Answer], around: Around) -> None:
    """One number, or a name, on its colour."""
    del around
    query, series = answers[0]
    names = ", ".join(sorted(series_name(query, one.labels) for one in series))
    text = names if panel.names else _word(panel, series[0].last)
    hide(axes)
    axes.set_facecolor(value_colour(panel, series[0].last))
    size = min(17.0, 165 / max(6, len(text)))
    axes.text(
        0.5,
        0.47,
        text,
        transform=axes.transAxes,
        ha="center",
        va="center",
        color="white",
        fontsize=size,
        weight="bold",
    )


def draw_bars(axes: "Axes", panel: Panel, answers: Sequence[Answer], around: Around) -> None:
    """A bar a series, as long as its newest value."""
    del around
    found = [(one.name, one.series.last) for one in named(panel, answers)]
    top = max(value for _, value in found) or 1
    for place, (_, value) in enumerate(found):
        axes.barh(place, top, color=TROUGH, height=0.62)
        axes.barh(place, value, color=value_colour(panel, value), height=0.62)
        text = written(value, panel.unit, panel.decimals)
        axes.text(top * 1.02, place, text, va="center", color=TEXT, fontsize=8.5)
    axes.set_xlim(0, top * 1.22)
    axes.set_ylim(len(found) - 0.4, -0.6)
    axes.set_xticks([])
    axes.set_yticks(range(len(found)), [name for name, _ in found], color=TEXT, fontsize=8.5)


def draw_heatmap(axes: "Axes", panel: Panel, answers: Sequence[Answer], around: Around) -> None:
    """How many lie in each bucket over time, from the cumulative buckets of a histogram."""
    import numpy as np
    from matplotlib.colors import LinearSegmentedColormap

    bounds = sorted(answers[0][1], key=lambda one: float(one.labels["le"]))
    times = sorted({moment for one in bounds for moment, _ in one.points})
    known = [dict(one.points) for one in bounds]
    under = np.array([[points.get(moment, 0.0) for moment in times] for points in known])
    cells = np.clip(np.diff(np.nan_to_num(under), axis=0, prepend=0), 0, None)
    # Empty buckets at both ends say nothing.
    used = np.flatnonzero(cells.sum(axis=1) > 0)
    first, last = (int(used[0]), int(used[-1])) if len(used) else (0, len(bounds) - 1)
    edges = [moment - around.step for moment in times] + [times[-1]]
    shades = LinearSegmentedColormap.from_list("heat", HEAT)
    places = range(last - first + 2)
    axes.pcolormesh(edges, places, np.sqrt(cells[first : last + 1]), cmap=shades, rasterized=True)
    limits = [float(one.labels["le"]) for one in bounds[first : last + 1]]
    texts = [written(limit, panel.unit) if math.isfinite(limit) else "more" for limit in limits]
    axes.set_yticks(places[1:], texts)
    over_time(axes, around)


def draw_timeline(axes: "Axes", panel: Panel, answers: Sequence[Answer], around: Around) -> None:
    """A line of coloured stretches for each series: one a state."""
    found = named(panel, answers)
    for place, one in enumerate(found):
        for start, end, value in _stretches(one.series, around):
            shade = value_colour(panel, value)
            axes.barh(place, end - start, left=start, color=shade, height=0.72)
            if end - start > (around.end - around.start) * 0.12:
                text = f"  {_word(panel, value)}"
                axes.text(start, place, text, va="center", color="white", fontsize=8, clip_on=True)
    axes.set_ylim(len(found) - 0.45, -0.55)
    axes.set_yticks(range(len(found)), [one.name for one in found], color=TEXT, fontsize=SMALL)
    over_time(axes, around)


def draw_table(axes: "Axes", panel: Panel, answers: Sequence[Answer], around: Around) -> None:
    """The rows that fit, under the titles of the columns."""
    del around
    room = max(2, int(axes.get_window_extent().height / _ROW_DOTS) - 1)
    rows = _merged(answers)[:room]
    hide(axes)
    axes.set_xlim(0, 1)
    axes.set_ylim(room + 1, 0)
    for number, column in enumerate(panel.columns):
        left = number / len(panel.columns) + 0.008
        axes.text(left, 0.5, column.title, color=LINK, fontsize=8.5, va="center", weight="bold")
        for place, row in enumerate(rows):
            text, shade = _cell(column, row.get(column.source, ""))
            axes.text(left, place + 1.5, text, color=shade, fontsize=8.5, va="center")
    for place in range(len(rows)):
        axes.axhline(place + 1, color=EDGE, linewidth=0.6)


def _word(panel: Panel, value: float) -> str:
    """The word for a value, or the value itself."""
    known = (word.text for word in panel.words if word.value == value)
    return next(known, written(value, panel.unit, panel.decimals))


def _stretches(one: Series, around: Around) -> list[tuple[float, float, float]]:
    """Start, end and value of each stretch of time with one value; a gap ends it."""
    found: list[tuple[float, float, float]] = []
    for moment, value in one.points:
        begun = found[-1] if found else None
        if begun and begun[2] == value and moment - begun[1] <= 1.5 * around.step:
            found[-1] = (begun[0], moment, value)
        else:
            found.append((moment, moment, value))
    return [(start, end + around.step, value) for start, end, value in found]


def _merged(answers: Sequence[Answer]) -> list[dict[str, str | float]]:
    """Rows of a table: the queries side by side, by the labels that they share."""
    rows: list[dict[str, str | float]] = []
    for number, (_, series) in enumerate(answers):
        for one in series:
            row = next((row for row in rows if _same(row, one)), None)
            if row is None:
                row = {}
                rows.append(row)
            row |= {**one.labels, f"Value #{chr(ord('A') + number)}": one.last}
    return rows


def _same(row: dict[str, str | float], one: Series) -> bool:
    shared = [name for name in one.labels if name in row]
    return bool(shared) and all(row[name] == one.labels[name] for name in shared)


def _cell(column: Column, value: str | float) -> tuple[str, str]:
    """Text and colour of one cell."""
    if isinstance(value, str):
        return value, TEXT
    for word in column.words:
        if word.value == value:
            return word.text, colour(word.colour)
    return written(value, column.unit), TEXT
