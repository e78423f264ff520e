"""Between the event loop and the store's thread: both are told of many records at a time."""

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Protocol

from rakuten.errors import RakutenError
from rakuten.store.inbox import Entry, Kept
from rakuten.store.records import Record


class Keeper(Protocol):
    """What keeps records: the store's writer."""

    def submit_each(self, entries: Sequence[Entry]) -> None:
        """Keep entries, and tell the promise of each."""


class _Promise:
    """Takes a result in the store's thread for a future of the event loop."""

    __slots__ = ("_outbox", "outcome", "target")

    def __init__(self, outbox: "Outbox", target: "asyncio.Future[Kept]") -> None:
        self._outbox, self.target = outbox, target
        self.outcome: Kept | RakutenError | None = None

    def set_result(self, result: Kept) -> None:
        self.outcome = result
        self._outbox.arrive(self)

    def set_exception(self, exception: RakutenError) -> None:
        self.outcome = exception
        self._outbox.arrive(self)

    def done(self) -> bool:
        return self.outcome is not None

    def deliver(self) -> None:
        """Pass the result on; runs on the event loop."""
        if self.target.done():  # whoever waited has given up
            return
        if isinstance(self.outcome, Exception):
            self.target.set_exception(self.outcome)
        elif self.outcome is not None:
            self.target.set_result(self.outcome)


class Outbox:
    """Hands records to the store, and what became of them back to whoever waits.

    Predictions of one batch become ready in the same turn of the event loop, and so they are
    handed over together, without any delay: one commit takes them all. The store then keeps
    its promises together, and wakes the loop once for all of them.
    """

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper
        self._new: list[Entry] = []
        self._kept: deque[_Promise] = deque()
        self._called = False
        self._loop: asyncio.AbstractEventLoop | None = None

    def keep(self, records: Sequence[Record]) -> "asyncio.Future[Kept]":
        """A future of this event loop that is resolved once the records are on disk."""
        loop = self._loop = asyncio.get_running_loop()
        target: asyncio.Future[Kept] = loop.create_future()
        if not self._new:
            loop.call_soon(self._hand_over)
        self._new.append(Entry(records, _Promise(self, target)))
        return target

    def _hand_over(self) -> None:
        """Whether somebody still waits does not matter: what was answered is to be kept."""
        new, self._new = self._new, []
        self._keeper.submit_each(new)

    def arrive(self, promise: _Promise) -> None:
        """Take a result; runs in the store's thread."""
        self._kept.append(promise)
        if not self._called and self._loop is not None:
            self._called = True
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                self._loop.call_soon_threadsafe(self._deliver)

    def _deliver(self) -> None:
        self._called = False  # before the first is taken: whatever arrives now calls again
        while self._kept:
            self._kept.popleft().deliver()
