"""Results of other threads reach the event loop, many at a time."""

import asyncio
from concurrent.futures import Future

import pytest

from rakuten.errors import StoreError
from rakuten.serving.arrivals import Arrivals


async def _resolved_in_a_thread(count: int, wakes: list[int]) -> list[int]:
    arrivals, loop = Arrivals(), asyncio.get_running_loop()
    sources: list[Future[int]] = [Future() for _ in range(count)]
    waiting = [arrivals.wait_for(source) for source in sources]
    call = loop.call_soon_threadsafe

    def counted(*arguments: object) -> object:
        wakes.append(1)
        return call(*arguments)  # type: ignore[arg-type]

    loop.call_soon_threadsafe = counted  # type: ignore[method-assign, assignment]

    def resolve() -> None:
        for number, source in enumerate(sources):
            source.set_result(number)

    resolve()  # as a thread does that is not interrupted: the loop gets no turn in between
    del loop.call_soon_threadsafe
    return await asyncio.gather(*waiting)


def test_a_group_wakes_the_loop_once_and_everybody_gets_their_own_result() -> None:
    wakes: list[int] = []
    assert asyncio.run(_resolved_in_a_thread(200, wakes)) == list(range(200))
    assert len(wakes) == 1


def test_results_from_a_thread_arrive_whenever_they_come() -> None:
    async def work() -> int:
        arrivals = Arrivals()

        async def one(number: int) -> int:
            source: Future[int] = Future()
            waiting = arrivals.wait_for(source)
            await asyncio.to_thread(source.set_result, number)
            return await waiting

        return sum(await asyncio.gather(*(one(number) for number in range(500))))

    assert asyncio.run(asyncio.wait_for(work(), 30)) == sum(range(500))


def test_a_result_that_is_there_already_arrives_and_so_does_an_error() -> None:
    async def work() -> str:
        arrivals = Arrivals()
        done: Future[str] = Future()
        done.set_result("stored")
        failed: Future[str] = Future()
        failed.set_exception(StoreError("no room"))
        with pytest.raises(StoreError, match="no room"):
            await arrivals.wait_for(failed)
        return await arrivals.wait_for(done)

    assert asyncio.run(work()) == "stored"


def test_who_no_longer_waits_is_left_out() -> None:
    async def work() -> str:
        arrivals = Arrivals()
        sources: list[Future[str]] = [Future(), Future()]
        gone, waiting = (arrivals.wait_for(source) for source in sources)
        gone.cancel()
        for source in sources:
            source.set_result("stored")
        return await waiting

    assert asyncio.run(work()) == "stored"


def test_a_loop_that_was_closed_does_not_harm_who_resolves() -> None:
    source: Future[str] = Future()

    async def leave() -> None:
        Arrivals().wait_for(source)

    asyncio.run(leave())
    source.set_result("stored")
    assert source.result() == "stored"
