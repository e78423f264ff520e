"""Predictions and stored rows as the answers that clients get."""

from collections.abc import MutableMapping, Sequence
from dataclasses import asdict
from typing import Any

from rakuten.models.explanation import Explanation
from rakuten.serving.engine import Answer
from rakuten.serving.model_info import ModelInfo
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


def tell(state: MutableMapping[str, Any], answer: Answer, *prediction_ids: str) -> None:
    """Say in a request's state which answers it got, and from which model: its log line has it."""
    info = answer.model.info
    state["model_name"], state["model_version"] = info.name, info.version
    if len(prediction_ids) == 1:
        (state["prediction_id"],) = prediction_ids
    else:
        state["prediction_ids"] = prediction_ids


def alternatives(answer: Answer) -> list[dict[str, Any]]:
    """The further candidates of an answer."""
    return [
        {"prdtypecode": a.prdtypecode, "label": a.label, "probability": a.probability}
        for a in answer.prediction.alternatives
    ]


def model_ref(info: ModelInfo) -> dict[str, Any]:
    """The model that gave an answer."""
    return {"name": info.name, "version": info.version, "sha256": info.sha256}


def plain_explanation(found: Explanation) -> dict[str, Any]:
    """An explanation as JSON values."""
    return asdict(found)


def stored_out(record: PredictionRecord, feedback: Sequence[FeedbackRecord] = ()) -> dict[str, Any]:
    """A remembered answer in the form of :class:`rakuten.client.wire.StoredPrediction`."""
    return {
        "prediction_id": record.prediction_id,
        "created_at": record.created_at,
        "designation": record.designation,
        "description": record.description,
        "has_image": record.image_sha256 is not None,
        "prdtypecode": record.prdtypecode,
        "label": record.label,
        "confidence": record.confidence,
        "decision": record.decision,
        "alternatives": record.alternatives,
        "modalities": record.modalities,
        "image_status": record.image_status,
        "model": {
            "name": record.model_name,
            "version": record.model_version,
            "sha256": record.model_sha256,
        },
        "feedback": [feedback_out(given) for given in feedback],
    }


def feedback_out(record: FeedbackRecord) -> dict[str, Any]:
    """Feedback in the form of :class:`rakuten.client.wire.FeedbackOut`."""
    return {
        "prediction_id": record.prediction_id,
        "prdtypecode": record.prdtypecode,
        "reviewer": record.reviewer,
        "note": record.note,
        "given_at": record.given_at,
    }
