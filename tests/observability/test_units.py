"""Numbers as a reader sees them."""

import math

import pytest

from rakuten.observability.panels import Unit
from rakuten.observability.units import written


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.995, "percentunit", "99.5%"),
        (1, "percentunit", "100%"),
        (-0.19, "percentunit", "-19%"),
        (0, "s", "0 s"),
        (0.00042, "s", "420 µs"),
        (0.0737, "s", "73.7 ms"),
        (1, "s", "1 s"),
        (90, "s", "1.5 min"),
        (39744, "s", "11 h"),
        (3 * 86400, "s", "3 days"),
        (1536, "bytes", "1.5 KiB"),
        (410e6, "bytes", "391 MiB"),
        (0, "bytes", "0 B"),
        (990, "short", "990"),
        (41_000, "short", "41 K"),
        (3.124, "reqps", "3.12 req/s"),
        (0.0548, "cps", "0.0548 /s"),
        (0, "none", "0"),
        (1.00004, "none", "1"),
        (math.nan, "s", "–"),
    ],
)
def test_values_are_written_in_their_unit(value: float, unit: Unit, text: str) -> None:
    assert written(value, unit) == text


def test_decimals_are_as_many_as_asked_for_and_nothing_is_minus_zero() -> None:
    assert written(0.99512, "percentunit", 2) == "99.51%"
    assert written(2.0004, "none", 0) == "2"
    assert written(-1e-12, "none", 1) == "0.0"
