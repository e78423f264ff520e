"""What surrounds every request: size limit, request id, security headers, metrics, access log."""

import re
import time
from typing import Any, Final
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rakuten.logs import get_logger
from rakuten.metrics import ServiceMetrics
from rakuten.serving.problems import ServiceError, problem_response

log = get_logger("rakuten.access")

_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_HEADERS: Final = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
}
_PAGES: Final = ("/docs", "/redoc")
"""Pages of the documentation, which load scripts."""


class _TooLarge(Exception):
    pass


class Frame:
    """Pure ASGI: a response passes through untouched but for its headers."""

    def __init__(self, app: ASGIApp, *, metrics: ServiceMetrics, max_body: int) -> None:
        self._app, self._metrics, self._max_body = app, metrics, max_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start = time.perf_counter()
        headers = Headers(scope=scope)
        request_id = headers.get("x-request-id", "")
        if not _REQUEST_ID.fullmatch(request_id):
            request_id = uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id
        status = 500

        async def framed_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                _add_headers(MutableHeaders(scope=message), request_id, scope["path"])
            await send(message)

        try:
            await self._limited(scope, receive, framed_send, headers)
        finally:
            seconds = time.perf_counter() - start
            route = _route(scope)
            self._metrics.requests.labels(route, str(status)).inc()
            self._metrics.request_seconds.labels(route).observe(seconds)
            _write_log(scope, route, status, seconds, request_id)

    async def _limited(self, scope: Scope, receive: Receive, send: Send, headers: Headers) -> None:
        """Refuse a body over the limit: by its announced length, else while it comes in."""
        announced = headers.get("content-length", "")
        if announced.isdecimal() and int(announced) > self._max_body:
            await self._refuse(scope, receive, send)
            return
        received, started = 0, False

        async def counted_receive() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._max_body:
                raise _TooLarge
            return message

        async def watched_send(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, counted_receive, watched_send)
        except _TooLarge:
            if not started:
                await self._refuse(scope, receive, send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        detail = f"A request has at most {self._max_body} bytes."
        error = ServiceError(413, detail, reason="too_large", headers={"Connection": "close"})
        await problem_response(error, scope["path"])(scope, receive, send)


def _add_headers(headers: MutableHeaders, request_id: str, path: str) -> None:
    headers["x-request-id"] = request_id
    for name, value in _HEADERS.items():
        if name == "content-security-policy" and path.startswith(_PAGES):
            continue
        headers.setdefault(name, value)


def _route(scope: Scope) -> str:
    """The route's template, never the path itself: paths have no bound."""
    route = scope.get("route")
    return str(getattr(route, "path", "none"))


def _write_log(scope: Scope, route: str, status: int, seconds: float, request_id: str) -> None:
    state: dict[str, Any] = scope.get("state", {})
    log.info(
        "%s %s %d",
        scope["method"],
        route,
        status,
        extra={
            "method": scope["method"],
            "route": route,
            "status": status,
            "milliseconds": round(seconds * 1000, 2),
            "request_id": request_id,
            "key_id": state.get("key_id"),
            "prediction_id": state.get("prediction_id"),
        },
    )
