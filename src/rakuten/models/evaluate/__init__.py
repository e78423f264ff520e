"""How good the answers are: scores with intervals, per type and slice, calibration, decisions."""

from rakuten.models.evaluate.answers import Answers
from rakuten.models.evaluate.calibration import calibration_error, calibration_spread
from rakuten.models.evaluate.pictures import draw_confusion
from rakuten.models.evaluate.report import Evaluation, evaluate_answers
from rakuten.models.evaluate.scores import (
    confused_pairs,
    decision_scores,
    overall_scores,
    per_class_scores,
)

__all__ = [
    "Answers",
    "Evaluation",
    "calibration_error",
    "calibration_spread",
    "confused_pairs",
    "decision_scores",
    "draw_confusion",
    "evaluate_answers",
    "overall_scores",
    "per_class_scores",
]
