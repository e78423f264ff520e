"""The exporter over HTTP: metrics, and whether the process lives."""

import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

import uvicorn
from prometheus_client.exposition import choose_encoder
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from rakuten.errors import ConfigurationError
from rakuten.logs import get_logger
from rakuten.monitoring.exporter.collector import make_exporter_registry
from rakuten.monitoring.exporter.source import StoreSource

log = get_logger(__name__)

_SHUTDOWN_SECONDS: Final = 5
_BACKLOG: Final = 128


def make_app(source: StoreSource) -> Starlette:
    """The application; it lets go of the store when it ends."""
    registry = make_exporter_registry(source)

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
    """Answer until SIGTERM or SIGINT, which end it in order.

    Raises:
        ConfigurationError: nothing can listen there.
        SystemExit: SIGTERM came; the code is 0.
    """
    config = uvicorn.Config(
        make_app(source),
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
        server_header=False,
        proxy_headers=False,
    )
    # uvicorn ends in order and then sends itself the signal again: this makes an exit code of it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with _listen(host, port) as listener, suppress(KeyboardInterrupt):
        log.info("metrics are at http://%s:%d/metrics", host, port)
        uvicorn.Server(config).run(sockets=[listener])


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise ConfigurationError(
            f"The exporter cannot listen on {host}, port {port}: {error.strerror}.",
            hint="choose another one with --host and --port; another exporter may be running",
        ) from error
