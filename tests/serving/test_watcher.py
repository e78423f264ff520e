"""The thread looks again and again, at once when poked, and survives whatever happens."""

import threading
import time

from rakuten.serving.attempts import Attempts
from rakuten.serving.watcher import Watcher
from tests.serving.conftest import wait_for
from tests.serving.test_model_cache import info


def test_it_looks_again_and_at_once_when_it_is_poked() -> None:
    looks: list[float] = []

    def check() -> float:
        looks.append(time.monotonic())
        return 60

    watcher = Watcher(check, threading.Event())
    watcher.start()
    wait_for(lambda: len(looks) == 1)
    watcher.poke()
    wait_for(lambda: len(looks) == 2, seconds=5)
    assert watcher.stop(5)


def test_a_poke_during_a_look_leads_to_another_one() -> None:
    inside, go_on, looks = threading.Event(), threading.Event(), []

    def check() -> float:
        looks.append(1)
        inside.set()
        go_on.wait(5)
        return 60

    watcher = Watcher(check, threading.Event())
    watcher.start()
    inside.wait(5)
    watcher.poke()
    go_on.set()
    wait_for(lambda: len(looks) == 2, seconds=5)
    assert watcher.stop(5)


def test_an_error_does_not_end_it() -> None:
    looks = []

    def check() -> float:
        looks.append(1)
        if len(looks) == 1:
            raise ZeroDivisionError
        return 60

    watcher = Watcher(check, threading.Event())
    watcher.start()
    wait_for(lambda: watcher.errors == 1)
    watcher.poke()
    wait_for(lambda: len(looks) == 2, seconds=5)
    assert watcher.stop(5)


def test_attempts_are_put_off_for_longer_each_time_and_the_next_version_is_due_at_once() -> None:
    attempts, bad, good = Attempts(15), info("1" * 64), info("2" * 64, 2)
    assert attempts.due(bad)
    pauses = []
    for _ in range(9):
        failure = attempts.failed(bad, "damaged", "artifact")
        pauses.append((failure.retry_at - failure.at).total_seconds())
        assert not attempts.due(bad)
    assert pauses == [60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]
    attempts.retry_now()
    assert attempts.due(bad)
    attempts.failed(bad, "damaged", "artifact")
    assert attempts.due(good)
    assert attempts.due(bad)  # the alias came back: somebody may have repaired it
    failure = attempts.failed(bad, "store away")
    assert (failure.retry_at - failure.at).total_seconds() == 15
    assert failure.attempts == 1
    assert not failure.refused
