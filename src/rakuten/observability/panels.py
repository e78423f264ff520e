"""What a dashboard consists of, as plain values that know nothing of Grafana's file format."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Literal

Kind = Literal["timeseries", "stat", "table", "heatmap", "state-timeline", "bargauge"]
Unit = Literal["none", "short", "percentunit", "s", "bytes", "reqps", "cps"]
"""Grafana's names: nothing, a count, a share of 1, seconds, bytes, requests/s, events/s."""
Shown = Literal["lines", "stacked", "steps"]
COLUMNS: Final = 24
"""Width of Grafana's grid."""

GREEN: Final = "green"
ORANGE: Final = "orange"
RED: Final = "red"
BLUE: Final = "blue"
GREY: Final = "text"


@dataclass(frozen=True)
class Query:
    """One PromQL expression of a panel.

    Args:
        expression: PromQL, with Grafana's variables.
        legend: name of its series; ``{{label}}`` stands for a label's value.
        instant: evaluated once, at the end of the time range.
        exemplars: show the exemplars of the metrics that it names.
    """

    expression: str
    legend: str = ""
    instant: bool = False
    exemplars: bool = False


@dataclass(frozen=True)
class Threshold:
    """From this value on (in the panel's unit) the colour is another; None is the lowest."""

    value: float | None
    colour: str


@dataclass(frozen=True)
class Word:
    """What is written in place of one value."""

    value: float
    text: str
    colour: str


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Args:
        source: a label, or the number of a query: ``Value #A`` is that of the first.
        title: what stands above it.
        unit: Grafana's name of the unit.
        words: texts in place of numbers.
        runbook: whether a value leads to the runbook of that name.
    """

    source: str
    title: str
    unit: Unit = "none"
    words: tuple[Word, ...] = ()
    runbook: bool = False


@dataclass(frozen=True)
class Panel:
    """One picture of one question.

    Args:
        title: short; the question that the panel answers.
        what: what is shown, in one or two sentences.
        good: what it looks like when all is well.
        action: what to do when it does not.
        unit: Grafana's name of the unit.
        kind: Grafana's name of the visualisation.
        targets: what is asked of Prometheus.
        width: columns of the 24 of the grid.
        alerts: alerts that watch the same thing; each has a runbook.
        thresholds: where colours change; also drawn as lines where ``limit_lines``.
        words: texts in place of values.
        colours: colour by the name of a series.
        shown: how a series over time is drawn.
        columns: a table's columns, in their order.
        absent: what stands in place of a number while there is none.
        names: a single number shows the name of its series, not its value.
        quiet: nothing to show is good news, as with alerts.
    """

    title: str
    what: str
    good: str
    action: str
    unit: Unit
    kind: Kind
    targets: tuple[Query, ...]
    width: int = 12
    alerts: tuple[str, ...] = ()
    thresholds: tuple[Threshold, ...] = ()
    limit_lines: bool = False
    words: tuple[Word, ...] = ()
    colours: dict[str, str] = field(default_factory=dict)
    shown: Shown = "lines"
    minimum: float | None = None
    maximum: float | None = None
    decimals: int | None = None
    columns: tuple[Column, ...] = ()
    absent: str = "no data"
    names: bool = False
    quiet: bool = False

    @property
    def description(self) -> str:
        """What is shown, what good looks like, what to do; Markdown."""
        return f"{self.what}\n\n**Good:** {self.good}\n\n**If not:** {self.action}"

    @property
    def queries(self) -> list[str]:
        """Every expression of the panel."""
        return [target.expression for target in self.targets]


@dataclass(frozen=True)
class Row:
    """Panels beside each other under one title; what does not fit goes on below."""

    title: str
    height: int
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class Annotation:
    """Moments that are marked on every panel over time."""

    name: str
    expression: str
    title: str
    text: str
    colour: str


@dataclass(frozen=True)
class Dashboard:
    """One page.

    Args:
        uid: its address in Grafana, which never changes.
        title: its name.
        question: what it answers, in one sentence.
        hours: how far it looks back when it is opened.
        rows: panels from top to bottom.
        annotations: moments that are marked.
        instances: the job whose instances can be chosen; empty where there is no choice.
    """

    uid: str
    title: str
    question: str
    hours: int
    rows: tuple[Row, ...]
    annotations: tuple[Annotation, ...] = ()
    instances: str = ""

    @property
    def panels(self) -> list[Panel]:
        """All panels, from top to bottom."""
        return [panel for row in self.rows for panel in row.panels]


@dataclass(frozen=True)
class Place:
    """Where something lies on the grid: columns and rows of it, from the upper left corner."""

    x: int
    y: int
    width: int
    height: int

    def overlaps(self, other: "Place") -> bool:
        """Whether the two share a cell."""
        return (
            self.x < other.x + other.width
            and other.x < self.x + self.width
            and self.y < other.y + other.height
            and other.y < self.y + self.height
        )


def place(dashboard: Dashboard) -> Iterator[tuple[Row | Panel, Place]]:
    """Each row's title and each panel with its place; panels fill lines from left to right."""
    y = 0
    for row in dashboard.rows:
        yield row, Place(0, y, COLUMNS, 1)
        y, x = y + 1, 0
        for panel in row.panels:
            if x + panel.width > COLUMNS:
                x, y = 0, y + row.height
            yield panel, Place(x, y, panel.width, row.height)
            x += panel.width
        y += row.height
