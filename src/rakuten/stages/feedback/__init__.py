"""Corrected labels on their way from the prediction store back into training."""

from rakuten.stages.feedback.export import ExportOutcome, export_feedback
from rakuten.stages.feedback.folder import prepare_feedback

__all__ = ["ExportOutcome", "export_feedback", "prepare_feedback"]
