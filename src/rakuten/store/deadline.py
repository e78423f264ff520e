"""An end to waiting for PostgreSQL: a server that hangs is cut off, not waited for."""

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from typing import Any, Final

_TICK_SECONDS: Final = 0.25


class Deadlines:
    """Cuts connections whose work takes too long, from one thread that starts with the first.

    A time-out of the server's own is of no use where the server (or the way to it) stands
    still, and libpq waits for ever. So the socket is shut down under it: what waits fails at
    once with a lost connection. A duplicate of the descriptor is held meanwhile: its number
    could belong to another connection by then.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._watched: dict[int, tuple[float, int]] = {}
        self._numbers = count()
        self._thread: threading.Thread | None = None

    @contextmanager
    def limit(self, driver_connection: Any, seconds: float) -> Iterator[None]:
        """Cut a psycopg connection if the block takes longer than ``seconds``."""
        try:
            descriptor = os.dup(driver_connection.fileno())
        except Exception:  # noqa: BLE001 - it is lost already; its next use says so
            yield
            return
        number = next(self._numbers)
        with self._lock:
            self._watched[number] = (time.monotonic() + seconds, descriptor)
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="deadlines", daemon=True)
                self._thread.start()
        try:
            yield
        finally:
            with self._lock:
                del self._watched[number]
                os.close(descriptor)

    def _watch(self) -> None:
        while True:
            time.sleep(_TICK_SECONDS)
            now = time.monotonic()
            with self._lock:
                for end, descriptor in self._watched.values():
                    if end < now:
                        _shut_down(descriptor)


def _shut_down(descriptor: int) -> None:
    with suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as duplicate:
        duplicate.shutdown(socket.SHUT_RDWR)
