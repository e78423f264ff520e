"""How well a service is: its own check, asked again and again."""

import subprocess
import threading
import time
from typing import Final, Literal

from rakuten.stack.plan import LocalService

State = Literal["waiting", "starting", "well", "unwell", "ended", "failed"]

_SETTLE_SECONDS: Final = 5.0
"""A service without a check of its own is well if it runs for so long."""
_START_PAUSE: Final = 0.5
"""Seconds between checks until the first success: people wait for it."""


def ask(service: LocalService) -> bool:
    """Run the check once; a service without one is well while it runs."""
    if service.health is None:
        return True
    try:
        done = subprocess.run(
            service.health.test,
            env=dict(service.environment),
            cwd=service.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=service.health.timeout,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


class HealthWatch:
    """Asks one running service until it is told to stop, from a thread of its own."""

    def __init__(self, service: LocalService) -> None:
        self._service = service
        self._over = threading.Event()
        self.state: State = "starting"
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ask no more."""
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        health, begun, failures = self._service.health, time.monotonic(), 0
        if health is None:
            self.state = "starting" if self._over.wait(_SETTLE_SECONDS) else "well"
            return
        while not self._over.is_set():
            if ask(self._service):
                failures, self.state = 0, "well"
            elif self.state == "well":
                failures += 1
                self.state = "unwell" if failures >= health.retries else "well"
            elif time.monotonic() - begun > health.deadline:
                self.state = "unwell"
            self._over.wait(_START_PAUSE if self.state == "starting" else health.interval)
