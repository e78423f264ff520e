"""Colours of the pictures, after Grafana's dark theme."""

import re
from collections.abc import Mapping
from typing import Final

from rakuten.observability.panels import Panel, Query

PAGE: Final = "#111217"
PANEL: Final = "#181b1f"
EDGE: Final = "#2c2e35"
GRID: Final = "#2a2d33"
TEXT: Final = "#ccccdc"
FAINT: Final = "#8e8e99"
EXEMPLAR: Final = "#8ab8ff"
LINK: Final = "#6e9fff"
TROUGH: Final = "#22252b"
HEAT: Final = (PANEL, "#7f2704", "#d94801", "#fd8d3c", "#fee6ce")
_NAMED: Final = {
    "green": "#73bf69",
    "semi-dark-green": "#477a40",
    "orange": "#ff9830",
    "red": "#f2495c",
    "dark-red": "#c4162a",
    "blue": "#5794f2",
    "purple": "#b877d9",
    "text": "#8e8e99",
}
_PALETTE: Final = (
    "#73bf69 #f2cc0c #8ab8ff #ff780a #f2495c #5794f2 #b877d9 #705da0 "
    "#37872d #fade2a #447ebc #c15c17 #96d98d #ffee52 #c4162a"
).split()


def colour(name: str) -> str:
    """The colour that Grafana shows for one of its names."""
    return _NAMED[name]


def series_colour(panel: Panel, name: str, number: int) -> str:
    """The colour of a series: the one it was given, or the next of the palette."""
    return (
        colour(panel.colours[name]) if name in panel.colours else _PALETTE[number % len(_PALETTE)]
    )


def value_colour(panel: Panel, value: float) -> str:
    """The colour of a single number: of its word, or of the threshold that it has reached."""
    for word in panel.words:
        if word.value == value:
            return colour(word.colour)
    reached = [step for step in panel.thresholds if step.value is None or value >= step.value]
    return colour(reached[-1].colour) if reached else FAINT


def series_name(query: Query, labels: Mapping[str, str]) -> str:
    """The legend of a series: its template filled in, or its labels."""
    if query.legend:
        return re.sub(r"{{(\w+)}}", lambda found: labels.get(found[1], ""), query.legend)
    return ", ".join(f"{name}={value}" for name, value in sorted(labels.items())) or "value"
