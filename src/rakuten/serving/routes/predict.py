"""Predictions: one listing or up to 256 at a time."""

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic_core import to_json

from rakuten.client.wire import BatchIn, BatchOut, PredictionOut, ProductIn
from rakuten.models.predictor import Product
from rakuten.serving.answers import prediction_out, tell
from rakuten.serving.documents import answers_of, body_of, problems
from rakuten.serving.engine import Answer
from rakuten.serving.problems import ServiceError
from rakuten.serving.security import ServiceDep, check_key, require
from rakuten.serving.service import Service
from rakuten.serving.shortcut import Handler, Headers, Read, State
from rakuten.serving.uploads import (
    image_problem,
    item_product,
    json_product,
    read_items,
    read_product,
)

router = APIRouter(prefix="/v1", tags=["predictions"])

Key = Annotated[str | None, Depends(require("predict"))]
Explain = Annotated[bool, Query(description="Add the evidence: votes of branches, words.")]
OnImageError = Annotated[
    Literal["refuse", "ignore"],
    Query(description="refuse: a photo that cannot be read is a 422; ignore: answer from text."),
]
_JSON: Final = "application/json"
_MOST_EXPLAINED: Final = 20_000
"""Characters: evidence takes seconds and megabytes for the longest descriptions."""


@router.post(
    "/predict",
    responses=answers_of(PredictionOut) | problems(401, 403, 413, 415, 422, 429, 503, 504),
    openapi_extra=body_of(ProductIn, form=True),
)
async def predict(
    request: Request,
    service: ServiceDep,
    key: Key,
    explain: Explain = False,
    on_image_error: OnImageError = "refuse",
) -> Response:
    """Classify one listing: JSON with the photo in base64, or a form with the photo as a file."""
    product = await read_product(request)
    if explain and len(product.designation) + len(product.description) > _MOST_EXPLAINED:
        detail = f"Evidence is given for up to {_MOST_EXPLAINED} characters."
        raise ServiceError(422, detail, reason="too_long_to_explain")
    answer = await _answer(product, service, on_image_error)
    (prediction_id,) = await service.remember([product], [answer], key)
    tell(request.scope["state"], answer, prediction_id)
    explanation = await service.explain(product, answer) if explain else None
    return Response(to_json(prediction_out(prediction_id, answer, explanation)), media_type=_JSON)


def make_short_way(service: Service) -> Handler:
    """The same for JSON and without parameters (see :mod:`rakuten.serving.shortcut`)."""

    async def predict_plainly(headers: Headers, state: State, read: Read) -> bytes:
        key = await check_key(headers, state, service, "predict")  # before a byte is kept
        product = json_product(await read())
        answer = await _answer(product, service, "refuse")
        (prediction_id,) = await service.remember([product], [answer], key)
        tell(state, answer, prediction_id)
        return to_json(prediction_out(prediction_id, answer, None))

    return predict_plainly


async def _answer(product: Product, service: Service, on_image_error: str) -> Answer:
    _require_content(product)
    (answer,) = await service.engine.answer([product])
    await _require_photo(product, answer, on_image_error)
    return answer


@router.post(
    "/predict/batch",
    responses=answers_of(BatchOut) | problems(401, 403, 413, 415, 422, 429, 503, 504),
    openapi_extra=body_of(BatchIn),
)
async def predict_batch(
    request: Request, service: ServiceDep, key: Key, on_image_error: OnImageError = "refuse"
) -> Response:
    """Classify up to 256 listings in one pass; each item gets an answer or a problem of its own."""
    items = await read_items(request)
    results: list[Any] = [None] * len(items)
    products: dict[int, Product] = {}
    for position, item in enumerate(items):
        try:
            products[position] = item_product(item)
            _require_content(products[position])
        except ServiceError as error:
            products.pop(position, None)
            results[position] = error
    answers = await service.engine.answer(list(products.values())) if products else []
    good: list[tuple[int, Product, Answer]] = []
    for (position, product), answer in zip(products.items(), answers, strict=True):
        try:
            await _require_photo(product, answer, on_image_error)
            good.append((position, product, answer))
        except ServiceError as error:
            results[position] = error
    await _remember_all(service, good, key, results)
    if good:
        answer = good[0][2]
        given = [results[position]["prediction_id"] for position, _, _ in good]
        tell(request.scope["state"], answer, *given)
    body = [_item(result, request.url.path, service) for result in results]
    return Response(to_json({"items": body}), media_type=_JSON)


async def _remember_all(
    service: Service,
    good: Sequence[tuple[int, Product, Answer]],
    key: str | None,
    results: list[Any],
) -> None:
    if not good:
        return
    ids = await service.remember([p for _, p, _ in good], [a for _, _, a in good], key)
    for (position, _, answer), prediction_id in zip(good, ids, strict=True):
        results[position] = prediction_out(prediction_id, answer, None)


def _require_content(product: Product) -> None:
    if product.image is None and not (product.designation.strip() or product.description.strip()):
        raise ServiceError(
            422, "There is nothing to go by: no title, no description, no photo.", reason="empty"
        )


async def _require_photo(product: Product, answer: Answer, on_image_error: str) -> None:
    """A photo that cannot be read is an error, unless the client asked to do without."""
    unreadable = answer.prediction.image_status == "unreadable"
    if unreadable and on_image_error == "refuse" and isinstance(product.image, bytes):
        raise await asyncio.to_thread(image_problem, product.image)


def _item(result: Any, instance: str, service: Service) -> Any:
    if isinstance(result, ServiceError):
        service.meter.problem(result.counted_as)
        return result.problem(instance).model_dump(exclude_none=True)
    return result
