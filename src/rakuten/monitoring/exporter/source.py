"""The store as scrapes see it: read at most every few seconds, and for one of them at a time."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from rakuten.errors import RakutenError
from rakuten.logs import get_logger
from rakuten.monitoring.evidence import Outcome
from rakuten.store.database import Database
from rakuten.store.overview import Overview, People, read_overview, read_people

log = get_logger(__name__)

Found = TypeVar("Found")

READ_SECONDS: Final = 2.5
"""No transaction takes longer: two of them and a connection stay below Prometheus' ten seconds."""
EVERY_SECONDS: Final = 5.0
"""Scrapes that follow each other faster are shown the same."""
PAUSE_FACTOR: Final = 20
"""After counting the queue there is a pause of so many times as long as that took."""


@dataclass(frozen=True)
class Reading:
    """A try to read the store.

    ``overview`` is None where it was away, and so is ``people``; that may be None alone, where
    counting took too long. ``seconds`` is how long the try took; ``last_read`` when one last
    succeeded, in seconds since 1970.
    """

    overview: Overview | None
    people: People | None
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
        self._reading = Reading(None, None, 0.0, None)
        self._began = self._ended = self._count_again = float("-inf")
        self._problems: dict[str, str] = {}

    def reading(self) -> Reading:
        """The newest reading; it never fails. Who asks during a read waits for that one."""
        asked = time.monotonic()
        with self._lock:
            if self._ended < asked and self._began < asked - self._every:
                self._reading = self._read()
            return self._reading

    def close(self) -> None:
        """Let go of the database."""
        self._database.close()

    def _read(self) -> Reading:
        self._began = time.monotonic()
        overview = self._try("checks, decisions and runs", self._overview)
        people = None
        if overview is None:
            self._database.close()  # an SQLite file may be another one when it is back
            self._count_again = float("-inf")
        elif self._count_again <= time.monotonic():
            people = self._count()
        else:
            people = self._reading.people
        self._ended = time.monotonic()
        last = self._reading.last_read if overview is None else time.time()
        return Reading(overview, people, self._ended - self._began, last)

    def _overview(self) -> Overview:
        failed = Outcome.CHECK_FAILED.value
        return read_overview(self._database, self._model_name, failed_check=failed)

    def _count(self) -> People | None:
        """A long queue takes long to count, and is counted less often."""
        start = time.monotonic()
        found = self._try("the review queue", lambda: read_people(self._database))
        end = time.monotonic()
        self._count_again = end + PAUSE_FACTOR * (end - start)
        return found

    def _try(self, what: str, read: Callable[[], Found]) -> Found | None:
        """None where it fails; a line in the log where that is new, not one a scrape."""
        try:
            found = read()
        except Exception as error:  # noqa: BLE001 - the boundary: the process outlives its store
            problem = _words(error)
            if problem != self._problems.get(what):
                log.warning("the store does not give %s: %s", what, problem)
            self._problems[what] = problem
            return None
        if self._problems.pop(what, None):
            log.info("the store gives %s again", what)
        return found


def _words(error: Exception) -> str:
    if isinstance(error, RakutenError):
        return f"{error.message} {error.hint or ''}".strip()
    return f"{type(error).__name__}: {error}"
