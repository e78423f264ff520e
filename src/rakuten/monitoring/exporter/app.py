"""The exporter over HTTP: metrics, and whether the process lives."""

import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import uvicorn
from prometheus_client.exposition import choose_encoder
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from rakuten.logs import get_logger
from rakuten.monitoring.exporter.collector import make_registry
from rakuten.monitoring.exporter.source import StoreSource

log = get_logger(__name__)

_SHUTDOWN_SECONDS: Final = 5


def make_app(source: StoreSource) -> Starlette:
    """The application; it lets go of the store when it ends."""
    registry = make_registry(source)

    def metrics(request: Request) -> Response:  # in a thread: a database that hangs blocks nobody
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        headers = {"Content-Type": content_type}
        return Response(encode(registry), headers=headers)

    async def healthz(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        source.close()

    routes = [Route("/metrics", metrics), Route("/healthz", healthz)]
    return Starlette(routes=routes, lifespan=lifespan)


def serve_metrics(source: StoreSource, host: str, port: int) -> None:
    """Answer until SIGTERM or SIGINT, which end the process in order.

    Raises:
        SystemExit: it was told to end (0), or it cannot listen there (1).
    """
    # uvicorn ends in order and then sends itself the signal again: this makes an exit code of it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    log.info("metrics are at http://%s:%d/metrics", host, port)
    uvicorn.run(
        make_app(source),
        host=host,
        port=port,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
        server_header=False,
        proxy_headers=False,
    )
