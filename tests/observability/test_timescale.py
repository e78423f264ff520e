"""Lengths of time are scaled exactly, and written as Prometheus reads them."""

import pytest

from rakuten.errors import ConfigurationError
from rakuten.observability.timescale import TimeScale, duration, milliseconds


@pytest.mark.parametrize(
    ("text", "scale", "expected"),
    [
        ("5m", "1", "5m"),
        ("90s", "1", "90s"),
        ("5m", "1/120", "2500ms"),
        ("15s", "1/120", "125ms"),
        ("3d", "1/120", "36m"),
        ("1d", "0.5", "12h"),
        ("2m", "1/120", "1s"),
        ("1ms", "1/120", "1ms"),  # a length of 0 would be none
    ],
)
def test_a_duration_is_scaled_and_written_in_its_largest_unit(
    text: str, scale: str, expected: str
) -> None:
    assert TimeScale.parse(scale).duration(text) == expected


@pytest.mark.parametrize(
    ("text", "scale", "expected"),
    [
        ("45d", "1", "3888000"),
        ("30m", "1/120", "15"),
        ("1m", "1/7", "8.571"),
        ("2d", "1/2", "86400"),
    ],
)
def test_an_age_is_a_number_of_seconds(text: str, scale: str, expected: str) -> None:
    assert TimeScale.parse(scale).seconds(text) == expected


@pytest.mark.parametrize("text", ["0", "-1", "2", "1/0", "half", ""])
def test_a_scale_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="no time scale"):
        TimeScale.parse(text)


@pytest.mark.parametrize("text", ["0s", "5", "m", "1.5m", "-1m", "1h30m", ""])
def test_a_duration_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="no duration"):
        milliseconds(text)


def test_durations_survive_the_way_there_and_back() -> None:
    for length in (1, 999, 1000, 1500, 60_000, 90_000, 3_600_000, 86_400_000, 129_600_000):
        assert milliseconds(duration(length)) == length
