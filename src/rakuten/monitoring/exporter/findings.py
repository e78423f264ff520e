"""What is kept as JSON, read back for metrics; what is damaged costs its own part alone."""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from math import isfinite
from typing import Any, Final, TypeVar

from rakuten.logs import get_logger
from rakuten.monitoring.evidence import (
    CRITICAL_FACTOR,
    NO_WINDOW,
    OVERCONFIDENT,
    PERFORMANCE_DROP,
    Outcome,
)
from rakuten.monitoring.history import LABELS
from rakuten.store.flow_runs import RAN

log = get_logger(__name__)

Part = TypeVar("Part")

BOUNDS: Final = ("estimate", "lower", "upper")
_DELAYED: Final = ("weighted_f1", "accuracy", "auto_precision", "calibration_error")
_ESTIMATED: Final = ("weighted_f1", "accuracy")
_COMPARED: Final = {"drifted": 1, "stable": 0, "constant": 0}
"""Verdicts on columns that say something of drift → severity, of a drift that is not critical."""
_DAMAGE: Final = (AttributeError, KeyError, TypeError, ValueError, IndexError)


@dataclass(frozen=True)
class Findings:
    """What a check found, by column and by score; None is damaged, or there was no check.

    ``severities`` are 0 (no drift), 1 (warning) and 2 (critical by itself). ``delayed`` is by
    score and bound; ``references`` and ``estimated`` are by score.
    """

    effects: dict[str, float] | None = None
    severities: dict[str, float] | None = None
    delayed: dict[tuple[str, str], float] | None = None
    labels: float | None = None
    unknown_share: float | None = None
    references: dict[str, float] | None = None
    estimated: dict[str, float] | None = None


@lru_cache(maxsize=2)
def read_findings(text: str | None) -> Findings:
    """Findings of a run as the store keeps them (JSON); read once as long as they are the same."""
    if text is None:
        return Findings()
    found = _part("findings", lambda: _mapping(json.loads(text)))
    if found is None:
        return Findings()
    return Findings(
        effects=_part("effects of drift", lambda: dict(_effects(found))),
        severities=_part("severities of drift", lambda: dict(_severities(found))),
        delayed=_part("delayed scores", lambda: dict(_delayed(found))),
        labels=_part("labels", lambda: _number(found["performance"]["labels"])),
        unknown_share=_part(
            "unknown share", lambda: _number(found["performance"]["unknown_share"])
        ),
        references=_part("held-out scores", lambda: dict(_references(found))),
        estimated=_part("estimated scores", lambda: dict(_estimated(found))),
    )


def labels_violate(reasons: Iterable[str]) -> bool | None:
    """Whether labels showed a loss when the newest check that worked was decided on.

    Args:
        reasons: of decisions, newest first, each a JSON list as the store keeps it. Those on a
            check that failed, or on none, say nothing of labels.

    Returns:
        None where no decision says anything.
    """
    for text in reasons:
        codes = _codes(text)
        if codes and not codes & {Outcome.CHECK_FAILED.value, NO_WINDOW}:
            return bool(codes & {PERFORMANCE_DROP, OVERCONFIDENT})
    return None


@lru_cache(maxsize=1024)
def read_stages(text: str) -> dict[str, float]:
    """Seconds of the stages of a run that really ran, by name; none of what is damaged."""
    return _part("stages", lambda: dict(_stages(json.loads(text)))) or {}


@lru_cache(maxsize=128)
def _codes(text: str) -> frozenset[str]:
    found = _part("reasons", lambda: frozenset(str(one["code"]) for one in json.loads(text)))
    return found or frozenset()


def _effects(found: dict[str, Any]) -> Iterator[tuple[str, float]]:
    for column in found["drift"]["columns"]:
        if column["effect"] is not None:
            yield _word(column["name"]), _number(column["effect"])


def _severities(found: dict[str, Any]) -> Iterator[tuple[str, float]]:
    for column in found["drift"]["columns"]:
        severity = _COMPARED.get(column["verdict"])
        if severity is None:  # too little data says nothing of drift
            continue
        effect = abs(_number(column["effect"])) if severity else 0.0
        critical = severity and effect >= CRITICAL_FACTOR * _number(column["threshold"])
        yield _word(column["name"]), 2.0 if critical else float(severity)


def _delayed(found: dict[str, Any]) -> Iterator[tuple[tuple[str, str], float]]:
    """Scores weighted to all traffic; those of labelled answers alone are of hard products."""
    scores = found["performance"]["traffic"] or {}
    for name in _DELAYED:
        score = scores.get(name)
        if score is None:
            continue
        values = (score["value"], *(score["interval"] or ()))
        for bound, value in zip(BOUNDS, values, strict=False):  # few labels have no interval
            yield (name, bound), _number(value)


def _references(found: dict[str, Any]) -> Iterator[tuple[str, float]]:
    value = found[LABELS]["expected_f1"]
    if value is not None:
        yield "weighted_f1", _number(value)


def _estimated(found: dict[str, Any]) -> Iterator[tuple[str, float]]:
    expected = found["expected"] or {}
    for name in _ESTIMATED:
        if expected.get(name) is not None:
            yield name, _number(expected[name])


def _stages(found: Any) -> Iterator[tuple[str, float]]:
    for stage in found:
        if stage["outcome"] == RAN:
            yield _word(stage["stage"]), _number(stage["seconds"])


def _part(what: str, read: Callable[[], Part]) -> Part | None:
    try:
        return read()
    except _DAMAGE as error:
        log.warning("%s in the store are damaged: %s: %s", what, type(error).__name__, error)
        return None


def _mapping(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(f"{type(value).__name__} instead of an object")
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise ValueError("no finite number")
    return float(value)


def _word(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("a name is no text")
    return value
