"""Records as the service makes them."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from rakuten.store.records import FeedbackRecord, PredictionRecord, new_prediction_id

EMBEDDING = [round(0.1234 * number - 1, 4) for number in range(32)]


def make_record(**changes: Any) -> PredictionRecord:
    """An answer with all its parts; keyword arguments replace some."""
    record = PredictionRecord(
        prediction_id=new_prediction_id(),
        created_at=datetime.now(UTC),
        designation="Figurine Goku 15 cm",
        description="<b>Dragon Ball</b> état neuf",
        image_sha256=None,
        prdtypecode=1140,
        label="figurines et produits dérivés",
        confidence=0.61,
        decision="review",
        alternatives=[
            {"prdtypecode": 1140, "label": "figurines et produits dérivés", "probability": 0.61},
            {"prdtypecode": 1280, "label": "jouets et jeux enfants", "probability": 0.22},
        ],
        modalities=["text"],
        image_status="missing",
        model_name="rakuten-classifier",
        model_version=3,
        model_sha256="a" * 64,
        latency_ms=3.25,
        key_id="k1",
        features={
            "designation_length": 19,
            "language": "fr",
            "confidence": 0.61,
            "image_brightness": None,
            "prdtypecode": 1140,
            "modalities": "text",
            "image_status": "missing",
            "text_embedding": EMBEDDING,
            "image_embedding": None,
        },
    )
    return replace(record, **changes)


def make_feedback(prediction_id: str, **changes: Any) -> FeedbackRecord:
    """A correction; keyword arguments replace some of its parts."""
    record = FeedbackRecord(
        prediction_id=prediction_id,
        reviewer="anna",
        prdtypecode=1280,
        note="un jouet",
        given_at=datetime.now(UTC),
        key_id="k2",
    )
    return replace(record, **changes)
