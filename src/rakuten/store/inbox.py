"""Records that wait for the writer, and the promises that were made on them."""

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from rakuten.errors import RakutenError, StoreError, StoreFullError
from rakuten.store.records import Record

Kept = Literal["stored", "spooled"]
"""On which disk a record is: the database's, or that of the spool."""
MAX_WAITING: Final = 10_000


class Promise(Protocol):
    """What is told, once, where records are kept or why not: a Future, or what is lighter."""

    def set_result(self, result: Kept, /) -> None:
        """They are on disk; called from any thread."""

    def set_exception(self, exception: RakutenError, /) -> None:
        """They are not; called from any thread."""

    def done(self) -> bool:
        """Whether it was told."""
        ...


@dataclass(frozen=True, slots=True)
class Entry:
    """Records that are kept together, and the promise on them."""

    records: Sequence[Record]
    promise: Promise


class Inbox:
    """Takes entries from many threads for one.

    Args:
        most: records that may wait.
    """

    def __init__(self, most: int = MAX_WAITING) -> None:
        self._most = most
        self._entries: deque[Entry] = deque()
        self._condition = threading.Condition()  # one thread waits on it, or notify() may miss
        self._closed = False
        self.waiting = 0

    def put(self, entries: Sequence[Entry]) -> None:
        """Let entries wait; the promises of those that cannot are broken at once."""
        refused: list[tuple[Entry, RakutenError]] = []
        with self._condition:
            for entry in entries:
                if refusal := self._refusal(len(entry.records)):
                    refused.append((entry, refusal))
                else:
                    self._entries.append(entry)
                    self.waiting += len(entry.records)
            self._condition.notify()
        for entry, refusal in refused:
            entry.promise.set_exception(refusal)

    def take(self, most: int) -> list[Entry]:
        """Entries of about so many records, once there are any; none when closed and empty."""
        with self._condition:
            while not self._entries and not self._closed:
                self._condition.wait()
            group: list[Entry] = []
            size = 0
            while self._entries and size < most:
                group.append(self._entries.popleft())
                size += len(group[-1].records)
            self.waiting -= size
            return group

    def close(self) -> None:
        """Refuse what comes from now on."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()

    def empty(self) -> list[Entry]:
        """Take out all that is left."""
        with self._condition:
            left, self._entries = list(self._entries), deque()
            self.waiting = 0
            return left

    def _refusal(self, count: int) -> RakutenError | None:
        if self._closed:
            return StoreError("The store is being stopped.")
        if self.waiting + count > self._most:
            return StoreFullError(
                f"{self.waiting} records wait for the disk already.",
                hint="the database is slower than the requests that come in",
            )
        return None


def records_of(group: Sequence[Entry]) -> list[Record]:
    """All records of a group, in order."""
    return [record for entry in group for record in entry.records]


def resolve(group: Sequence[Entry], kept: Kept) -> None:
    """Keep the promises."""
    for entry in group:
        entry.promise.set_result(kept)


def fail(group: Sequence[Entry], error: RakutenError) -> None:
    """Break the promises: one error each, for a traceback belongs to the thread that raises it."""
    for entry in group:
        if not entry.promise.done():
            entry.promise.set_exception(type(error)(error.message, hint=error.hint))
