"""What answers: the live model, its product types, and word that another one went live."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request, Response

from rakuten.client.wire import ModelOut, ProductTypeOut
from rakuten.errors import WebhookError
from rakuten.serving.documents import problems
from rakuten.serving.live_model import LoadedModel
from rakuten.serving.problems import RETRY, ServiceError
from rakuten.serving.security import ServiceDep, require
from rakuten.serving.service import Service
from rakuten.serving.webhook import DELIVERY_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER

router = APIRouter(prefix="/v1", tags=["model"])
hooks = APIRouter(tags=["model"])

Key = Annotated[str | None, Depends(require("predict"))]
_DELIVERY: Final = {
    "parameters": [
        {"name": name, "in": "header", "required": True, "schema": {"type": "string"}}
        for name in (DELIVERY_HEADER, TIMESTAMP_HEADER, SIGNATURE_HEADER)
    ],
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "entity": {"type": "string"},
                        "action": {"type": "string"},
                        "data": {"type": "object"},
                    },
                    "required": ["entity", "action", "data"],
                }
            }
        },
    },
}
"""What MLflow sends; a signature is over the body, so no form is asked of it before."""
_MOST_BYTES: Final = 64 * 1024
_LINEAGE = ("git_commit", "split_fingerprint", "run_name", "registered_by")


@router.get(
    "/product-types",
    response_model=list[ProductTypeOut],
    responses=problems(401, 403, 429, 503),
)
async def product_types(service: ServiceDep, _: Key) -> Any:
    """The types that the live model knows."""
    types = _live(service).predictor.types
    return [{"prdtypecode": entry.code, "label": entry.name} for entry in types]


@router.get("/model", response_model=ModelOut, responses=problems(401, 403, 429, 503))
async def model(service: ServiceDep, _: Key) -> Any:
    """The live model: version, scores of its held-out rows, where it came from."""
    live = _live(service)
    info, manifest = live.info, live.predictor.manifest
    scores = manifest["scores"]["held_out"]
    return {
        "name": info.name,
        "version": info.version,
        "sha256": info.sha256,
        "run_id": info.run_id,
        "registered_at": info.registered,
        "scores": {name: scores[name] for name in scores if name != "rows"},
        "lineage": {name: info.tags[name] for name in _LINEAGE if name in info.tags},
        "threshold": live.predictor.threshold.confidence,
        "branches": manifest["branches"],
    }


@hooks.post(
    "/webhooks/mlflow",
    status_code=204,
    responses=problems(401, 404, 413),
    openapi_extra=_DELIVERY,
)
async def webhook(request: Request, service: ServiceDep) -> Response:
    """Word from MLflow, signed with the shared secret, that an alias moved."""
    verifier = service.webhooks
    if verifier is None:
        raise ServiceError(404, "No webhook secret is set.", reason="no_webhook")
    try:
        delivery = verifier.verify(request.headers, await _small_body(request))
    except WebhookError as error:
        raise ServiceError(401, error.message, reason="signature") from error
    current = service.live.current
    if current is None or delivery.moves_champion(current.info.name):
        service.live.poke()
    return Response(status_code=204)


async def _small_body(request: Request) -> bytes:
    """The body of a request that anybody may send: more than a delivery is not kept."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _MOST_BYTES:
            detail = f"A delivery has at most {_MOST_BYTES} bytes."
            raise ServiceError(413, detail, reason="too_large")
    return body


def _live(service: Service) -> LoadedModel:
    current = service.live.current
    if current is None:
        raise ServiceError(503, "No model is live yet.", reason="no_model", headers=RETRY)
    return current
