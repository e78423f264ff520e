"""The review queue: what the model was least sure of, one person a product."""

from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request

from rakuten.client.wire import ClaimIn, ClaimOut, ReviewPage
from rakuten.serving.answers import stored_out
from rakuten.serving.documents import body_of, problems
from rakuten.serving.security import ServiceDep, require
from rakuten.serving.uploads import read_json
from rakuten.store.review import claim, queue

router = APIRouter(prefix="/v1/review", tags=["review"])

Reviewer = Annotated[str | None, Depends(require("review"))]


@router.get("", response_model=ReviewPage, responses=problems(400, 401, 403, 422, 429, 503))
async def review(
    service: ServiceDep,
    _: Reviewer,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=400)] = None,
) -> Any:
    """Products that wait for a person, the least sure first; claimed ones are left out."""
    page = await service.ask_store(partial(queue, service.database, limit, cursor))
    return {"items": [stored_out(record) for record in page.records], "next_cursor": page.cursor}


@router.post(
    "/claims",
    response_model=ClaimOut,
    responses=problems(401, 403, 413, 415, 422, 429, 503),
    openapi_extra=body_of(ClaimIn),
)
async def claims(request: Request, service: ServiceDep, _: Reviewer) -> Any:
    """Take the next products; nobody else gets them until the claim expires."""
    wanted = await read_json(request, ClaimIn)
    take = partial(claim, service.database, wanted.reviewer, wanted.count, wanted.seconds)
    records, expires_at = await service.ask_store(take)
    return {
        "reviewer": wanted.reviewer,
        "expires_at": expires_at,
        "items": [stored_out(record) for record in records],
    }
