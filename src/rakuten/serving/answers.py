"""Predictions and stored rows as the answers that clients get."""

from typing import Any

from rakuten.client.wire import ModelRef, StoredPrediction
from rakuten.serving.engine import Answer
from rakuten.serving.live_model import ModelInfo
from rakuten.store.records import FeedbackRecord, PredictionRecord


def prediction_out(
    prediction_id: str, answer: Answer, explanation: dict[str, Any] | None
) -> dict[str, Any]:
    """A fresh answer in the form of :class:`rakuten.client.wire.PredictionOut`."""
    found = answer.prediction
    values: dict[str, Any] = {
        "prediction_id": prediction_id,
        "prdtypecode": found.prdtypecode,
        "label": found.label,
        "confidence": found.confidence,
        "decision": found.decision,
        "alternatives": alternatives(answer),
        "modalities": found.modalities,
        "image_status": found.image_status,
        "model": model_ref(answer.model.info),
    }
    if explanation is not None:
        values["explanation"] = explanation
    return values


def alternatives(answer: Answer) -> list[dict[str, Any]]:
    """The further candidates of an answer."""
    return [
        {"prdtypecode": a.prdtypecode, "label": a.label, "probability": a.probability}
        for a in answer.prediction.alternatives
    ]


def model_ref(info: ModelInfo) -> dict[str, Any]:
    """The model that gave an answer."""
    return {"name": info.name, "version": info.version, "sha256": info.sha256}
