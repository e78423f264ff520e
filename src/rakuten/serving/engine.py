"""Inference off the event loop: each kind of request in a lane of its own."""

import gc
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from threadpoolctl import threadpool_limits

from rakuten.metrics.service import Meter
from rakuten.models.explanation import Explanation
from rakuten.models.predictor import Prediction, Product
from rakuten.models.timings import Timings
from rakuten.serving.lane import Job, Lane
from rakuten.serving.live_model import LoadedModel
from rakuten.serving.problems import RETRY, ServiceError

_BATCH: Final = {"text": 32, "photo": 8, "bulk": 256}
"""Products that a lane answers at a time: a photo costs as much as ten texts."""
_EXPLANATION: Final = "explanation"
LANES: Final = (*_BATCH, _EXPLANATION)
"""Names of the lanes."""
_PIECE: Final = 16
"""Photos after which a batch may end because nobody waits for it any more."""
_QUICK_SECONDS: Final = 0.5


@dataclass(frozen=True)
class Answer:
    """A prediction and the model that gave it; ``seconds`` is its batch's time of inference."""

    prediction: Prediction
    model: LoadedModel
    seconds: float


_Job = Job[Product, Answer]
_Explained = tuple[Product, LoadedModel]


class Engine:
    """Answers products with the live model, each kind in a lane of its own.

    Texts, single photos, bulk requests and explanations: none waits for a slower kind.
    """

    def __init__(
        self,
        current: Callable[[], LoadedModel | None],
        *,
        max_waiting: int,
        seconds: float,
        alternatives: int = 3,
        meter: Meter | None = None,
    ) -> None:
        self._current = current
        self._meter = meter or Meter()
        self._alternatives = alternatives
        self._settled: LoadedModel | None = None
        given: dict[str, Any] = {
            "max_waiting": max_waiting,
            "seconds": seconds,
            "meter": self._meter,
        }
        self._lanes = {
            name: Lane(self._answer, max_batch=limit, name=name, **given)
            for name, limit in _BATCH.items()
        }
        self._explaining = Lane(self._explain, max_batch=1, name=_EXPLANATION, **given)

    async def answer(self, products: Sequence[Product]) -> list[Answer]:
        """Answer products in order.

        Raises:
            ServiceError: 503 where too many wait or no model is live, 504 where it takes too long.
        """
        if self._current() is None:
            raise ServiceError(503, "No model is live yet.", reason="no_model", headers=RETRY)
        return await self._lanes[_kind(products)].submit(products)

    async def explain(self, product: Product, answer: Answer) -> Explanation:
        """The evidence for an answer, from the model that gave it.

        Raises:
            ServiceError: 503 where too many wait, 504 where it takes too long.
        """
        (found,) = await self._explaining.submit([(product, answer.model)])
        return found

    def lanes(self) -> Mapping[str, Lane[Any, Any]]:
        """The lanes by name: how full and how busy they are."""
        return {**self._lanes, _EXPLANATION: self._explaining}

    async def drain(self) -> None:
        """Wait until everything that was accepted is answered, then end the threads."""
        for lane in self._lanes.values():
            await lane.drain()
        await self._explaining.drain()

    @staticmethod
    def _explain(jobs: Sequence[Job[_Explained, Explanation]]) -> list[list[Explanation]]:
        return [[model.predictor.explain(product) for product, model in job.items] for job in jobs]

    def _answer(self, jobs: Sequence[_Job]) -> list[list[Answer]]:
        """Answer some jobs in one batch; runs in a lane's thread."""
        model = self._current()
        if model is None:  # a model that was live stays
            raise ServiceError(503, "No model is live yet.", reason="no_model", headers=RETRY)
        if model is not self._settled:
            self._settle(model)
        start = time.perf_counter()
        products = [product for job in jobs for product in job.items]
        found = self._predict(model, products, jobs)
        seconds = time.perf_counter() - start
        answers = iter([Answer(prediction, model, seconds) for prediction in found])
        return [[next(answers) for _ in job.items] for job in jobs]

    def _predict(
        self, model: LoadedModel, products: Sequence[Product], jobs: Sequence[_Job]
    ) -> list[Prediction]:
        """Predictions in order; photos in pieces that grow while they are quick.

        A lane is for those who wait: between two pieces it is looked whether anybody still does.
        """
        size = len(products) if all(p.image is None for p in products) else _PIECE
        found: list[Prediction] = []
        timings = Timings()
        while len(found) < len(products):
            if all(job.future.done() for job in jobs):
                raise ServiceError(504, "Nobody waits any more.", reason="timeout")
            start = time.perf_counter()
            some = products[len(found) : len(found) + size]
            found += model.predictor.predict(some, alternatives=self._alternatives, timings=timings)
            size *= 2 if time.perf_counter() - start < _QUICK_SECONDS else 1
        self._meter.phases(vars(timings))
        return found

    def _settle(self, model: LoadedModel) -> None:
        """What is done once for a model, when all that it needs is loaded."""
        # To look for the libraries takes longer than a batch.
        threadpool_limits(limits=1, user_api="blas")
        if self._settled is None:
            gc.freeze()  # modules and model stay: no collection has to walk them again
        self._settled = model


def _kind(products: Sequence[Product]) -> str:
    if len(products) > 1:
        return "bulk"
    return "text" if products[0].image is None else "photo"
