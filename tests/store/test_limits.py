"""Token buckets: a burst, a rate, and no more than that however many processes share it."""

import subprocess
import sys
import time

import pytest

from rakuten.store.database import Database
from rakuten.store.limits import MemoryLimiter, SharedLimiter
from tests.conftest import REPOSITORY
from tests.servers.process import free_port

TAKE = """
import sys, time
from rakuten.store.database import Database
from rakuten.store.limits import SharedLimiter
limiter = SharedLimiter(Database(sys.argv[1]), rate=20, burst=100)
taken = 0
end = time.monotonic() + 2
while time.monotonic() < end:
    wait = limiter.take("shop")
    taken += wait == 0
    time.sleep(0.001)
print(taken)
"""


def test_burst_then_rate() -> None:
    now = [100.0]
    limiter = MemoryLimiter(rate=10, burst=3, clock=lambda: now[0])
    assert [limiter.take("a") for _ in range(3)] == [0.0] * 3
    assert limiter.take("a") == pytest.approx(0.1)
    assert limiter.take("b") == 0.0
    now[0] += 0.1
    assert limiter.take("a") == 0.0
    assert limiter.take("a") > 0
    now[0] += 1000
    assert [limiter.take("a") for _ in range(4)] == [0.0] * 3 + [pytest.approx(0.1)]


def test_clock_that_goes_back_gives_nothing_away() -> None:
    now = [100.0]
    limiter = MemoryLimiter(rate=10, burst=1, clock=lambda: now[0])
    limiter.take("a")
    now[0] = 50.0
    assert limiter.take("a") > 0
    now[0] = 100.0
    assert limiter.take("a") > 0


def test_request_larger_than_the_bucket_is_possible_and_paid_for() -> None:
    now = [0.0]
    limiter = MemoryLimiter(rate=10, burst=10, clock=lambda: now[0])
    assert limiter.take("a", 25) == 0.0
    assert limiter.take("a") == pytest.approx(1.6)


def test_memory_does_not_grow_with_the_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rakuten.store.limits._MOST_BUCKETS", 10)
    limiter = MemoryLimiter(rate=1, burst=1)
    for n in range(100):
        limiter.take(str(n))
    assert len(limiter._buckets) == 10


@pytest.mark.usefixtures("database")
def test_processes_share_one_bucket(url: str) -> None:
    command = [sys.executable, "-c", TAKE, url]
    people = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY)
        for _ in range(2)
    ]
    begun = time.monotonic()
    taken = sum(int(person.communicate(timeout=60)[0]) for person in people)
    seconds = time.monotonic() - begun
    assert 60 <= taken <= 100 + 20 * seconds


def test_shared_bucket_says_how_long_to_wait_and_comes_back(database: Database) -> None:
    limiter = SharedLimiter(database, rate=5, burst=4)
    assert [limiter.take("a") for _ in range(4)] == [0.0] * 4
    wait = limiter.take("a")
    assert 0 < wait <= 0.21
    time.sleep(wait + 0.01)
    assert limiter.take("a") == 0.0
    assert limiter.take("b", 10) == 0.0
    assert limiter.take("b") > 1


def test_absent_database_lets_each_process_count_alone() -> None:
    limiter = SharedLimiter(
        Database(f"postgresql://nobody@127.0.0.1:{free_port()}/none"), rate=1, burst=3
    )
    begun = time.monotonic()
    assert [limiter.take("a") == 0.0 for _ in range(5)] == [True] * 3 + [False] * 2
    assert time.monotonic() - begun < 3
