"""Results of other threads, brought to the event loop many at a time."""

import asyncio
from collections import deque
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, TypeVar

ResultT = TypeVar("ResultT")


class Arrivals:
    """Like ``asyncio.wrap_future``, but results that come together wake the loop once.

    The store resolves a whole group of futures after its commit; to wake the event loop for each
    of them costs more than the rest of the way.
    """

    def __init__(self) -> None:
        self._arrived: deque[tuple[asyncio.Future[Any], Future[Any]]] = deque()
        self._called = False

    def wait_for(self, source: "Future[ResultT]") -> "asyncio.Future[ResultT]":
        """A future of this event loop that gets the result, or the error."""
        loop = asyncio.get_running_loop()
        target: asyncio.Future[ResultT] = loop.create_future()

        def arrive(done: "Future[ResultT]") -> None:
            self._arrived.append((target, done))
            if not self._called:
                self._called = True
                with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                    loop.call_soon_threadsafe(self._deliver)

        source.add_done_callback(arrive)
        return target

    def _deliver(self) -> None:
        self._called = False  # before the first is taken: whatever arrives now calls again
        while self._arrived:
            target, source = self._arrived.popleft()
            if target.done():
                continue
            error = source.exception()
            if error is None:
                target.set_result(source.result())
            else:
                target.set_exception(error)
