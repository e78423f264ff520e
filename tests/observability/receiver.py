"""A small HTTP server that keeps what Alertmanager sends it."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Received:
    """What came: path, header, message. ``status`` is what it answers from now on."""

    port: int
    status: int = 200
    requests: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)

    def told(self, receiver: str, status: str, path: str = "/alerts") -> set[str]:
        """Names of alerts that came for a receiver of the configuration."""
        return {
            alert["labels"]["alertname"]
            for where, _, message in list(self.requests)
            if where == path and message["receiver"] == receiver
            for alert in message["alerts"]
            if alert["status"] == status
        }


@contextmanager
def receiver() -> Iterator[Received]:
    """Listen on a free port of loopback until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            header = self.headers.get("Authorization", "")
            found.requests.append((self.path, header, json.loads(body)))
            self.send_response(found.status)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found = Received(server.server_port)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
