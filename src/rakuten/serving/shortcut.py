"""A short way for the one request that comes most: past routing and injection, same handler."""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from rakuten.serving.problems import ServiceError, problem_response, unexpected

Headers = Mapping[bytes, bytes]
State = MutableMapping[str, Any]
Read = Callable[[], Awaitable[bytes]]
Handler = Callable[[Headers, State, Read], Awaitable[bytes]]
"""Headers, state and what reads the JSON body of a request in, JSON body of a 200 out."""

_JSON: Final = b"application/json"


@dataclass(frozen=True)
class _Route:
    """What metrics and logs ask of a route."""

    path: str


class Shortcut:
    """Answers JSON that is posted to some paths itself; everything else goes the long way.

    FastAPI takes twice as long to find a route and to gather its arguments as all the rest of a
    prediction takes on the event loop. The route is declared there all the same: it documents
    the path, and answers forms and whatever has parameters.

    Args:
        app: the long way.
        handlers: path → what answers it; a ServiceError becomes a problem.
    """

    def __init__(self, app: ASGIApp, *, handlers: Mapping[str, Handler]) -> None:
        self._app = app
        self._handlers = {path: (handler, _Route(path)) for path, handler in handlers.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        found = self._handlers.get(scope.get("path", ""))
        if found is None or scope.get("method") != "POST" or scope["query_string"]:
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        if headers.get(b"content-type") != _JSON:
            await self._app(scope, receive, send)
            return
        handler, scope["route"] = found
        try:
            answer = await handler(headers, scope["state"], partial(_read, receive))
        except ClientDisconnect:
            return
        except ServiceError as error:
            await problem_response(error, scope)(scope, receive, send)
        except Exception as error:  # the boundary to the client, as the long way has one
            await unexpected(error, scope)(scope, receive, send)
        else:
            length = str(len(answer)).encode("latin-1")
            named = [(b"content-length", length), (b"content-type", _JSON)]
            await send({"type": "http.response.start", "status": 200, "headers": named})
            await send({"type": "http.response.body", "body": answer})


async def _read(receive: Receive) -> bytes:
    """The whole body.

    Raises:
        ClientDisconnect: the client has gone.
    """
    parts: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise ClientDisconnect
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return parts[0] if len(parts) == 1 else b"".join(parts)
