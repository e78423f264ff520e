"""The champion answers, whatever happens to registry, store, cache and models around it."""

import json
import logging
import shutil
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rakuten.models.predictor import Predictor, Product
from rakuten.serving.live_model import LiveModel, ModelInfo
from tests.serving.conftest import (
    DAMAGED,
    GOLDEN_OFF,
    GOOD,
    OTHER_FORMAT,
    Shop,
    answers,
    wait_for,
)

PRODUCT = Product("Console de jeux portable", "Vendue avec deux manettes")


def test_the_champion_is_fetched_tried_and_confirmed(shop: Shop) -> None:
    shop.empty_cache()
    shop.promote(2)
    live = shop.live()
    assert live.state()["ready"] is False
    wait_for(lambda: answers(live) == 2 and live.confirmed_at is not None)
    state = live.state()
    assert (state["ready"], state["degraded"], state["version"]) == (True, [], 2)
    assert (live.swaps, sum(live.refusals.values())) == (1, 0)
    assert live.last_swap_seconds is not None
    version, current = shop.version(2), live.current
    assert current is not None
    assert current.info.sha256 == version.model_sha256
    assert current.info.run_id == version.run_id
    assert current.info.aliases == ("champion",)
    assert dict(current.info.tags) == dict(version.tags)
    assert current.info.registered == version.registered
    confirmed = shop.cache.confirmed()
    assert confirmed is not None
    assert confirmed.info == current.info


def test_every_answer_names_the_version_that_gave_it_while_the_alias_moves(shop: Shop) -> None:
    shop.promote(1)
    live = shop.live()
    wait_for(lambda: answers(live) == 1)
    seen: set[int] = set()
    wrong: list[str] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            model = live.current
            assert model is not None
            answer = model.predictor.predict([PRODUCT])[0]
            seen.add(model.info.version)
            if not answer.label.endswith(f" of v{model.info.version}"):
                wrong.append(answer.label)

    def guarded() -> None:
        try:
            read()
        except Exception as error:  # the thread's end would go unnoticed
            wrong.append(repr(error))

    readers = [threading.Thread(target=guarded) for _ in range(3)]
    for reader in readers:
        reader.start()
    try:
        for move in range(20):
            target = GOOD[(move + 1) % len(GOOD)]
            shop.promote(target)
            live.poke()
            wait_for(lambda target=target: answers(live) == target)  # type: ignore[misc]
    finally:
        done.set()
        for reader in readers:
            reader.join()
    assert wrong == []
    assert seen == set(GOOD)
    assert live.swaps == 21


def test_a_model_that_was_fetched_before_is_swapped_in_without_the_store(shop: Shop) -> None:
    shop.serve_once(1)
    shop.serve_once(2)
    live = shop.live(fetch_seconds=0)
    shop.promote(1)
    live.poke()
    wait_for(lambda: answers(live) == 1)
    assert live.failures["fetch"] == 0


@pytest.mark.parametrize(
    ("bad", "reason"),
    [(DAMAGED, "artifact"), (GOLDEN_OFF, "golden"), (OTHER_FORMAT, "artifact")],
)
def test_a_bad_model_is_refused_once_and_the_old_one_stays(
    shop: Shop, caplog: pytest.LogCaptureFixture, bad: int, reason: str
) -> None:
    shop.promote(1)
    live = shop.live()
    wait_for(lambda: answers(live) == 1)
    with caplog.at_level(logging.ERROR, "rakuten"):
        shop.promote(bad)
        live.poke()
        wait_for(lambda: bool(live.refusals))
        time.sleep(1)  # three polls
    assert live.refusals == {reason: 1}
    assert answers(live) == 1
    assert [r.message for r in caplog.records if "is refused" in r.message]
    state = live.state()
    assert state["ready"]
    assert state["last_refusal"]["version"] == bad
    assert f"refused ({reason})" in state["degraded"][0]
    confirmed = shop.cache.confirmed()
    assert confirmed is not None
    assert confirmed.info.version == 1
    live.poke()  # somebody says that it is another one now
    wait_for(lambda: live.refusals[reason] == 2)
    shop.promote(3)
    live.poke()
    wait_for(lambda: answers(live) == 3)
    assert live.state()["degraded"] == []


def test_a_version_without_a_hash_is_refused(shop: Shop) -> None:
    shop.registry.tag([shop.version(1)], "model_sha256", "")
    shop.promote(1)
    live = shop.live()
    wait_for(lambda: live.refusals["no_hash"] == 1)
    assert live.current is None


def test_the_registry_away_at_the_start_is_degraded_with_a_cache(shop: Shop) -> None:
    shop.serve_once(1)
    away = shop.database.rename(shop.root / "away.db")
    live = shop.live()
    wait_for(lambda: answers(live) == 1 and live.failures["look_up"] > 0)
    state = live.state()
    assert state["ready"]
    assert "does not answer" in state["degraded"][0]
    assert state["confirmed_at"] is not None
    away.rename(shop.database)
    wait_for(lambda: live.state()["degraded"] == [])
    assert live.swaps == 1


def test_the_registry_away_at_the_start_is_not_ready_without_a_cache(shop: Shop) -> None:
    shop.promote(1)
    away = shop.database.rename(shop.root / "away.db")
    live = shop.live()
    wait_for(lambda: live.failures["look_up"] > 1)
    assert live.state()["ready"] is False
    away.rename(shop.database)
    wait_for(lambda: live.state()["ready"])
    assert answers(live) == 1


def test_a_store_that_is_away_costs_neither_the_old_model_nor_the_new_one(
    shop: Shop, versions_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rakuten.serving.attempts._LONGEST_FAILED", 0.5)
    shop.promote(1)
    live = shop.live()
    wait_for(lambda: answers(live) == 1)
    shutil.rmtree(shop.cache.path(shop.version(2).model_sha256))
    store = versions_home / "mlartifacts"
    away = store.rename(versions_home / "away")
    try:
        shop.promote(2)
        live.poke()
        wait_for(lambda: live.failures["fetch"] > 0)
        assert answers(live) == 1
        assert "cannot be fetched" in live.state()["degraded"][0]
        assert not live.refusals
    finally:
        away.rename(store)
    wait_for(lambda: answers(live) == 2)


def test_no_champion_keeps_the_confirmed_one_degraded(shop: Shop) -> None:
    shop.serve_once(1)
    shop.promote(None)
    live = shop.live()
    wait_for(lambda: bool(live.current) and "no champion" in str(live.state()["degraded"]))
    assert answers(live) == 1


def test_no_champion_ever_is_not_ready(shop: Shop) -> None:
    live = shop.live()
    wait_for(lambda: "no champion" in str(live.state()["degraded"]))
    assert live.current is None


def test_a_version_that_lost_its_alias_meanwhile_gives_way_when_the_registry_says_so(
    shop: Shop,
) -> None:
    shop.serve_once(1)
    shop.promote(2)
    live = shop.live()
    wait_for(lambda: answers(live) == 2)
    assert live.swaps == 2  # the confirmed one at once, then the champion
    live.stop()
    shop.database.rename(shop.root / "away.db")
    after = shop.live()
    wait_for(lambda: after.current is not None)
    assert answers(after) == 2


def test_a_champion_that_was_rolled_back_while_it_was_fetched_never_answers(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.promote(1)
    live = shop.live()
    wait_for(lambda: answers(live) == 1)
    seen: list[int | None] = []
    obtain = LiveModel._obtain

    def obtain_then_roll_back(self: LiveModel, info: ModelInfo) -> Predictor:
        found = obtain(self, info)
        shop.promote(1)
        return found

    swap = LiveModel._swap

    def swap_and_tell(self: LiveModel, found: Predictor, info: ModelInfo, begun: float) -> None:
        seen.append(info.version)
        swap(self, found, info, begun)

    monkeypatch.setattr(LiveModel, "_obtain", obtain_then_roll_back)
    monkeypatch.setattr(LiveModel, "_swap", swap_and_tell)
    shop.promote(2)
    live.poke()
    wait_for(lambda: shop.champion() == 1)
    wait_for(lambda: live.state()["degraded"] == [])
    assert seen == []
    assert answers(live) == 1


def test_a_damaged_entry_of_the_cache_is_not_served_but_fetched_again(shop: Shop) -> None:
    shop.serve_once(1)
    entry = shop.cache.path(shop.version(1).model_sha256)
    (entry / "text.npz").write_bytes(b"rotten")
    away = shop.database.rename(shop.root / "away.db")
    live = shop.live()
    wait_for(lambda: live.failures["look_up"] > 0)
    assert live.current is None
    away.rename(shop.database)
    wait_for(lambda: answers(live) == 1)
    assert (entry / "text.npz").read_bytes() != b"rotten"
    assert not live.refusals


def test_another_version_of_the_same_model_is_named_without_a_reload(shop: Shop) -> None:
    shop.promote(1)
    live = shop.live()
    wait_for(lambda: answers(live) == 1)
    before = live.current
    shop.registry.tag([shop.version(2)], "model_sha256", shop.version(1).model_sha256)
    shop.promote(2)
    live.poke()
    wait_for(lambda: answers(live) == 2)
    after = live.current
    assert before is not None
    assert after is not None
    assert after.predictor is before.predictor
    assert live.swaps == 1


def test_an_answer_that_is_long_ago_is_degraded(shop: Shop) -> None:
    shop.promote(1)
    live = shop.live()
    wait_for(lambda: answers(live) == 1 and live.confirmed_at is not None)
    live.stop()
    answer = live._answer
    live._answer = type(answer)(answer.champion, datetime.now(UTC) - timedelta(hours=1))
    assert "takes long" in live.state()["degraded"][0]


def test_stopping_ends_a_fetch_at_once(shop: Shop) -> None:
    shop.empty_cache()
    shop.promote(1)
    live = shop.live()
    wait_for(lambda: shop.cache.folder.is_dir())  # the fetch has begun
    begun = time.monotonic()
    live.stop()
    assert time.monotonic() - begun < 2
    assert live.current is None
    assert json.dumps(live.state())
