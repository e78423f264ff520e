"""A thread that looks again and again, with jitter, and at once when it is poked."""

import random
import threading
from collections.abc import Callable
from typing import Final

from rakuten.logs import get_logger

log = get_logger(__name__)

_JITTER: Final = 0.2
_BETWEEN: Final = 0.2
_AFTER_ERROR: Final = 15.0


class Watcher:
    """Calls ``check`` until it is stopped; what it returns is the pause in seconds until the next.

    What it raises is logged and counted in ``errors``. Each pause is up to a fifth longer or
    shorter, so that many processes do not ask at once.
    """

    def __init__(self, check: Callable[[], float], stopping: threading.Event) -> None:
        self.errors = 0
        self._check, self._stopping = check, stopping
        self._awake = threading.Event()
        self._thread = threading.Thread(target=self._run, name="live-model", daemon=True)

    def start(self) -> None:
        """Begin, once."""
        self._thread.start()

    def poke(self) -> None:
        """Look again at once; several pokes at the same time are one."""
        self._awake.set()

    def stop(self, seconds: float) -> bool:
        """End; whether the thread has ended within so many seconds."""
        self._stopping.set()
        self._awake.set()
        if self._thread.is_alive():
            self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self._stopping.is_set():
            # Before the look, not after it: a poke that comes meanwhile is about something newer.
            self._awake.clear()
            try:
                pause = self._check()
            except Exception:  # the boundary of the thread: it lives as long as the process
                self.errors += 1
                log.exception("looking for the live model failed")
                pause = _AFTER_ERROR
            if self._stopping.wait(_BETWEEN):
                return
            self._awake.wait(pause * random.uniform(1 - _JITTER, 1 + _JITTER))  # noqa: S311
