"""For probes and for Prometheus: is the process alive, does it answer, how is it."""

from typing import Any

from fastapi import APIRouter, Response
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from pydantic_core import to_json

from rakuten.metrics import ServiceMetrics
from rakuten.serving.security import ServiceDep
from rakuten.serving.service import Service

router = APIRouter(tags=["health"])


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
        body["store"] = {"database_up": writer.database_up, "spooled": writer.spooled}
        body["content_kept"] = service.settings.keep_content
    else:
        body["store"] = None
    code = 200 if state["ready"] else 503
    return Response(to_json(body), code, media_type="application/json")


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def metrics(service: ServiceDep) -> Response:
    """Metrics in Prometheus' text format."""
    _refresh(service, service.metrics)
    return Response(generate_latest(service.metrics.registry), media_type=CONTENT_TYPE_LATEST)


def _store_problems(service: Service) -> list[str]:
    if service.settings.store == "off":
        return ["Answers are not stored (RAKUTEN_SERVE_STORE=off)."]
    state = service.writer.state()
    found = []
    if not state.database_up:
        found.append("The database is away; answers wait in the spool.")
    elif state.spooled:
        found.append(f"{state.spooled} records wait in the spool.")
    if not service.settings.keep_content:
        found.append("Content is not kept: nothing reaches the review queue.")
    return found


def _refresh(service: Service, metrics: ServiceMetrics) -> None:
    """Bring gauges up to date."""
    for lane, waiting in service.engine.waiting().items():
        metrics.waiting.labels(lane).set(waiting)
    state = service.writer.state()
    metrics.spooled.set(state.spooled)
    metrics.database_up.set(state.database_up)
    metrics.swaps.set(service.live.swaps)
    metrics.refusals.set(sum(service.live.refusals.values()))
    current = service.live.current
    metrics.model.clear()
    if current is not None:
        info = current.info
        metrics.model.labels(info.name, str(info.version), info.sha256[:12]).set(1)
