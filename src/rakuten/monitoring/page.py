"""The page about a check: what was found and decided, above Evidently's charts."""

from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Final

from rakuten.models.evaluate.intervals import Interval
from rakuten.monitoring.estimate import ASSUMPTION
from rakuten.monitoring.evidence import Outcome
from rakuten.monitoring.evidently_report import Described
from rakuten.monitoring.summary import expected_lines, measured_lines, sorted_columns
from rakuten.monitoring.window import Seen
from rakuten.pages import DASH, load_template
from rakuten.store.monitoring import DecisionRecord, MonitorRun

if TYPE_CHECKING:
    from jinja2 import Template

OUTCOMES: Final = {
    Outcome.NONE: "no drift",
    Outcome.WARNING: "drift: warning",
    Outcome.CRITICAL: "drift: critical",
    Outcome.NOT_ENOUGH_DATA: "not enough data",
    Outcome.CHECK_FAILED: "the check failed",
}

# Nothing is fetched from anywhere, whatever the scripts below would like.
_POLICY: Final = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data: blob:; font-src data:"
)
_HEAD: Final = (
    '<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
    '<meta name="robots" content="noindex">\n<title>{title}</title>\n'
)
_EMPTY: Final = (
    '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
    '<meta name="viewport" content="width=device-width, initial-scale=1">\n</head>\n'
    "<body>\n</body>\n</html>\n"
)


def render_page(
    seen: Seen, described: Described | None, run: MonitorRun, decision: DecisionRecord | None
) -> str:
    """One self-contained page; it opens no connection.

    Args:
        seen: what the window showed.
        described: Evidently's page, which ours is put on top of; None where there was not enough
            data for one.
        run: the run as the store keeps it.
        decision: what was decided, None as long as nothing is.

    Raises:
        MissingExtraError: jinja2 is not installed.
    """
    summary = _template().render(
        seen=seen,
        drift=seen.drift,
        run=run,
        decision=decision,
        outcome=OUTCOMES[seen.drift.outcome],
        columns=sorted_columns(seen.drift),
        measured=measured_lines(seen),
        expected=expected_lines(seen),
        assumption=ASSUMPTION,
        has_charts=described is not None,
    )
    title = f"Monitoring: version {run.model_version}, {_moment(run.started_at)}"
    head = _HEAD.format(policy=_POLICY, title=title)
    page = described.html.lstrip() if described else _EMPTY
    page = page.replace("<head>", f"<head>\n{head}", 1)
    return page.replace("<body>", f"<body>\n{summary}", 1)


@cache
def _template() -> "Template":
    return load_template("rakuten.monitoring", "summary.html", span=_span, moment=_moment)


def _span(interval: Interval | None) -> str:
    return f"{interval[0]:.3f} to {interval[1]:.3f}" if interval else DASH


def _moment(moment: datetime | None) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if moment else DASH
