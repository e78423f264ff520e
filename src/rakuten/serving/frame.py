"""What surrounds every request: size limit, request id, security headers, metrics, its log line."""

import re
import time
from random import getrandbits
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rakuten.metrics.service import Meter
from rakuten.serving.access_log import AccessLog
from rakuten.serving.problems import CLIENT_GONE, ServiceError, problem_response
from rakuten.serving.tracing import name_span

_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)
_PAGES: Final = ("/docs", "/redoc")
"""Pages of the documentation, which load scripts."""

_Headers = list[tuple[bytes, bytes]]


class Frame:
    """Pure ASGI: a response passes through untouched but for its headers."""

    def __init__(self, app: ASGIApp, *, meter: Meter, max_body: int, traced: bool = False) -> None:
        self._app, self._meter, self._max_body, self._traced = app, meter, max_body, traced
        self._log = AccessLog()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start = time.perf_counter()
        request_id, announced = _read_headers(scope["headers"])
        scope.setdefault("state", {})["request_id"] = request_id
        status = CLIENT_GONE

        async def framed_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                _add_headers(message.setdefault("headers", []), request_id, scope["path"])
                if self._traced:  # the span ends with the last byte
                    name_span(scope["method"], _route(scope), scope["state"])
            await send(message)

        try:
            if announced is None:
                await self._counted(scope, receive, framed_send)
            elif announced > self._max_body:
                await self._refuse(scope, receive, framed_send)
            else:  # the server lets no more bytes through than were announced
                await self._app(scope, receive, framed_send)
        finally:
            seconds = time.perf_counter() - start
            route, state = _route(scope), scope["state"]
            self._meter.request(
                route,
                status,
                seconds,
                request_id=request_id,
                prediction_id=state.get("prediction_id"),
            )
            if "reason" in state:
                self._meter.problem(state["reason"])
            self._log.add(scope, route, status, seconds, request_id)

    async def _counted(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a body over the limit while it comes in."""
        received = 0

        async def counted_receive() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._max_body:
                raise self._too_large()  # whoever reads the body answers with it
            return message

        await self._app(scope, counted_receive, send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        await problem_response(self._too_large(), scope)(scope, receive, send)

    def _too_large(self) -> ServiceError:
        detail = f"A request has at most {self._max_body} bytes."
        return ServiceError(413, detail, reason="too_large", headers={"Connection": "close"})


def _read_headers(headers: _Headers) -> tuple[str, int | None]:
    """The request's id, which is made up where the client named none, and its length."""
    request_id, length, chunked = "", None, False
    for name, value in headers:
        if name == b"x-request-id":
            request_id = value.decode("latin-1")
        elif name == b"content-length":
            length = int(value) if value.isdigit() else None
        elif name == b"transfer-encoding":
            chunked = True
    if not _REQUEST_ID.fullmatch(request_id):
        request_id = f"{getrandbits(128):032x}"  # to find a line in a log by, not a secret
    return request_id, None if chunked else length


def _add_headers(headers: _Headers, request_id: str, path: str) -> None:
    given = {name for name, _ in headers}
    headers.append((b"x-request-id", request_id.encode("latin-1")))
    for name, value in _HEADERS:
        if name == b"content-security-policy" and path.startswith(_PAGES):
            continue
        if name not in given:
            headers.append((name, value))


def _route(scope: Scope) -> str:
    """The route's template, never the path itself: paths have no bound."""
    route = scope.get("route")
    return str(getattr(route, "path", "none"))
