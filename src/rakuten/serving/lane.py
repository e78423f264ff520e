"""Work off the event loop: a bounded queue, batches of whatever waits, time-outs."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from rakuten.metrics.service import Meter
from rakuten.serving.problems import RETRY, ServiceError

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")

_PATIENCE: Final = 6
"""Turns of the event loop without a new job after which a batch starts."""


@dataclass(frozen=True, slots=True)
class Job(Generic[ItemT, ResultT]):
    """Items that are answered together, and where their results go.

    ``submitted`` is a time of ``time.perf_counter()``, ``deadline`` one of the event loop.
    """

    items: Sequence[ItemT]
    future: "asyncio.Future[list[ResultT]]"
    submitted: float
    deadline: float


class Lane(Generic[ItemT, ResultT]):
    """One queue with one thread behind it; its state changes on the event loop alone.

    While the thread works, jobs gather; it then takes them all at once, so batches grow with the
    load and nobody waits for a batch to fill.

    Args:
        work: a list of results for each job, in order; runs in the thread.
        max_batch: items that it is given at a time, or a job that has more.
        max_waiting: items that may wait, or one job that has more.
        seconds: how long a job may take from when it is submitted.
        name: under which its batches are counted.
        meter: counts them.

    Attributes:
        waiting: items that wait or are under way.
        limit: items that may.
    """

    def __init__(
        self,
        work: Callable[[Sequence[Job[ItemT, ResultT]]], list[list[ResultT]]],
        *,
        max_batch: int,
        max_waiting: int,
        seconds: float,
        name: str = "",
        meter: Meter | None = None,
    ) -> None:
        self._work, self._seconds = work, seconds
        self._max_batch, self.limit = max_batch, max_waiting
        self._name, self._meter = name, meter or Meter()
        self._busy: tuple[float, float | None] = (0.0, None)
        self._queue: deque[Job[ItemT, ResultT]] = deque()
        self._unanswered: deque[Job[ItemT, ResultT]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._thread = ThreadPoolExecutor(1, "inference")
        self._idle = asyncio.Event()
        self._idle.set()
        self.waiting = 0

    @property
    def busy_seconds(self) -> float:
        """How long the thread has worked, the batch that is under way included."""
        total, since = self._busy  # in one look: the thread exchanges both at once
        return total if since is None else total + time.perf_counter() - since

    def submit(self, items: Sequence[ItemT]) -> "asyncio.Future[list[ResultT]]":
        """Queue items at once, so that the next request is counted against them.

        Returns:
            Their results; it fails with a 504 where they take too long.

        Raises:
            ServiceError: 503, for too many wait already.
        """
        if self.waiting + len(items) > max(self.limit, len(items)):
            raise ServiceError(
                503, "Too many requests are waiting.", reason="overloaded", headers=RETRY
            )
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._seconds
        job = Job(items, loop.create_future(), time.perf_counter(), deadline)
        self._queue.append(job)
        self._unanswered.append(job)
        self.waiting += len(items)
        if self._timer is None:
            self._timer = loop.call_at(job.deadline, self._expire, loop)
        if self._idle.is_set():
            self._idle.clear()
            self._gather(loop, 0, _PATIENCE)
        return job.future

    def _expire(self, loop: asyncio.AbstractEventLoop) -> None:
        """Give up on jobs whose time is over: one timer for all, as they end in their order."""
        detail = f"No answer within {self._seconds:g} s."
        while self._unanswered and self._unanswered[0].deadline <= loop.time():
            future = self._unanswered.popleft().future
            if not future.done():
                future.set_exception(ServiceError(504, detail, reason="timeout"))
        self._timer = None
        if self._unanswered:
            self._timer = loop.call_at(self._unanswered[0].deadline, self._expire, loop)

    async def drain(self) -> None:
        """Wait until everything that was accepted is answered, then end the thread."""
        await self._idle.wait()
        self._thread.shutdown()

    def _gather(self, loop: asyncio.AbstractEventLoop, seen: int, patience: int) -> None:
        """Start once turns of the loop bring nothing more: a fuller batch costs less a product.

        Turns are no pauses: each takes in what has arrived and sends what is ready, and a few
        without anything to do pass in less time than a single prediction takes.
        """
        waiting = len(self._queue)
        if waiting > seen:
            patience = _PATIENCE
        if waiting >= self._max_batch or not patience:
            self._start()
        else:
            loop.call_soon(self._gather, loop, waiting, patience - 1)

    def _start(self) -> None:
        """Hand the next batch to the thread."""
        jobs = self._take()
        if jobs:
            self._thread.submit(self._run, jobs, asyncio.get_running_loop())
        else:
            self._idle.set()

    def _take(self) -> list[Job[ItemT, ResultT]]:
        """The next batch; whoever no longer waits for an answer is left out."""
        jobs: list[Job[ItemT, ResultT]] = []
        size = 0
        while self._queue and size < self._max_batch:
            job = self._queue.popleft()
            if job.future.done():
                self.waiting -= len(job.items)
                continue
            jobs.append(job)
            size += len(job.items)
        return jobs

    def _run(self, jobs: list[Job[ItemT, ResultT]], loop: asyncio.AbstractEventLoop) -> None:
        """Answer a batch; runs in the thread, and wakes the event loop once."""
        results: list[list[ResultT] | Exception] = []
        total, begun = self._busy[0], time.perf_counter()
        self._busy = (total, begun)
        size = sum(len(job.items) for job in jobs)
        self._meter.batch(self._name, size, [begun - job.submitted for job in jobs])
        try:
            results += self._work(jobs)
        except Exception as error:  # the boundary to the model: only the guilty job fails
            results += [error] if len(jobs) == 1 else map(self._try, jobs)
        self._busy = (total + time.perf_counter() - begun, None)
        loop.call_soon_threadsafe(self._finish, jobs, results)

    def _try(self, job: Job[ItemT, ResultT]) -> list[ResultT] | Exception:
        try:
            return self._work([job])[0]
        except Exception as error:  # the same boundary, for one job
            return error

    def _finish(
        self, jobs: list[Job[ItemT, ResultT]], results: list[list[ResultT] | Exception]
    ) -> None:
        for job, result in zip(jobs, results, strict=True):
            self.waiting -= len(job.items)
            if job.future.done():
                continue
            if isinstance(result, Exception):
                job.future.set_exception(result)
            else:
                job.future.set_result(result)
        while self._unanswered and self._unanswered[0].future.done():
            self._unanswered.popleft()
        self._gather(asyncio.get_running_loop(), 0, _PATIENCE)
