"""Scores of each product type, and which types are taken for which."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from rakuten.models.evaluate.answers import Answers
from rakuten.models.evaluate.intervals import (
    MIN_ROWS,
    F1Draws,
    Interval,
    score_interval,
)
from rakuten.models.evaluate.scores import confused_pairs

PAIRS: Final = 20
EXAMPLES: Final = 3

_TITLE_CHARACTERS: Final = 160


@dataclass(frozen=True)
class TypeScores:
    """Scores of one product type.

    ``support`` counts products of this type, ``predicted`` answers of this type, ``automatic``
    those of them that no person sees and ``auto_correct`` those of these that are right.
    ``coverage`` is the share of its products that are answered automatically, with whatever
    type. An interval and ``coverage`` need ``MIN_ROWS`` products, ``auto_precision`` as many
    automatic answers.
    """

    prdtypecode: int
    label: str
    precision: float
    recall: float
    f1: float
    f1_interval: Interval | None
    support: int
    predicted: int
    automatic: int
    auto_correct: int
    auto_precision: float | None
    coverage: float | None


@dataclass(frozen=True)
class Example:
    """A product that was answered wrongly."""

    index: str
    designation: str
    confidence: float
    automatic: bool


@dataclass(frozen=True)
class ConfusedPair:
    """How often products of one type were answered with another; the surest mistakes."""

    actual: int
    predicted: int
    count: int
    actual_label: str
    predicted_label: str
    examples: list[Example]


def score_types(
    answers: Answers, names: Mapping[int, str], draws: F1Draws | None
) -> list[TypeScores]:
    """Scores of each type that occurs or is answered, most frequent first.

    ``draws`` are resamples of these answers, or None where there are too few for intervals.
    """
    codes = np.unique(np.concatenate([answers.truth, answers.predicted])).tolist()
    scores = [_score_type(answers, code, names.get(code, str(code)), draws) for code in codes]
    return sorted(scores, key=lambda score: -score.support)


def find_confused(
    answers: Answers, names: Mapping[int, str], *, top: int = PAIRS
) -> list[ConfusedPair]:
    """The most frequent mistakes, each with the products it was surest about."""
    pairs = confused_pairs(answers.truth.tolist(), answers.predicted.tolist(), top=top)
    return [
        ConfusedPair(
            **pair,
            actual_label=names.get(pair["actual"], str(pair["actual"])),
            predicted_label=names.get(pair["predicted"], str(pair["predicted"])),
            examples=_examples(answers, pair["actual"], pair["predicted"]),
        )
        for pair in pairs
    ]


def confusion_cells(answers: Answers) -> list[tuple[int, int, int]]:
    """Actual type, answered type and number of rows, for each pair that occurs."""
    pairs = np.stack([answers.truth, answers.predicted], axis=1)
    cells, counts = np.unique(pairs, axis=0, return_counts=True)
    return [
        (actual, predicted, count)
        for (actual, predicted), count in zip(cells.tolist(), counts.tolist(), strict=True)
    ]


def _score_type(answers: Answers, code: int, label: str, draws: F1Draws | None) -> TypeScores:
    actual, answered = answers.truth == code, answers.predicted == code
    support, predicted = int(actual.sum()), int(answered.sum())
    hits = int((actual & answered).sum())
    automatic = int((answered & answers.automatic).sum())
    auto_correct = int((actual & answered & answers.automatic).sum())
    interval = None
    if draws is not None and support >= MIN_ROWS:
        column = int(np.searchsorted(draws.codes, code))
        interval = score_interval(draws.per_type[:, column], hits, max(support, predicted))
    return TypeScores(
        prdtypecode=code,
        label=label,
        precision=hits / max(predicted, 1),
        recall=hits / max(support, 1),
        f1=2 * hits / (support + predicted),
        f1_interval=interval,
        support=support,
        predicted=predicted,
        automatic=automatic,
        auto_correct=auto_correct,
        auto_precision=auto_correct / automatic if automatic >= MIN_ROWS else None,
        coverage=float(answers.automatic[actual].mean()) if support >= MIN_ROWS else None,
    )


def _examples(answers: Answers, actual: int, predicted: int) -> list[Example]:
    rows = np.flatnonzero((answers.truth == actual) & (answers.predicted == predicted))
    surest = rows[np.argsort(-answers.confidence[rows], kind="stable")][:EXAMPLES]
    return [
        Example(
            index=answers.index[row],
            designation=_shortened(answers.designation[row]),
            confidence=float(answers.confidence[row]),
            automatic=bool(answers.automatic[row]),
        )
        for row in surest.tolist()
    ]


def _shortened(title: str) -> str:
    line = " ".join("".join(c if c.isprintable() else " " for c in title).split())
    return line if len(line) <= _TITLE_CHARACTERS else f"{line[: _TITLE_CHARACTERS - 1]}…"
