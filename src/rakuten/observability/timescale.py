"""One factor for every length of time in the rules: 1 in earnest, 1/120 where a test watches."""

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, Self

from rakuten.errors import ConfigurationError

_UNITS: Final = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


def milliseconds(text: str) -> int:
    """Length of a duration such as ``500ms``, ``15s``, ``5m``, ``6h`` or ``3d``.

    Raises:
        ConfigurationError: it is written otherwise, or is 0.
    """
    found = re.fullmatch(r"(\d+)(ms|s|m|h|d)", text)
    length = int(found[1]) * _UNITS[found[2]] if found else 0
    if not length:
        raise ConfigurationError(
            f"{text!r} is no duration.", hint="write a number and ms, s, m, h or d, as in 500ms"
        )
    return length


def duration(length: float | Fraction) -> str:
    """Milliseconds as Prometheus writes them: in the largest unit that holds them exactly."""
    whole = max(1, round(length))
    unit = next(name for name, size in reversed(_UNITS.items()) if whole % size == 0)
    return f"{whole // _UNITS[unit]}{unit}"


@dataclass(frozen=True)
class TimeScale:
    """What lengths of time are multiplied by; shares and counts are not."""

    factor: Fraction = Fraction(1)

    @classmethod
    def parse(cls, text: str) -> Self:
        """A factor from ``1``, ``1/120`` or ``0.05``.

        Raises:
            ConfigurationError: it is no number, not above 0, or above 1.
        """
        try:
            factor = Fraction(text)
        except (ValueError, ZeroDivisionError):
            factor = Fraction(0)
        if not 0 < factor <= 1:
            raise ConfigurationError(
                f"{text!r} is no time scale.", hint="write a number above 0 up to 1, as in 1/120"
            )
        return cls(factor)

    def duration(self, text: str) -> str:
        """A duration, scaled: ``5m`` is ``2500ms`` at 1/120."""
        return duration(milliseconds(text) * self.factor)

    def seconds(self, text: str) -> str:
        """A duration, scaled, as a number of seconds to compare an age with."""
        return f"{float(Fraction(milliseconds(text), 1000) * self.factor):.3f}".rstrip("0").rstrip(
            "."
        )
