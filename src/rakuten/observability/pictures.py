"""Dashboards as pictures: what a Prometheus server answers, drawn as Grafana lays it out."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rakuten.errors import MissingExtraError
from rakuten.io import atomic_path
from rakuten.observability.canvas import Answer, Around, named
from rakuten.observability.dashboards import all_dashboards
from rakuten.observability.drawing import draw
from rakuten.observability.evaluate import Span, ask
from rakuten.observability.frame import CELL_HEIGHT, CELL_WIDTH, GAP, TOP, Frame, legend_lines
from rakuten.observability.looks import FAINT, PAGE, TEXT
from rakuten.observability.panels import COLUMNS, Annotation, Dashboard, Panel, Query, place
from rakuten.observability.prometheus_api import Prometheus
from rakuten.observability.units import written

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DOTS: Final = 100
_LETTER: Final = 5.6
"""Width of a letter of an axis, in dots."""


def write_pictures(
    prometheus_url: str,
    folder: Path,
    span: Span | None = None,
    dashboards: Sequence[Dashboard] | None = None,
) -> list[Path]:
    """Draw every dashboard into ``<uid>.png`` and return the paths.

    Args:
        prometheus_url: address of the server that is asked.
        folder: where the pictures go; made if absent.
        span: the time that is shown; by default each dashboard's own, up to now.
        dashboards: which ones; by default all.

    Raises:
        ConfigurationError: the address is none of HTTP.
        MissingExtraError: matplotlib is not installed.
        PrometheusError: no answer, or a query cannot be evaluated.
        StorageError: the file system refused.
    """
    prometheus = Prometheus(prometheus_url)
    paths = []
    for board in all_dashboards() if dashboards is None else dashboards:
        picture = _picture(board, prometheus, span or Span(seconds=board.hours * 3600))
        path = folder / f"{board.uid}.png"
        with atomic_path(path) as temporary:
            picture.savefig(temporary, format="png", facecolor=PAGE, metadata={"Software": None})
        paths.append(path)
    return paths


def _picture(board: Dashboard, prometheus: Prometheus, span: Span) -> "Figure":
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise MissingExtraError("matplotlib", "pipeline", "Drawing dashboards") from error
    placed = list(place(board))
    rows = max(where.y + where.height for _, where in placed)
    page = (COLUMNS * CELL_WIDTH + 2 * GAP, rows * CELL_HEIGHT + TOP + GAP)
    figure = Figure(figsize=(page[0] / _DOTS, page[1] / _DOTS), dpi=_DOTS)
    _headline(Frame(figure, page, 0, 0, page[0], TOP), board, span)
    marks = _marks(board.annotations, prometheus, span)
    for what, where in placed:
        frame = Frame.on_grid(figure, page, where)
        if isinstance(what, Panel):
            _panel(frame, what, prometheus, span, marks)
        else:
            frame.text(10, 20, f"▾  {what.title}", TEXT, 11, bold=True)
    return figure


def _headline(frame: Frame, board: Dashboard, span: Span) -> None:
    frame.text(12, 22, board.title, TEXT, 15, bold=True)
    frame.text(12, 46, board.question, FAINT, 10)
    start, end = (datetime.fromtimestamp(moment, UTC) for moment in (span.start, span.end))
    times = f"{start:%Y-%m-%d %H:%M:%S}  to  {end:%Y-%m-%d %H:%M:%S} UTC"
    frame.text(frame.width - 12, 22, times, FAINT, 10, right=True)


def _panel(
    frame: Frame,
    panel: Panel,
    prometheus: Prometheus,
    span: Span,
    marks: Sequence[tuple[float, str]],
) -> None:
    frame.fill()
    single = panel.kind == "stat"
    frame.text(12, 18, panel.title, TEXT, 8.5 if single else 9.5, bold=not single)
    answers: list[Answer] = [(query, ask(prometheus, query, span)) for query in panel.targets]
    lines = legend_lines(_legend(panel, answers), frame.width - 24)
    frame.legend(lines)
    left = 58.0
    if panel.kind in ("state-timeline", "bargauge"):
        longest = max((len(one.name) for one in named(panel, answers)), default=0)
        left = min(20 + _LETTER * longest, frame.width / 2)
    axes = frame.axes(panel.kind, left, len(lines))
    exemplars = _exemplars(panel.targets, prometheus, span)
    draw(axes, panel, answers, Around(span.start, span.end, span.step, marks, exemplars))


def _legend(panel: Panel, answers: Sequence[Answer]) -> list[tuple[str, str]]:
    """Text and colour of each entry below a panel over time, with the newest value."""
    found = named(panel, answers)
    alone = len(panel.targets) == 1 and "{{" not in panel.targets[0].legend
    if panel.kind != "timeseries" or alone:
        return []
    return [
        (f"{one.name}  {written(one.series.last, panel.unit, panel.decimals)}", one.shade)
        for one in found
    ]


def _marks(
    annotations: Sequence[Annotation], prometheus: Prometheus, span: Span
) -> list[tuple[float, str]]:
    """When each event began; what was so at the start of the picture began before it."""
    found = []
    for annotation in annotations:
        for one in ask(prometheus, Query(annotation.expression), span):
            before = span.start
            for moment, _ in one.points:
                if moment - before > 1.5 * span.step:
                    found.append((moment, annotation.colour))
                before = moment
    return found


def _exemplars(
    targets: Sequence[Query], prometheus: Prometheus, span: Span
) -> list[tuple[float, float]]:
    """Those of the metric that the panel's last query with exemplars names."""
    wanted = [span.fill(query.expression) for query in targets if query.exemplars]
    return prometheus.exemplars(wanted[-1], span.start, span.end) if wanted else []
