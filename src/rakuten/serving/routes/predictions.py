"""Remembered answers: read one, see its photo, correct it, erase it."""

from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request, Response

from rakuten.client.wire import FeedbackIn, FeedbackOut, StoredPrediction
from rakuten.serving.answers import feedback_out, stored_out
from rakuten.serving.documents import body_of, problems
from rakuten.serving.problems import ServiceError
from rakuten.serving.security import ServiceDep, require
from rakuten.serving.service import Service
from rakuten.serving.uploads import read_json
from rakuten.store.feedback import read_feedback, require_prediction
from rakuten.store.predictions import read_prediction
from rakuten.store.records import FeedbackRecord, PredictionRecord
from rakuten.store.retention import erase

router = APIRouter(prefix="/v1/predictions/{prediction_id}", tags=["predictions"])

PredictionId = Annotated[str, Path(description="the prediction_id of an answer", max_length=64)]
Reviewer = Annotated[str | None, Depends(require("review"))]
Admin = Annotated[str | None, Depends(require("admin"))]
_PICTURES = {
    b"\xff\xd8": "image/jpeg",
    b"\x89P": "image/png",
    b"RI": "image/webp",
    b"GI": "image/gif",
    b"BM": "image/bmp",
}


@router.get("", response_model=StoredPrediction, responses=problems(401, 403, 404, 422, 429, 503))
async def read(prediction_id: PredictionId, service: ServiceDep, _: Reviewer) -> Any:
    """Read a remembered answer and what people said of it."""
    record = await _record(service, prediction_id)
    feedback = await service.ask_store(partial(read_feedback, service.database, prediction_id))
    return stored_out(record, feedback)


@router.get(
    "/image",
    response_class=Response,
    responses={
        200: {"description": "The photo.", "content": {"image/*": {}}},
        **problems(401, 403, 404, 422, 429, 503),
    },
)
async def image(prediction_id: PredictionId, service: ServiceDep, _: Reviewer) -> Response:
    """Fetch the photo of a remembered answer."""
    digest = (await _record(service, prediction_id)).image_sha256
    content = await service.ask_store(partial(service.media.get, digest)) if digest else None
    if content is None:
        raise ServiceError(404, "No photo of this product is kept.", reason="no_image")
    media_type = _PICTURES.get(content[:2], "application/octet-stream")
    return Response(content, media_type=media_type)


@router.put(
    "/feedback",
    response_model=FeedbackOut,
    responses=problems(401, 403, 404, 413, 415, 422, 429, 503),
    openapi_extra=body_of(FeedbackIn),
)
async def feedback(
    prediction_id: PredictionId, request: Request, service: ServiceDep, key_id: Reviewer
) -> Any:
    """Say which type is right; a reviewer's newest word counts, repeating it changes nothing."""
    given = await read_json(request, FeedbackIn)
    known = partial(require_prediction, service.database, service.spool, prediction_id)
    await service.ask_store(known)
    record = FeedbackRecord(
        prediction_id=prediction_id,
        reviewer=given.reviewer,
        prdtypecode=given.prdtypecode,
        note=given.note,
        given_at=datetime.now(UTC),
        key_id=key_id,
    )
    await service.save([record])
    return feedback_out(record)


@router.delete("", status_code=204, responses=problems(401, 403, 404, 422, 429, 503))
async def forget(prediction_id: PredictionId, service: ServiceDep, _: Admin) -> Response:
    """Erase text, photo and what was read off them; the answer itself stays, without content."""
    await service.ask_store(
        partial(erase, service.database, prediction_id, media=service.media, spool=service.spool)
    )
    return Response(status_code=204)


async def _record(service: Service, prediction_id: str) -> PredictionRecord:
    look = partial(read_prediction, service.database, prediction_id, service.spool)
    record = await service.ask_store(look)
    if record is None:
        raise ServiceError(404, "There is no such prediction.", reason="unknown_prediction")
    return record
