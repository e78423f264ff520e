"""The whole evaluation of labelled answers, as one value that turns into JSON."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from rakuten.models.evaluate.answers import Answers
from rakuten.models.evaluate.calibration import (
    Bin,
    Spread,
    calibration_error,
    calibration_spread,
    reliability,
)
from rakuten.models.evaluate.coverage import CoveragePoint, coverage_curve
from rakuten.models.evaluate.intervals import (
    MIN_ROWS,
    F1Draws,
    Interval,
    resample_f1,
    score_interval,
    share_interval,
)
from rakuten.models.evaluate.product_types import (
    ConfusedPair,
    TypeScores,
    confusion_cells,
    find_confused,
    score_types,
)
from rakuten.models.evaluate.scores import decision_scores, overall_scores
from rakuten.models.evaluate.slices import SliceScores, score_slices

FORMAT_VERSION: Final = 1
"""Changes when a key of the JSON goes away or changes its meaning, not when one is added."""


@dataclass(frozen=True)
class Source:
    """Which answers were evaluated.

    ``kind`` is "held_out" (the current model on its own held-out rows) or "labels" (a
    predictions file against a labels file). What a predictions file does not tell is None:
    the model, its split, its threshold and the precision that the threshold was chosen for.
    """

    kind: str
    predictions: str | None = None
    labels: str | None = None
    model_sha256: str | None = None
    split_fingerprint: str | None = None
    threshold: float | None = None
    target_precision: float | None = None


@dataclass(frozen=True)
class Automatic:
    """How many answers need no person, and how many of those are right."""

    count: int
    correct: int


@dataclass(frozen=True)
class Evaluation:
    """Scores over the rows that have both a prediction and a label.

    ``unlabelled`` counts predictions without a label, ``unpredicted`` labels without a
    prediction, ``never_predicted`` lists types that occur and were never the answer.
    Intervals are 95 %; None where there are too few rows.
    """

    source: Source
    rows: int
    unlabelled: int
    unpredicted: int
    scores: dict[str, float | None]
    intervals: dict[str, Interval | None]
    automatic: Automatic
    per_class: list[TypeScores]
    never_predicted: list[int]
    slices: list[SliceScores]
    calibration: list[Bin]
    calibration_spread: Spread | None
    coverage_curve: list[CoveragePoint]
    confused: list[ConfusedPair]
    confusion: list[tuple[int, int, int]]

    def to_dict(self) -> dict[str, Any]:
        """The value as JSON types; docs/evaluation.md explains every key."""
        return {"format_version": FORMAT_VERSION, **asdict(self)}


def evaluate_answers(
    answers: Answers,
    names: Mapping[int, str],
    source: Source,
    *,
    unlabelled: int = 0,
    unpredicted: int = 0,
) -> Evaluation:
    """Evaluate labelled answers, at least one; the same answers give the same evaluation."""
    enough = len(answers) >= MIN_ROWS
    draws = resample_f1(answers.truth, answers.predicted) if enough else None
    spread = calibration_spread(answers.confidence, answers.correct)
    automatic = Automatic(
        count=int(answers.automatic.sum()),
        correct=int((answers.automatic & answers.correct).sum()),
    )
    per_class = score_types(answers, names, draws)
    return Evaluation(
        source=source,
        rows=len(answers),
        unlabelled=unlabelled,
        unpredicted=unpredicted,
        scores=_scores(answers),
        intervals={
            **_f1_intervals(answers, draws),
            "calibration_error": spread.interval if spread else None,
            "coverage": share_interval(automatic.count, len(answers)),
            "auto_precision": share_interval(automatic.correct, automatic.count),
        },
        automatic=automatic,
        per_class=per_class,
        never_predicted=[s.prdtypecode for s in per_class if s.support and not s.predicted],
        slices=score_slices(answers),
        calibration=reliability(answers.confidence, answers.correct),
        calibration_spread=spread,
        coverage_curve=coverage_curve(answers.confidence, answers.correct),
        confused=find_confused(answers, names),
        confusion=confusion_cells(answers),
    )


def _scores(answers: Answers) -> dict[str, float | None]:
    truth, predicted = answers.truth.tolist(), answers.predicted.tolist()
    return {
        **overall_scores(truth, predicted),
        "calibration_error": calibration_error(answers.confidence, answers.correct),
        **decision_scores(truth, predicted, answers.automatic),
    }


def _f1_intervals(answers: Answers, draws: F1Draws | None) -> dict[str, Interval | None]:
    rows, right = len(answers), int(answers.correct.sum())
    return {
        "weighted_f1": score_interval(draws.weighted, right, rows) if draws else None,
        "macro_f1": score_interval(draws.macro, right, rows) if draws else None,
        "accuracy": share_interval(right, rows),
    }
