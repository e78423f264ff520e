"""Evaluate a predictions file against labels, or the current model on its held-out rows."""

from rakuten.stages.evaluate.held_out import evaluate_held_out
from rakuten.stages.evaluate.output import evaluation_json, write_evaluation
from rakuten.stages.evaluate.predictions import evaluate_predictions

__all__ = ["evaluate_held_out", "evaluate_predictions", "evaluation_json", "write_evaluation"]
