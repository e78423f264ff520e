"""A chat on loopback that takes messages as Slack's webhooks do."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

SECRET: Final = "T0K3N-of-a-webhook"


@dataclass(frozen=True)
class Chat:
    """Its address, which is a secret, and the messages that it took."""

    url: str
    messages: list[dict[str, Any]] = field(default_factory=list)


@contextmanager
def chat(status: int = 200) -> Iterator[Chat]:
    """Answer each post with ``status`` until the block ends."""
    found: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.headers["Content-Type"] == "application/json"
            found.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield Chat(f"http://127.0.0.1:{server.server_port}/services/{SECRET}", found)
    finally:
        server.shutdown()
        server.server_close()
