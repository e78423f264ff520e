"""Lookups with three outcomes, and a lock that only one holds."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from rakuten.errors import PromotionError, TrackingError
from rakuten.settings import Settings
from rakuten.tracking.connection import Connection
from rakuten.tracking.lock import EXPIRES, move_lock
from rakuten.tracking.registry import CHAMPION, Registry


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """An empty registry in SQLite."""
    return Registry(Connection(Settings(), tmp_path), "shop")


@contextmanager
def answering(status: int, body: bytes) -> Iterator[str]:
    """A server that gives one answer to everything, as a proxy before a dead server does."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def test_an_empty_registry_has_no_champion(registry: Registry) -> None:
    assert registry.by_alias(CHAMPION) is None
    assert registry.versions() == []


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, b"no such page"),
        (404, b'{"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "gone"}'),
        (200, b""),
        (200, b"<html>maintenance</html>"),
        (503, b"busy"),
        (401, b"who are you?"),
    ],
)
def test_no_answer_of_a_broken_server_reads_as_absent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int, body: bytes
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with answering(status, body) as address:
        found = Registry(Connection(Settings(mlflow_tracking_uri=address), tmp_path), "shop")
        with pytest.raises(TrackingError):
            found.by_alias(CHAMPION)
        with pytest.raises(TrackingError):
            found.versions()


def test_a_server_that_is_away_is_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with answering(200, b"") as address:
        pass
    found = Registry(Connection(Settings(mlflow_tracking_uri=address), tmp_path), "shop")
    with pytest.raises(TrackingError, match="failed"):
        found.by_alias(CHAMPION)


def test_a_held_lock_is_told_to_others_and_given_back(registry: Registry) -> None:
    with (
        move_lock(registry, "ann"),
        pytest.raises(PromotionError, match="by ann"),
        move_lock(registry, "bob"),
    ):
        pass
    with move_lock(registry, "bob"):
        pass
    assert registry.read_unique("shop.lock.1") is None


def test_a_lock_that_was_left_behind_expires(registry: Registry) -> None:
    old = datetime.now(UTC) - 2 * EXPIRES
    holder = json.dumps({"by": "ann", "at": old.isoformat()})
    assert registry.create_unique("shop.lock.1", {"holder": holder})
    with (
        move_lock(registry, "bob"),
        pytest.raises(PromotionError, match="by bob"),
        move_lock(registry, "eve"),
    ):
        pass
    assert registry.read_unique("shop.lock.1") is None
    assert registry.read_unique("shop.lock.2") is None


def _race(contenders: int, work: Callable[[int], bool]) -> list[int]:
    """Numbers of those for whom the work, begun at the same moment, succeeded."""
    start, won = threading.Barrier(contenders), []

    def run(number: int) -> None:
        start.wait()
        if work(number):
            won.append(number)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(contenders)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return won


@pytest.mark.parametrize("left_behind", [False, True])
def test_of_many_contenders_one_holds_the_lock(registry: Registry, left_behind: bool) -> None:
    if left_behind:
        holder = json.dumps({"by": "ann", "at": (datetime.now(UTC) - 2 * EXPIRES).isoformat()})
        registry.create_unique("shop.lock.1", {"holder": holder})
    done = threading.Event()

    def contend(number: int) -> bool:
        try:
            with move_lock(registry, str(number)):
                done.wait(10)
                return True
        except PromotionError:
            if len(told) == 2:
                done.set()
            told.append(number)
            return False

    told: list[int] = []
    won = _race(4, contend)
    assert len(won) == 1
    assert len(told) == 3


def test_a_slow_holder_stops_before_another_may_take_over(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([0.0, EXPIRES.total_seconds() * 0.6, EXPIRES.total_seconds() * 2])
    with move_lock(registry, "ann"):  # the store is open before the clock is ours
        pass
    monkeypatch.setattr("rakuten.tracking.lock.time.monotonic", lambda: next(clock))
    with pytest.raises(TrackingError, match="slowly"), move_lock(registry, "ann") as still_mine:
        still_mine()
