"""A hub on loopback: as much of the Hugging Face hub's download protocol as its client needs.

Files are found under ``/OWNER/NAME/resolve/COMMIT/FILE``, which redirects to a content store as
the real one does for large files; what is absent has the hub's own error codes.
"""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(ThreadingHTTPServer):
    """Serves ``files`` of one repository at one commit; ``requests`` lists what was asked."""

    daemon_threads = True

    def __init__(self, repository: str, files: Mapping[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repository, self.files = repository, dict(files)
        self.requests: list[str] = []

    @property
    def address(self) -> str:
        """For ``HF_ENDPOINT``."""
        return f"http://127.0.0.1:{self.server_port}"


@contextmanager
def serve(repository: str, files: Mapping[str, bytes]) -> Iterator[Hub]:
    """Run a hub while the block runs."""
    with Hub(repository, files) as hub:
        thread = Thread(target=hub.serve_forever)
        thread.start()
        try:
            yield hub
        finally:
            hub.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    server: Hub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""

    def _answer(self) -> None:
        self.server.requests.append(f"{self.command} {self.path}")
        if self.path.startswith("/store/"):
            content = self.server.files[self.path.removeprefix("/store/")]
            self._send(200, {"ETag": _etag(content)}, content)
            return
        repository, _, rest = self.path.lstrip("/").partition("/resolve/")
        commit, _, name = rest.partition("/")
        if repository != self.server.repository:
            self._send(401, {"X-Error-Code": "RepoNotFound"})
        elif commit != COMMIT:
            self._send(404, {"X-Error-Code": "RevisionNotFound"})
        elif name not in self.server.files:
            self._send(404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT})
        else:
            content = self.server.files[name]
            headers = {
                # Another host name: the client follows redirects within a host on its own.
                "Location": f"http://localhost:{self.server.server_port}/store/{name}",
                "X-Repo-Commit": COMMIT,
                "X-Linked-ETag": _etag(content),
                "X-Linked-Size": str(len(content)),
            }
            self._send(302, headers)

    def _send(self, status: int, headers: Mapping[str, str], content: bytes = b"") -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)


def _etag(content: bytes) -> str:
    return f'"{hashlib.sha256(content).hexdigest()}"'
