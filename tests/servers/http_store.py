"""An HTTP store on loopback as DagsHub has them: one project's address, basic authentication."""

import base64
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

PLACE: Final = "/someone/products.dvc"
_BLOCK: Final = 1 << 20


@dataclass(frozen=True)
class HttpStore:
    """A running store: its address, who is let in, what it holds, what it answered."""

    url: str
    user: str
    password: str
    folder: Path
    answers: list[tuple[str, int]] = field(default_factory=list)

    @property
    def objects(self) -> dict[str, int]:
        """Size of every object, by its path below the store's address."""
        files = (path for path in self.folder.rglob("*") if path.is_file())
        return {str(path.relative_to(self.folder)): path.stat().st_size for path in files}


@contextmanager
def http_store(folder: Path) -> Iterator[HttpStore]:
    """Serve ``folder/objects`` on a free port until the block ends."""
    objects = folder / "objects"
    objects.mkdir(parents=True)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    url = f"http://127.0.0.1:{server.server_port}{PLACE}"
    server.store = HttpStore(url, "someone", secrets.token_hex(12), objects)  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield server.store  # type: ignore[attr-defined]
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def store(self) -> HttpStore:
        return self.server.store  # type: ignore[attr-defined,no-any-return]

    def do_GET(self) -> None:
        path = self._admitted()
        if path is None:
            return
        if not path.is_file():
            # The address of the project itself is a page there; an object may be absent.
            self._answer(200 if path == self.store.folder else 404, b"")
            return
        self._answer(200, path.read_bytes())

    def do_PUT(self) -> None:
        # Reading first keeps the connection usable, whatever the answer is.
        content = self._body()
        path = self._admitted()
        if path is None:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        temporary.write_bytes(content)
        temporary.replace(path)
        self._answer(201, b"")

    do_HEAD = do_GET
    do_POST = do_PUT

    def log_message(self, *_: Any) -> None:
        pass

    def _admitted(self) -> Path | None:
        """The file that is asked for; None where the answer was a refusal."""
        pair = f"{self.store.user}:{self.store.password}".encode()
        expected = "Basic " + base64.b64encode(pair).decode()
        if self.headers.get("Authorization") != expected:
            self._answer(401, b"")
            return None
        inside = self.path.startswith(f"{PLACE}/") or self.path == PLACE
        if not inside or ".." in self.path:
            self._answer(404, b"")
            return None
        return self.store.folder / self.path.removeprefix(PLACE).strip("/")

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        content = bytearray()
        while size := int(self.rfile.readline().split(b";")[0], 16):
            content += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():  # trailers, up to the empty line
            pass
        return bytes(content)

    def _answer(self, status: int, content: bytes) -> None:
        self.store.answers.append((self.command, status))
        with suppress(ConnectionError):  # DVC asks whether an object is there and hangs up
            self.send_response(status)
            if status == 401:
                self.send_header("WWW-Authenticate", 'Basic realm="store"')
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)
