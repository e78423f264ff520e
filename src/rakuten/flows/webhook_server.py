"""The HTTP side of the webhook: small bodies, short waits, a thread a request.

The standard library is enough for a message every few minutes. It needs no framework, and a thread
may wait for the Prefect server while others are answered.
"""

import json
import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, Protocol

from rakuten.logs import get_logger

log = get_logger(__name__)

_SECONDS: Final = 10


class Reply(Protocol):
    """Status and JSON of an answer."""

    @property
    def status(self) -> int:
        """HTTP's."""

    @property
    def content(self) -> dict[str, Any]:
        """The body."""


class Answers(Protocol):
    """What is answered."""

    def refusal(self, path: str, content_type: str, authorization: str) -> Reply | None:
        """Why a request is refused before its body is read, or None."""

    def answer(self, path: str, body: bytes) -> Reply:
        """The answer to a request with its body."""


class WebhookServer(ThreadingHTTPServer):
    """Serves ``answers`` on an address; bodies of at most ``most`` bytes."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], answers: Answers, most: int) -> None:
        self.answers, self.most = answers, most
        super().__init__(address, _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        """Boundary of a request: one that ends badly is a line in the log, and ends alone."""
        if isinstance(sys.exception(), ConnectionError):
            log.debug("a client left before it was answered")
        else:
            log.exception("a request could not be answered")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "rakuten"
    sys_version = ""
    timeout = _SECONDS
    server: WebhookServer

    def do_GET(self) -> None:
        """``/healthz`` for whoever looks whether it lives."""
        if self.path == "/healthz":
            self._send(200, {"status": "ok"})
        else:
            self._send(404, {"problem": "There is /healthz."})

    def do_POST(self) -> None:
        """One message."""
        kind, authorization = (
            str(self.headers.get(name, "")) for name in ("Content-Type", "Authorization")
        )
        refused = self.server.answers.refusal(self.path, kind, authorization)
        if refused is not None:
            return self._refuse(refused.status, refused.content)
        length = self.headers.get("Content-Length", "")
        if not re.fullmatch("[0-9]{1,12}", length):
            return self._refuse(411, {"problem": "Send a Content-Length."})
        if int(length) > self.server.most:
            return self._refuse(413, {"problem": f"At most {self.server.most} bytes."})
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            return self._refuse(400, {"problem": "The body ended too early."})
        found = self.server.answers.answer(self.path, body)
        return self._send(found.status, found.content)

    def _refuse(self, status: int, content: dict[str, Any]) -> None:
        """Answer without having read the body: what follows on the connection is no request."""
        self.close_connection = True
        self._send(status, content)

    def _send(self, status: int, content: dict[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Requests are lines of the project's log; they name no header."""
        log.debug("%s %s", self.address_string(), format % args)
