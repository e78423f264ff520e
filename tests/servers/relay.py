"""A relay in front of a server that cuts every connection after so many questions."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Relay:
    """Hands on what clients say to ``port`` until ``patience`` runs out; None is endless.

    ``heard`` counts the questions that clients began since it was last set: a client that speaks
    on a new connection, or after an answer. How TCP cuts a question into pieces does not count.
    """

    def __init__(self, port: int) -> None:
        self.patience: int | None = None
        self.heard = 0
        self._target = port
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def uri(self) -> str:
        """Where clients find the server behind the relay."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def close(self) -> None:
        """Cut everything for good."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._cut()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if self.patience is not None and self.heard >= self.patience:
                    client.close()
                    continue
                server = socket.create_connection(("127.0.0.1", self._target))
                for one in (client, server):  # or each question waits for its last piece
                    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                with self._lock:
                    self._open += [client, server]
                ends = (client, server, threading.Event())
                threading.Thread(target=self._ask, args=ends, daemon=True).start()
                threading.Thread(target=self._answer, args=ends, daemon=True).start()

    def _ask(
        self, client: socket.socket, server: socket.socket, is_asking: threading.Event
    ) -> None:
        with suppress(OSError):
            while piece := client.recv(1 << 16):
                if not is_asking.is_set():
                    is_asking.set()
                    self._hear()
                if self.patience is not None and self.heard > self.patience:
                    self._cut()
                    return
                server.sendall(piece)
        with suppress(OSError):
            server.shutdown(socket.SHUT_WR)

    def _answer(
        self, client: socket.socket, server: socket.socket, is_asking: threading.Event
    ) -> None:
        with suppress(OSError):
            while piece := server.recv(1 << 16):
                is_asking.clear()
                client.sendall(piece)
        with suppress(OSError):
            client.shutdown(socket.SHUT_WR)

    def _hear(self) -> None:
        with self._lock:
            self.heard += 1

    def _cut(self) -> None:
        with self._lock:
            sockets, self._open = self._open, []
        for one in sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


@contextmanager
def relay(port: int) -> Iterator[Relay]:
    """A relay to a server on loopback until the block ends."""
    running = Relay(port)
    try:
        yield running
    finally:
        running.close()
