"""Batches of what waits, bounded queues, time-outs, and only the guilty fails."""

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from rakuten.models.explanation import Explanation
from rakuten.models.predictor import Prediction, Predictor, Product
from rakuten.models.timings import Timings
from rakuten.serving.engine import Engine
from rakuten.serving.live_model import LoadedModel
from rakuten.serving.problems import ServiceError


class Slow:
    """The real predictor behind a gate, with a record of its batches."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor
        self.gate = threading.Event()
        self.batches: list[int] = []

    def predict(
        self, products: Sequence[Product], *, alternatives: int = 3, timings: Timings | None = None
    ) -> list[Prediction]:
        self.gate.wait(10)
        if any(product.designation == "poison" for product in products):
            raise RuntimeError("poison")
        self.batches.append(len(products))
        return self._predictor.predict(products, alternatives=alternatives, timings=timings)

    def explain(self, product: Product) -> Explanation:
        self.gate.wait(30)
        return self._predictor.explain(product)


@pytest.fixture
def slow(loaded: LoadedModel) -> Slow:
    return Slow(loaded.predictor)


def engine_of(loaded: LoadedModel, slow: Slow, **options: Any) -> Engine:
    held: Any = slow
    model = replace(loaded, predictor=held)
    return Engine(lambda: model, **{"max_waiting": 100, "seconds": 10, **options})


async def ask(engine: Engine, *titles: str) -> list[Any]:
    """Ask for many at once; errors are results."""
    work = [engine.answer([Product(title)]) for title in titles]
    return await asyncio.gather(*work, return_exceptions=True)


def test_what_waits_is_answered_in_one_batch(loaded: LoadedModel, slow: Slow) -> None:
    async def run() -> None:
        engine = engine_of(loaded, slow)
        first = asyncio.create_task(ask(engine, "console 0"))
        await asyncio.sleep(0.2)
        others = asyncio.create_task(ask(engine, *(f"console {n}" for n in range(1, 20))))
        await asyncio.sleep(0.2)
        slow.gate.set()
        answers = [*await first, *await others]
        await engine.drain()
        expected = loaded.predictor.predict([Product(f"console {n}") for n in range(20)])
        found = [answer[0].prediction.prdtypecode for answer in answers]
        assert found == [prediction.prdtypecode for prediction in expected]

    asyncio.run(run())
    assert slow.batches == [1, 19]


def test_what_comes_at_once_is_answered_at_once(loaded: LoadedModel, slow: Slow) -> None:
    async def run() -> None:
        engine = engine_of(loaded, slow)
        slow.gate.set()
        await ask(engine, *(f"console {n}" for n in range(20)))
        await engine.drain()

    asyncio.run(run())
    assert slow.batches == [20]


def test_beyond_the_limit_requests_are_refused_at_once(loaded: LoadedModel, slow: Slow) -> None:
    async def run() -> list[Any]:
        engine = engine_of(loaded, slow, max_waiting=5)
        asking = asyncio.create_task(ask(engine, *"abcdefgh"))
        await asyncio.sleep(0.1)
        slow.gate.set()
        answers = await asking
        await engine.drain()
        return answers

    refused = [a for a in asyncio.run(run()) if isinstance(a, ServiceError)]
    assert [error.status for error in refused] == [503] * 3
    assert all(error.headers["Retry-After"] for error in refused)


def test_what_takes_too_long_is_a_timeout_and_costs_nobody_else(
    loaded: LoadedModel, slow: Slow
) -> None:
    async def run() -> None:
        engine = engine_of(loaded, slow, seconds=0.2)
        (late,) = await ask(engine, "console")
        assert isinstance(late, ServiceError)
        assert late.status == 504
        slow.gate.set()
        (fine,) = await ask(engine, "console")
        assert fine[0].prediction.prdtypecode
        await engine.drain()
        assert {lane.waiting for lane in engine.lanes().values()} == {0}

    asyncio.run(run())


def test_explanations_wait_in_a_lane_with_a_limit_and_an_end(
    loaded: LoadedModel, slow: Slow
) -> None:
    async def run() -> list[Any]:
        engine = engine_of(loaded, slow, seconds=1, max_waiting=1)
        product = Product("console de jeux")
        slow.gate.set()
        (answer,) = await engine.answer([product])
        slow.gate.clear()
        asked = [engine.explain(product, answer) for _ in range(2)]
        refused = await asyncio.gather(*asked, return_exceptions=True)
        slow.gate.set()
        await engine.drain()
        return refused

    found = asyncio.run(run())
    assert [error.status for error in found] == [504, 503]


def test_many_photos_that_nobody_waits_for_any_more_do_not_keep_the_lane(
    loaded: LoadedModel, slow: Slow
) -> None:
    async def run() -> None:
        engine = engine_of(loaded, slow, seconds=0.2)
        with pytest.raises(ServiceError) as late:
            await engine.answer([Product("console", "", b"no picture")] * 90)
        assert late.value.status == 504
        slow.gate.set()
        assert len(await engine.answer([Product("console")] * 2)) == 2
        await engine.drain()

    asyncio.run(run())
    assert slow.batches == [16, 2]


def test_of_a_batch_only_the_guilty_request_fails(loaded: LoadedModel, slow: Slow) -> None:
    async def run() -> list[Any]:
        engine = engine_of(loaded, slow)
        asking = asyncio.create_task(ask(engine, "a", "b", "poison", "c"))
        await asyncio.sleep(0.1)
        slow.gate.set()
        answers = await asking
        await engine.drain()
        return answers

    answers = asyncio.run(run())
    assert [isinstance(answer, RuntimeError) for answer in answers] == [False, False, True, False]


def test_draining_finishes_what_was_accepted(loaded: LoadedModel, slow: Slow) -> None:
    async def run() -> None:
        engine = engine_of(loaded, slow)
        asking = asyncio.create_task(ask(engine, *"abcd"))
        await asyncio.sleep(0.1)
        threading.Timer(0.3, slow.gate.set).start()
        await engine.drain()
        assert all(answer[0].prediction.label for answer in await asking)

    asyncio.run(run())
