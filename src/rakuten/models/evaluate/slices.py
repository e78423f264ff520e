"""Scores per kind of product: what it brings, its language, the length of its title."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rakuten.models.evaluate.answers import Answers
from rakuten.models.evaluate.intervals import (
    MIN_ROWS,
    Interval,
    resample_f1,
    score_interval,
)
from rakuten.models.evaluate.scores import overall_scores

TITLE_LENGTHS: Final = (0, 20, 40, 80, 160)
"""Upper ends of the title length slices, in characters of the cleaned title.

They are fixed rather than quantiles, so that a slice means the same in every evaluation.
"""


@dataclass(frozen=True)
class SliceScores:
    """Scores of one slice; under ``MIN_ROWS`` rows there are counts only.

    ``auto_precision`` needs as many automatic answers.
    """

    dimension: str
    name: str
    rows: int
    correct: int
    automatic: int
    auto_correct: int
    accuracy: float | None
    weighted_f1: float | None
    weighted_f1_interval: Interval | None
    mean_confidence: float | None
    auto_precision: float | None


def score_slices(answers: Answers) -> list[SliceScores]:
    """Scores of every slice; those of content, description and title length also when empty."""
    return [
        _score(answers, dimension, name, mask) for dimension, name, mask in slice_masks(answers)
    ]


def slice_masks(answers: Answers) -> Iterator[tuple[str, str, NDArray[np.bool_]]]:
    """Dimension, name and mask of each slice; the slices of a dimension share out all rows."""
    texts = answers.texts
    has_text = np.array([text.has_text for text in texts], dtype=bool)
    has_image = answers.has_image
    yield "content", "text and photo", has_text & has_image
    yield "content", "text only", has_text & ~has_image
    yield "content", "photo only", ~has_text & has_image
    yield "content", "neither", ~has_text & ~has_image
    described = np.array([bool(text.has_description) for text in texts], dtype=bool)
    yield "description", "with", described
    yield "description", "without", ~described
    languages = [text.language for text in texts]
    for name, _ in sorted(Counter(languages).items(), key=lambda item: (-item[1], item[0])):
        yield "language", name, np.array([language == name for language in languages])
    lengths = np.array([text.designation_length for text in texts], dtype=np.int64)
    group = np.searchsorted(TITLE_LENGTHS, lengths)
    for place, name in enumerate(_title_names()):
        yield "title_length", name, group == place


def _title_names() -> list[str]:
    ranges = zip(TITLE_LENGTHS, TITLE_LENGTHS[1:], strict=False)
    middle = [f"{low + 1}-{high}" for low, high in ranges]
    return ["0", *middle, f"over {TITLE_LENGTHS[-1]}"]


def _score(answers: Answers, dimension: str, name: str, mask: NDArray[np.bool_]) -> SliceScores:
    truth, predicted = answers.truth[mask], answers.predicted[mask]
    correct, automatic = answers.correct[mask], answers.automatic[mask]
    rows, auto_correct = len(truth), int((correct & automatic).sum())
    accuracy = weighted_f1 = interval = confidence = precision = None
    if rows >= MIN_ROWS:
        overall = overall_scores(truth.tolist(), predicted.tolist())
        accuracy, weighted_f1 = overall["accuracy"], overall["weighted_f1"]
        interval = score_interval(resample_f1(truth, predicted).weighted, int(correct.sum()), rows)
        confidence = float(answers.confidence[mask].mean())
    if automatic.sum() >= MIN_ROWS:
        precision = auto_correct / int(automatic.sum())
    return SliceScores(
        dimension=dimension,
        name=name,
        rows=rows,
        correct=int(correct.sum()),
        automatic=int(automatic.sum()),
        auto_correct=auto_correct,
        accuracy=accuracy,
        weighted_f1=weighted_f1,
        weighted_f1_interval=interval,
        mean_confidence=confidence,
        auto_precision=precision,
    )
