"""Pages for people: templates that escape what they show, and how numbers are written."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from rakuten.errors import MissingExtraError

if TYPE_CHECKING:
    from jinja2 import Template

DASH: Final = "–"
"""Stands for a number that there is none of."""


def load_template(package: str, name: str, **filters: Callable[..., str]) -> "Template":
    """A Jinja template of a package's folder ``templates``; an unknown name in it is an error.

    Args:
        package: import name of the package.
        name: file of the template.
        filters: what it may write values with, beside :func:`number` and :func:`decimal`.

    Raises:
        MissingExtraError: jinja2 is not installed.
    """
    try:
        from jinja2 import Environment, PackageLoader, StrictUndefined
    except ModuleNotFoundError as error:
        raise MissingExtraError("jinja2", "pipeline", "Writing the page") from error
    environment = Environment(
        loader=PackageLoader(package),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(number=number, decimal=decimal, **filters)
    return environment.get_template(name)


def number(value: int | None) -> str:
    """A count with separators."""
    return DASH if value is None else f"{value:,}"


def decimal(value: float | None, digits: int = 3) -> str:
    """A number with so many decimals."""
    return DASH if value is None else f"{value:.{digits}f}"
