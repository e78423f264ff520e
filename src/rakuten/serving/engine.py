"""Inference off the event loop: bounded queues, batches of whatever waits, time-outs."""

import asyncio
import gc
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from threadpoolctl import threadpool_limits

from rakuten.models.predictor import Prediction, Product
from rakuten.serving.live_model import LoadedModel
from rakuten.serving.problems import ServiceError

RETRY: Final = {"Retry-After": "1"}
_BATCH: Final = {"text": 32, "photo": 8, "bulk": 256}
"""Products that a lane answers at a time: a photo costs as much as ten texts."""
_PATIENCE: Final = 6
"""Turns of the event loop without a new request after which a batch starts."""


@dataclass(frozen=True)
class Answer:
    """A prediction and the model that gave it; ``seconds`` is its batch's time of inference."""

    prediction: Prediction
    model: LoadedModel
    seconds: float


@dataclass(frozen=True, slots=True)
class _Job:
    products: Sequence[Product]
    future: "asyncio.Future[list[Answer]]"
    deadline: float


class Engine:
    """Answers products with the live model, each kind in a lane of its own.

    A lane is a queue with one thread behind it. While the thread works, requests gather; it then
    takes them all at once, so batches grow with the load and nobody waits for a batch to fill.
    Texts, single photos and bulk requests have lanes of their own: none waits for a slower kind.
    """

    def __init__(
        self,
        current: Callable[[], LoadedModel | None],
        *,
        max_waiting: int,
        seconds: float,
        alternatives: int = 3,
    ) -> None:
        self._current = current
        self._max_waiting = max_waiting
        self._alternatives = alternatives
        self._settled: LoadedModel | None = None
        self._lanes = {name: _Lane(self._answer, limit, seconds) for name, limit in _BATCH.items()}

    async def answer(self, products: Sequence[Product]) -> list[Answer]:
        """Answer products in order.

        Raises:
            ServiceError: 503 where too many wait or no model is live, 504 where it takes too long.
        """
        if self._current() is None:
            raise ServiceError(503, "No model is live yet.", reason="no_model", headers=RETRY)
        lane = self._lanes[_kind(products)]
        if lane.waiting + len(products) > max(self._max_waiting, len(products)):
            raise ServiceError(
                503, "Too many requests are waiting.", reason="overloaded", headers=RETRY
            )
        return await lane.submit(products)

    def waiting(self) -> dict[str, int]:
        """Products that wait or are under way, by lane."""
        return {name: lane.waiting for name, lane in self._lanes.items()}

    async def drain(self) -> None:
        """Wait until everything that was accepted is answered, then end the threads."""
        for lane in self._lanes.values():
            await lane.drain()

    def _answer(self, jobs: Sequence[_Job]) -> list[list[Answer]]:
        """Answer some jobs in one batch; runs in a lane's thread."""
        model = self._current()
        if model is None:  # a model that was live stays
            raise ServiceError(503, "No model is live yet.", reason="no_model", headers=RETRY)
        if model is not self._settled:
            self._settle(model)
        start = time.perf_counter()
        products = [product for job in jobs for product in job.products]
        found = model.predictor.predict(products, alternatives=self._alternatives)
        seconds = time.perf_counter() - start
        answers = iter([Answer(prediction, model, seconds) for prediction in found])
        return [[next(answers) for _ in job.products] for job in jobs]

    def _settle(self, model: LoadedModel) -> None:
        """What is done once for a model, when all that it needs is loaded."""
        # To look for the libraries takes longer than a batch.
        threadpool_limits(limits=1, user_api="blas")
        if self._settled is None:
            gc.freeze()  # modules and model stay: no collection has to walk them again
        self._settled = model


class _Lane:
    """One queue with one thread behind it; its state changes on the event loop alone."""

    def __init__(
        self,
        work: Callable[[Sequence[_Job]], list[list[Answer]]],
        max_batch: int,
        seconds: float,
    ) -> None:
        self._work, self._max_batch, self._seconds = work, max_batch, seconds
        self._queue: deque[_Job] = deque()
        self._unanswered: deque[_Job] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._thread = ThreadPoolExecutor(1, "inference")
        self._idle = asyncio.Event()
        self._idle.set()
        self.waiting = 0

    def submit(self, products: Sequence[Product]) -> "asyncio.Future[list[Answer]]":
        """Queue products at once, so that the next request is counted against them."""
        loop = asyncio.get_running_loop()
        job = _Job(products, loop.create_future(), loop.time() + self._seconds)
        self._queue.append(job)
        self._unanswered.append(job)
        self.waiting += len(products)
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

    def _take(self) -> list[_Job]:
        """The next batch; whoever no longer waits for an answer is left out."""
        jobs: list[_Job] = []
        size = 0
        while self._queue and size < self._max_batch:
            job = self._queue.popleft()
            if job.future.done():
                self.waiting -= len(job.products)
                continue
            jobs.append(job)
            size += len(job.products)
        return jobs

    def _run(self, jobs: list[_Job], loop: asyncio.AbstractEventLoop) -> None:
        """Answer a batch; runs in the thread, and wakes the event loop once."""
        results: list[list[Answer] | Exception] = []
        try:
            results += self._work(jobs)
        except Exception as error:  # the boundary to the model: only the guilty job fails
            results += [error] if len(jobs) == 1 else map(self._try, jobs)
        loop.call_soon_threadsafe(self._finish, jobs, results)

    def _try(self, job: _Job) -> list[Answer] | Exception:
        try:
            return self._work([job])[0]
        except Exception as error:  # the same boundary, for one job
            return error

    def _finish(self, jobs: list[_Job], results: list[list[Answer] | Exception]) -> None:
        for job, result in zip(jobs, results, strict=True):
            self.waiting -= len(job.products)
            if job.future.done():
                continue
            if isinstance(result, Exception):
                job.future.set_exception(result)
            else:
                job.future.set_result(result)
        while self._unanswered and self._unanswered[0].future.done():
            self._unanswered.popleft()
        self._gather(asyncio.get_running_loop(), 0, _PATIENCE)


def _kind(products: Sequence[Product]) -> str:
    if len(products) > 1:
        return "bulk"
    return "text" if products[0].image is None else "photo"
