"""For probes and for Prometheus: is the process alive, does it answer, how is it."""

import asyncio
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from prometheus_client import exposition
from prometheus_client.openmetrics import exposition as openmetrics
from pydantic_core import to_json

from rakuten.serving.documents import problems
from rakuten.serving.problems import ServiceError
from rakuten.serving.security import ServiceDep
from rakuten.serving.service import Service

router = APIRouter(tags=["health"])

_OPENMETRICS: Final = "application/openmetrics-text"


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """The process is alive."""
    return {"status": "ok"}


@router.get(
    "/readyz",
    responses={503: {"description": "No model is live yet.", "content": {"application/json": {}}}},
)
async def readyz(service: ServiceDep) -> Response:
    """Ready once the live model has answered; what is degraded is named, and answers go on."""
    state = service.live.state()
    degraded = [*state["degraded"], *_store_problems(service)]
    status = "unready" if not state["ready"] else "degraded" if degraded else "ready"
    body: dict[str, Any] = {"status": status, **state, "degraded": degraded}
    if service.settings.store == "on":
        writer = service.writer.state()
        body["store"] = {"database_up": service.store_up, "spooled": writer.spooled}
        body["content_kept"] = service.settings.keep_content
    else:
        body["store"] = None
    code = 200 if state["ready"] else 503
    return Response(to_json(body), code, media_type="application/json")


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {}, _OPENMETRICS: {}}}, **problems(404)},
)
async def metrics(request: Request, service: ServiceDep) -> Response:
    """Metrics in Prometheus' text format, or in OpenMetrics with exemplars for who accepts it."""
    registry = service.meter.registry
    if registry is None:
        detail = "Metrics are switched off (RAKUTEN_SERVE_METRICS=off)."
        raise ServiceError(404, detail, reason="no_metrics")
    if (current := service.live.current) is not None:
        service.meter.expect_types(known.code for known in current.predictor.types)
    # In a thread: it waits for the disk where the spool is being written.
    if _OPENMETRICS in request.headers.get("accept", ""):
        text = await asyncio.to_thread(openmetrics.generate_latest, registry)
        return Response(text, media_type=openmetrics.CONTENT_TYPE_LATEST)
    text = await asyncio.to_thread(exposition.generate_latest, registry)
    return Response(text, media_type=exposition.CONTENT_TYPE_PLAIN_0_0_4)


def _store_problems(service: Service) -> list[str]:
    if service.settings.store == "off":
        return ["Answers are not stored (RAKUTEN_SERVE_STORE=off)."]
    state = service.writer.state()
    found = []
    if not service.store_up:
        found.append("The database is away; answers wait in the spool.")
    elif state.spooled:
        found.append(f"{state.spooled} records wait in the spool.")
    if not service.settings.keep_content:
        found.append("Content is not kept: nothing reaches the review queue.")
    return found
