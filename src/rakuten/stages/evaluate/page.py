"""One self-contained HTML page about an evaluation, for people."""

from typing import Final

from rakuten.models.evaluate import Evaluation
from rakuten.models.evaluate.intervals import DRAWS, MIN_ROWS, Interval
from rakuten.models.evaluate.slices import SliceScores
from rakuten.pages import DASH, decimal, load_template, number
from rakuten.stages.evaluate.charts import coverage_chart, heat_map, reliability_chart

_NARROW: Final = "\u202f"

_DIMENSIONS: Final = {
    "content": "What the product brings",
    "description": "Description",
    "language": "Language of its text",
    "title_length": "Length of the title, in characters",
}
_SLICES: Final = {
    ("language", "fr"): "French",
    ("language", "en"): "English",
    ("language", "de"): "German",
    ("language", "unknown"): "not recognised",
    ("title_length", "0"): "no title",
}


def render_page(evaluation: Evaluation) -> str:
    """The page as HTML; it loads nothing, runs nothing, and the same scores give the same bytes.

    Raises:
        MissingExtraError: jinja2 is not installed.
    """
    template = load_template(
        "rakuten.stages.evaluate", "page.html", percent=_percent, span=_span, of=_of
    )
    return template.render(
        found=evaluation,
        slices=_grouped(evaluation.slices),
        coverage=coverage_chart(evaluation),
        reliability=reliability_chart(evaluation),
        heat=heat_map(evaluation),
        min_rows=MIN_ROWS,
        draws=DRAWS,
    )


def _grouped(slices: list[SliceScores]) -> dict[str, list[tuple[str, SliceScores]]]:
    """Title of a dimension → its slices that have rows, with the names people read."""
    return {
        title: [
            (_SLICES.get((dimension, part.name), part.name.replace("-", DASH)), part)
            for part in slices
            if part.dimension == dimension and part.rows
        ]
        for dimension, title in _DIMENSIONS.items()
    }


def _percent(value: float | None, digits: int = 1) -> str:
    """A share in per cent; less than all is never rounded up to 100 %."""
    if value is None:
        return DASH
    shown = f"{100 * value:.{digits}f}"
    if value < 1 and float(shown) == 100:
        shown = f"{100 - 10**-digits:.{digits}f}"
    return f"{shown}{_NARROW}%"


def _span(interval: Interval | None, form: str = "decimal") -> str:
    if interval is None:
        return DASH
    write = _percent if form == "percent" else decimal
    return f"{write(interval[0])} to {write(interval[1])}"


def _of(part: int, whole: int) -> str:
    return f"{number(part)} of {number(whole)}"
