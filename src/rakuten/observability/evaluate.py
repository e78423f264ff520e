"""Every query of every panel, put to a running Prometheus."""

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from rakuten.errors import PrometheusError
from rakuten.observability.dashboards import all_dashboards
from rakuten.observability.expressions import concrete
from rakuten.observability.panels import Dashboard, Panel, Query
from rakuten.observability.prometheus_api import Prometheus, Series

State = Literal["ok", "quiet", "empty", "error"]


@dataclass(frozen=True)
class Span:
    """The time that is looked at, and how finely.

    Args:
        end: last moment, in seconds since 1970.
        seconds: length.
        scrape_seconds: how often Prometheus looks at its targets.
        points: values of a series at most, as many as its picture is wide.
        instance: regular expression of the processes that are looked at.
        scaled: turns a range that is written in a query into the one to ask for.
    """

    end: float = field(default_factory=time.time)
    seconds: float = 3600
    scrape_seconds: float = 15
    points: int = 240
    instance: str = ".*"
    scaled: Callable[[str], str] = str

    @property
    def start(self) -> float:
        """First moment."""
        return self.end - self.seconds

    @property
    def step(self) -> float:
        """Seconds between two values of a series."""
        return max(self.scrape_seconds, self.seconds / self.points)

    def fill(self, query: str) -> str:
        """The query with Grafana's variables filled in, as Grafana does for this time."""
        rate = max(self.step + self.scrape_seconds, 4 * self.scrape_seconds)
        return concrete(
            query,
            instance=self.instance,
            rate_interval=f"{round(rate * 1000)}ms",
            interval=f"{round(self.step * 1000)}ms",
            window=f"{round(self.seconds * 1000)}ms",
            scaled=self.scaled,
        )


@dataclass(frozen=True)
class Found:
    """What Prometheus answered to one query of a panel.

    ``state`` is ``quiet`` where there is nothing and that is good news, as with alerts;
    ``sample`` is the newest value of the first series.
    """

    dashboard: str
    panel: str
    query: str
    state: State
    series: int = 0
    sample: float = math.nan
    error: str = ""


def ask(prometheus: Prometheus, query: Query, span: Span) -> list[Series]:
    """The series of one query, without those that are no number throughout.

    Raises:
        PrometheusError: no answer, or the query cannot be evaluated.
    """
    text = span.fill(query.expression)
    if query.instant:
        found = prometheus.instant(text, span.end)
    else:
        found = prometheus.over(text, span.start, span.end, span.step)
    return [one for one in found if any(not math.isnan(value) for _, value in one.points)]


def table(
    prometheus_url: str,
    span: Span | None = None,
    dashboards: Iterable[Dashboard] | None = None,
) -> list[Found]:
    """What every query of every panel finds on a server; an error is a row, not the end.

    Raises:
        ConfigurationError: the address is none of HTTP.
    """
    prometheus = Prometheus(prometheus_url)
    during = span or Span()
    return [
        _evaluated(prometheus, board, panel, query, during)
        for board in (all_dashboards() if dashboards is None else dashboards)
        for panel in board.panels
        for query in panel.targets
    ]


def _evaluated(
    prometheus: Prometheus, board: Dashboard, panel: Panel, query: Query, span: Span
) -> Found:
    where = (board.uid, panel.title, query.expression)
    try:
        series = ask(prometheus, query, span)
    except PrometheusError as error:
        return Found(*where, "error", error=error.message)
    if not series:
        return Found(*where, "quiet" if panel.quiet else "empty")
    return Found(*where, "ok", len(series), series[0].last)


def table_text(rows: Sequence[Found]) -> str:
    """The rows as a Markdown table, and a line that counts them by state."""
    lines = [
        "| dashboard | panel | state | series | sample | query |",
        "|---|---|---|---:|---:|---|",
    ]
    for row in rows:
        sample = "" if math.isnan(row.sample) else f"{row.sample:.6g}"
        query = row.query.replace("|", "\\|")
        state = f"{row.state}: {row.error}" if row.error else row.state
        lines.append(
            f"| {row.dashboard} | {row.panel} | {state} | {row.series} | {sample} | `{query}` |"
        )
    counts = {
        state: sum(row.state == state for row in rows)
        for state in ("ok", "quiet", "empty", "error")
    }
    lines.append("\n" + ", ".join(f"{number} {state}" for state, number in counts.items()))
    return "\n".join(lines)
