"""Numbers as a reader sees them: the units that panels use."""

import math
from typing import Final

from rakuten.observability.panels import Unit

_TIMES: Final = ((1e-3, 1e-6, "µs"), (1, 1e-3, "ms"), (60, 1, "s"), (3600, 60, "min"))
_LONGER: Final = ((86400, 3600, "h"), (math.inf, 86400, "days"))
_BYTES: Final = ("B", "KiB", "MiB", "GiB", "TiB")
_COUNTS: Final = ("", "K", "Mil", "Bil")
_BEHIND: Final[dict[Unit, str]] = {"reqps": " req/s", "cps": " /s"}


def written(value: float, unit: Unit, decimals: int | None = None) -> str:
    """A value with its unit: ``0.25`` of ``percentunit`` is ``25%``.

    Args:
        value: in the base unit; NaN is a dash.
        unit: Grafana's name of it.
        decimals: digits behind the point; by default as many as make three in all.
    """
    if math.isnan(value):
        return "–"
    if unit == "percentunit":
        return f"{_digits(value * 100, decimals)}%"
    if unit == "s":
        return _time(value, decimals)
    if unit == "bytes":
        return _stepped(value, 1024, _BYTES, decimals)
    if unit == "short":
        return _stepped(value, 1000, _COUNTS, decimals).strip()
    return _digits(value, decimals) + _BEHIND.get(unit, "")


def _time(value: float, decimals: int | None) -> str:
    if value == 0:
        return "0 s"
    for limit, size, name in (*_TIMES, *_LONGER):
        if abs(value) < limit:
            return f"{_digits(value / size, decimals)} {name}"
    raise ValueError(f"{value} s is no length of time")


def _stepped(value: float, base: int, names: tuple[str, ...], decimals: int | None) -> str:
    power = 0
    while abs(value) >= base and power < len(names) - 1:
        value, power = value / base, power + 1
    return f"{_digits(value, decimals)} {names[power]}"


def _digits(value: float, decimals: int | None) -> str:
    """Three digits in all, without zeros that say nothing; or as many decimals as asked for."""
    if decimals is not None:
        text = f"{value:.{decimals}f}"
    else:
        size = math.floor(math.log10(abs(value))) if value else 0
        text = f"{value:.{max(0, min(6, 2 - size))}f}"
        text = text.rstrip("0").rstrip(".") if "." in text else text
    return text.removeprefix("-") if float(text) == 0 else text
