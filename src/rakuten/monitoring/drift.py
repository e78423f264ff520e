"""Whether a window of traffic still looks like the reference, by a stated rule."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from rakuten.models.feature_row import FeatureRow
from rakuten.monitoring.embeddings import compare_embeddings
from rakuten.monitoring.evidence import CRITICAL_FACTOR, Outcome
from rakuten.monitoring.features import WATCHED, Group, Kind, Watched, check_rows, watched_values
from rakuten.monitoring.two_sample import (
    Comparison,
    adjust_holm,
    compare_categories,
    compare_numbers,
    compare_proportions,
)

MIN_ROWS: Final = 100
"""Rows that a window needs, and the reference too."""

MIN_VALUES: Final = 50
"""Values that a column needs on each side."""

ALPHA: Final = 0.01
"""Probability that a window without drift has any significant column."""

FLOORS: Final[dict[Kind, float]] = {
    "numeric": 0.1,
    "proportion": 0.05,
    "categorical": 0.1,
    "embedding": 0.05,
}
"""Effect size that a column must reach to count as drifted."""

CRITICAL_GROUPS: Final = 3
"""So are drifted columns in all of text, photo and answer."""

MAX_CORRUPT: Final = 0.01
"""Share of damaged rows above which the log itself is at fault."""

Verdict = Literal["drifted", "stable", "constant", "absent", "not_enough_data"]


@dataclass(frozen=True)
class ColumnDrift:
    """One column, window against reference.

    ``p_value`` is that of the column alone, ``adjusted_p`` holds for all columns together;
    both, the statistic and the effect are None where nothing was tested: ``constant`` is the
    same single value on both sides, ``absent`` no value on either side. ``threshold`` is the
    least effect (its absolute value) that counts.
    """

    name: str
    group: Group
    kind: Kind
    verdict: Verdict
    n_window: int
    n_reference: int
    threshold: float
    test: str | None = None
    statistic: float | None = None
    p_value: float | None = None
    adjusted_p: float | None = None
    effect_name: str | None = None
    effect: float | None = None


@dataclass(frozen=True)
class Finding:
    """Something wrong with the data themselves: what, how much (a share), and the limit."""

    name: str
    value: float
    threshold: float


@dataclass(frozen=True)
class DriftCheck:
    """What became of a window; ``columns`` is empty where there was not enough data.

    ``findings`` about the data's quality do not change the outcome: no retraining mends them.
    """

    outcome: Outcome
    n_window: int
    n_reference: int
    n_corrupt: int
    n_erased: int
    alpha: float
    seed: int
    columns: tuple[ColumnDrift, ...]
    findings: tuple[Finding, ...]

    @property
    def alarms(self) -> bool:
        """Whether anything drifted: a warning or worse."""
        return self.outcome in (Outcome.WARNING, Outcome.CRITICAL)

    @property
    def drifted(self) -> tuple[ColumnDrift, ...]:
        """The columns that drifted, in order."""
        return tuple(column for column in self.columns if column.verdict == "drifted")

    def to_dict(self) -> dict[str, Any]:
        """JSON values, with the fields' names."""
        made = asdict(self)
        return {**made, "columns": list(made["columns"]), "findings": list(made["findings"])}


def check_drift(
    window: Sequence[object], reference: Sequence[FeatureRow], *, seed: int = 0
) -> DriftCheck:
    """Compare a window of feature rows with the reference of the model that answered them.

    A column has drifted if its difference is significant among all columns (Holm's method at
    :data:`ALPHA`) and its effect size reaches its floor. One such column is a warning; it is
    critical if its effect is :data:`CRITICAL_FACTOR` times the floor, or if columns of text,
    photo and answer have drifted.

    Args:
        window: rows as the store keeps them, all answered by one model; damaged ones are counted.
        reference: that model's :func:`rakuten.models.reference.read_reference`.
        seed: of the permutation tests; the same seed and rows give the same result.
    """
    checked = check_rows(window, like=reference)
    enough = min(len(checked.rows), len(reference)) >= MIN_ROWS
    columns = _compare(checked.rows, reference, seed) if enough else ()
    return DriftCheck(
        outcome=_outcome(columns) if enough else Outcome.NOT_ENOUGH_DATA,
        n_window=len(checked.rows),
        n_reference=len(reference),
        n_corrupt=checked.corrupt,
        n_erased=checked.erased,
        alpha=ALPHA,
        seed=seed,
        columns=columns,
        findings=_findings(checked.corrupt, len(window)),
    )


def _findings(corrupt: int, rows: int) -> tuple[Finding, ...]:
    share = corrupt / rows if rows else 0.0
    return (Finding("corrupt_rows", share, MAX_CORRUPT),) if share > MAX_CORRUPT else ()


def _compare(
    window: Sequence[FeatureRow], reference: Sequence[FeatureRow], seed: int
) -> tuple[ColumnDrift, ...]:
    """All columns; the correction counts those that were tested."""
    here, there = watched_values(window), watched_values(reference)
    pairs = [(here[watched.name], there[watched.name]) for watched in WATCHED]
    reasons = [_untested(*pair) for pair in pairs]
    found = {
        place: _test(WATCHED[place].kind, *pairs[place], seed=seed + place)
        for place, reason in enumerate(reasons)
        if reason is None
    }
    p_values = np.array([comparison.p_value for comparison in found.values()])
    adjusted = dict(zip(found, adjust_holm(p_values).tolist(), strict=True))
    return tuple(
        _column(watched, pairs[place], reasons[place], found.get(place), adjusted.get(place))
        for place, watched in enumerate(WATCHED)
    )


def _untested(window: NDArray[Any], reference: NDArray[Any]) -> Verdict | None:
    """Why a column cannot be tested, or None."""
    if not len(window) and not len(reference):
        return "absent"
    if min(len(window), len(reference)) < MIN_VALUES:
        return "not_enough_data"
    first = reference[0]
    return "constant" if (window == first).all() and (reference == first).all() else None


def _test(kind: Kind, window: NDArray[Any], reference: NDArray[Any], *, seed: int) -> Comparison:
    if kind == "embedding":
        return compare_embeddings(window, reference, seed=seed)
    if kind == "categorical":
        return compare_categories(window, reference)
    if kind == "proportion":
        return compare_proportions(window, reference)
    return compare_numbers(window, reference)


def _column(
    watched: Watched,
    pair: tuple[NDArray[Any], NDArray[Any]],
    reason: Verdict | None,
    found: Comparison | None,
    adjusted: float | None,
) -> ColumnDrift:
    floor = FLOORS[watched.kind]
    verdict: Verdict = reason or "stable"
    if found is not None and adjusted is not None:
        drifted = adjusted < ALPHA and abs(found.effect) >= floor
        verdict = "drifted" if drifted else "stable"
    return ColumnDrift(
        name=watched.name,
        group=watched.group,
        kind=watched.kind,
        verdict=verdict,
        n_window=len(pair[0]),
        n_reference=len(pair[1]),
        threshold=floor,
        adjusted_p=adjusted,
        **({} if found is None else asdict(found)),
    )


def _outcome(columns: Sequence[ColumnDrift]) -> Outcome:
    drifted = [column for column in columns if column.verdict == "drifted"]
    if not drifted:
        return Outcome.NONE
    large = any(abs(column.effect or 0) >= CRITICAL_FACTOR * column.threshold for column in drifted)
    groups = {column.group for column in drifted}
    return Outcome.CRITICAL if large or len(groups) >= CRITICAL_GROUPS else Outcome.WARNING
