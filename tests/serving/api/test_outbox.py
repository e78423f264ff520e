"""Records go to the store together, and what became of them comes back together."""

import asyncio
from collections.abc import Sequence

import pytest

from rakuten.errors import StoreError
from rakuten.serving.outbox import Outbox
from rakuten.store.inbox import Entry, Kept, Promise
from rakuten.store.records import FeedbackRecord, new_prediction_id
from tests.store.material import make_feedback


class Shelf:
    """Keeps promises waiting until it is told what became of them."""

    def __init__(self) -> None:
        self.calls: list[int] = []
        self.promises: list[Promise] = []

    def submit_each(self, entries: Sequence[Entry]) -> None:
        self.calls.append(len(entries))
        self.promises += [entry.promise for entry in entries]

    def resolve(self) -> None:
        for promise in self.promises:
            promise.set_result("stored")


def _record() -> FeedbackRecord:
    return make_feedback(new_prediction_id())


async def _turn() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


def test_records_of_one_turn_are_handed_over_together_and_wake_the_loop_once() -> None:
    async def work() -> tuple[list[int], int, list[Kept]]:
        shelf, wakes, loop = Shelf(), [], asyncio.get_running_loop()
        outbox = Outbox(shelf)
        waiting = [outbox.keep([_record()]) for _ in range(200)]
        await _turn()
        call = loop.call_soon_threadsafe

        def counted(*arguments: object) -> object:
            wakes.append(1)
            return call(*arguments)  # type: ignore[arg-type]

        loop.call_soon_threadsafe = counted  # type: ignore[method-assign, assignment]
        shelf.resolve()  # as a thread that is not interrupted: the loop gets no turn in between
        del loop.call_soon_threadsafe
        return shelf.calls, len(wakes), await asyncio.gather(*waiting)

    calls, wakes, kept = asyncio.run(work())
    assert calls == [200]
    assert wakes == 1
    assert kept == ["stored"] * 200


def test_results_from_another_thread_arrive_whenever_they_come() -> None:
    async def work() -> int:
        shelf = Shelf()
        outbox = Outbox(shelf)
        kept = 0
        for _ in range(50):
            waiting = [outbox.keep([_record()]) for _ in range(10)]
            await _turn()
            await asyncio.gather(
                *(asyncio.to_thread(f.set_result, "stored") for f in shelf.promises)
            )
            shelf.promises.clear()
            kept += len(await asyncio.gather(*waiting))
        return kept

    assert asyncio.run(asyncio.wait_for(work(), 30)) == 500


def test_an_error_reaches_its_own_caller_alone() -> None:
    async def work() -> Kept:
        shelf = Shelf()
        outbox = Outbox(shelf)
        good, bad = outbox.keep([_record()]), outbox.keep([_record()])
        await _turn()
        shelf.promises[1].set_exception(StoreError("no room"))
        shelf.promises[0].set_result("stored")
        with pytest.raises(StoreError, match="no room"):
            await bad
        return await good

    assert asyncio.run(work()) == "stored"


def test_what_nobody_waits_for_is_handed_over_all_the_same() -> None:
    async def work() -> list[int]:
        shelf = Shelf()
        outbox = Outbox(shelf)
        gone, waiting = outbox.keep([_record()]), outbox.keep([_record()])
        gone.cancel()
        await _turn()
        shelf.resolve()
        await waiting
        return shelf.calls

    assert asyncio.run(work()) == [2]


def test_a_loop_that_was_closed_does_not_harm_the_store() -> None:
    shelf = Shelf()

    async def leave() -> None:
        Outbox(shelf).keep([_record()])
        await _turn()

    asyncio.run(leave())
    shelf.resolve()
    assert shelf.promises[0].done()
