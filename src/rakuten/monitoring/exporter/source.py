"""The store as scrapes see it: read at most every few seconds, and for one of them at a time."""

import threading
import time
from dataclasses import dataclass
from typing import Final

from rakuten.errors import RakutenError
from rakuten.logs import get_logger
from rakuten.monitoring.evidence import Outcome
from rakuten.store.database import Database
from rakuten.store.overview import Overview, read_overview

log = get_logger(__name__)

READ_SECONDS: Final = 4.0
"""No read takes longer; with the time to connect it stays below Prometheus' own ten seconds."""
EVERY_SECONDS: Final = 5.0
"""Scrapes that follow each other faster are shown the same."""


@dataclass(frozen=True)
class Reading:
    """A try to read the store; ``overview`` is None where it was away.

    ``seconds`` is how long the try took; ``last_read`` when one last succeeded, in seconds since
    1970.
    """

    overview: Overview | None
    seconds: float
    last_read: float | None


class StoreSource:
    """Reads the store when somebody asks, and hands out the same for ``every`` seconds.

    Args:
        url: of the database.
        model_name: of the registered model.
        every: seconds for which a reading is new enough.
    """

    def __init__(self, url: str, model_name: str, *, every: float = EVERY_SECONDS) -> None:
        self._database = Database(url, pool_size=1, seconds=READ_SECONDS)
        self._model_name, self._every = model_name, every
        self._lock = threading.Lock()
        self._reading = Reading(None, 0.0, None)
        self._began = self._ended = float("-inf")
        self._problem: str | None = None

    def reading(self) -> Reading:
        """The newest reading; it never fails. Who asks during a read waits for that one."""
        asked = time.monotonic()
        with self._lock:
            if self._ended < asked and self._began < asked - self._every:
                self._read()
            return self._reading

    def close(self) -> None:
        """Let go of the database."""
        self._database.close()

    def _read(self) -> None:
        self._began = time.monotonic()
        try:
            found: Overview | None = read_overview(
                self._database, self._model_name, failed_check=Outcome.CHECK_FAILED.value
            )
            self._tell(None)
        except Exception as error:  # noqa: BLE001 - the boundary: the process outlives its store
            found = None
            self._database.close()  # an SQLite file may be another one when it is back
            self._tell(_words(error))
        self._ended = time.monotonic()
        last = self._reading.last_read if found is None else time.time()
        self._reading = Reading(found, self._ended - self._began, last)

    def _tell(self, problem: str | None) -> None:
        """A line where something changed, not one a scrape."""
        if problem == self._problem:
            return
        if problem is None:
            log.info("the store answers")
        else:
            log.warning("the store cannot be read: %s", problem)
        self._problem = problem


def _words(error: Exception) -> str:
    if isinstance(error, RakutenError):
        return f"{error.message} {error.hint or ''}".strip()
    return f"{type(error).__name__}: {error}"
