"""What the pictures of all panels share: answers, axes over time, names and colours of series."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from rakuten.observability.looks import colour, series_colour, series_name
from rakuten.observability.panels import Panel, Query
from rakuten.observability.prometheus_api import Series

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Answer = tuple[Query, Sequence[Series]]
SMALL: Final = 7.5
"""Size of the text on axes and in legends, in points."""
_TICK_DOTS: Final = 64
_TICKS: Final = (5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200)


@dataclass(frozen=True)
class Around:
    """What is drawn around the data of every panel over time.

    Args:
        start: first moment, in seconds since 1970.
        end: last moment.
        step: seconds between two values.
        marks: moments that are marked, with the name of their colour.
        exemplars: time and value of single requests, on panels that ask for them.
    """

    start: float
    end: float
    step: float
    marks: Sequence[tuple[float, str]] = ()
    exemplars: Sequence[tuple[float, float]] = ()


@dataclass(frozen=True)
class Named:
    """A series with its name and colour."""

    name: str
    series: Series
    shade: str


def named(panel: Panel, answers: Sequence[Answer]) -> list[Named]:
    """All series of a panel."""
    found = [(series_name(query, one.labels), one) for query, series in answers for one in series]
    return [
        Named(name, one, series_colour(panel, name, number))
        for number, (name, one) in enumerate(found)
    ]


def hide(axes: "Axes") -> None:
    """Take the axes' ticks away."""
    axes.set_xticks([])
    axes.set_yticks([])


def over_time(axes: "Axes", around: Around) -> None:
    """Make the horizontal axis the time, in UTC, and draw what is marked."""
    length = around.end - around.start
    axes.set_xlim(around.start, around.end)
    most = max(2, axes.get_window_extent().width / _TICK_DOTS)
    step = next((step for step in _TICKS if length / step <= most), 86400)
    first = math.ceil(around.start / step) * step
    ticks = [first + step * number for number in range(int((around.end - first) / step) + 1)]
    shape = "%H:%M:%S" if step < 60 else "%H:%M"
    axes.set_xticks(ticks, [datetime.fromtimestamp(tick, UTC).strftime(shape) for tick in ticks])
    for moment, name in around.marks:
        axes.axvline(moment, color=colour(name), linewidth=1, linestyle=(0, (3, 2)), zorder=3)
