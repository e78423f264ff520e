"""Between the event loop and the store's thread: both are told of many records at a time."""

import asyncio
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import Protocol

from rakuten.store.inbox import Kept
from rakuten.store.records import Record


class Keeper(Protocol):
    """What keeps records: the store's writer."""

    def submit_each(self, groups: Sequence[Sequence[Record]]) -> "list[Future[Kept]]":
        """Keep groups of records; a future for each."""
        ...


class Outbox:
    """Hands records to the store, and what became of them back to whoever waits.

    Predictions of one batch become ready in the same turn of the event loop, and so they are
    handed over together, without any delay: one commit takes them all. The store then resolves
    their futures together, and wakes the loop once for all of them.
    """

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper
        self._new: list[tuple[Sequence[Record], asyncio.Future[Kept]]] = []
        self._kept: deque[tuple[asyncio.Future[Kept], Future[Kept]]] = deque()
        self._called = False

    def keep(self, records: Sequence[Record]) -> "asyncio.Future[Kept]":
        """A future of this event loop that is resolved once the records are on disk."""
        loop = asyncio.get_running_loop()
        target: asyncio.Future[Kept] = loop.create_future()
        if not self._new:
            loop.call_soon(self._hand_over, loop)
        self._new.append((records, target))
        return target

    def _hand_over(self, loop: asyncio.AbstractEventLoop) -> None:
        """Whether somebody still waits does not matter: what was answered is to be kept."""
        new, self._new = self._new, []
        futures = self._keeper.submit_each([records for records, _ in new])
        for (_, target), future in zip(new, futures, strict=True):
            future.add_done_callback(partial(self._arrive, loop, target))

    def _arrive(
        self, loop: asyncio.AbstractEventLoop, target: "asyncio.Future[Kept]", done: "Future[Kept]"
    ) -> None:
        """Take a result; runs in the store's thread."""
        self._kept.append((target, done))
        if not self._called:
            self._called = True
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(self._deliver)

    def _deliver(self) -> None:
        self._called = False  # before the first is taken: whatever arrives now calls again
        while self._kept:
            target, future = self._kept.popleft()
            if target.done():
                continue
            error = future.exception()
            if error is None:
                target.set_result(future.result())
            else:
                target.set_exception(error)
