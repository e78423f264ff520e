"""The reliability runs see what they look for: losses, doubles, disorder, growth, wrong answers."""

import asyncio
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import REPOSITORY


@pytest.fixture(autouse=True)
def _benchmarks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(REPOSITORY / "benchmarks"))


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ("a x b y c z", (0, 0, 0)),
        ("x a y b z c", (0, 0, 0)),
        ("a x b y z other", (1, 0, 0)),
        ("", (6, 0, 0)),
        ("b a c x y z", (0, 0, 1)),
        ("a b c z y x", (0, 0, 2)),
        ("a b c x y z other other", (0, 0, 0)),
    ],
)
def test_audit_of_two_clients(rows: str, expected: tuple[int, int, int]) -> None:
    from ledger import audit

    found = audit([["a", "b", "c"], ["x", "y", "z"]], rows.split())
    assert (found.lost, found.twice, found.disordered) == expected


def test_audit_sees_what_is_there_twice() -> None:
    from ledger import audit

    assert audit([["a", "b"]], ["a", "b", "a"]).twice == 1


@pytest.mark.parametrize(
    ("own", "files", "grows", "flat"),
    [
        (lambda _: 200.0, lambda _: 30, False, True),
        (lambda n: 200.0 + n % 7, lambda n: 30 + n % 3, False, True),
        (lambda n: 300.0 - 100 / (n + 1), lambda n: min(n, 10), False, True),
        (lambda n: 200.0 + 0.2 * n, lambda n: 30 + n // 2, True, False),
    ],
    ids=["still", "restless", "warming", "leaking"],
)
def test_growth_is_told_from_warmth_and_noise(
    own: Callable[[int], float], files: Callable[[int], int], grows: bool, flat: bool
) -> None:
    from endurance import MOST_GROWTH, Sample, growth, is_flat

    samples = [Sample(5.0 * n, own(n), 0, files(n), 20) for n in range(120)]
    assert (growth(samples)[0] > MOST_GROWTH) is grows
    assert is_flat(samples, lambda one: one.files) is flat


def test_answer_of_another_version_than_it_names_is_seen() -> None:
    from swaps import Version, Witness

    witness = Witness({1: Version("a", [(10, 0.9)]), 2: Version("b", [(10, 0.7)])})

    def answer(version: int, sha256: str, confidence: float) -> dict[str, Any]:
        model = {"version": version, "sha256": sha256}
        return {"prdtypecode": 10, "confidence": confidence, "model": model}

    assert witness.check(0, answer(1, "a", 0.900001)) is None
    assert witness.check(0, answer(2, "b", 0.7)) is None
    assert witness.check(0, answer(2, "b", 0.9))
    assert witness.check(0, answer(1, "b", 0.9))
    assert witness.seen == {1: 1, 2: 1}


PROBLEM = {"content-type": "application/problem+json"}


@pytest.mark.parametrize(
    ("status", "headers", "outcome"),
    [
        (503, {**PROBLEM, "retry-after": "1"}, "refused"),
        (503, PROBLEM, "wrong"),
        (503, {"content-type": "application/json", "retry-after": "1"}, "wrong"),
        (500, {**PROBLEM, "retry-after": "1"}, "wrong"),
        (422, PROBLEM, "wrong"),
        (None, {}, "silent"),
    ],
)
def test_what_is_no_answer_is_told_apart(
    status: int | None, headers: dict[str, str], outcome: str
) -> None:
    import httpx
    from ledger import Ledger, Material
    from visitor import Visitor

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            if status is not None:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    ledger = Ledger()

    async def ask(url: str) -> None:
        async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
            await Visitor(0, client, Material([("a", "b")], []), ledger, None).text()

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        answering = threading.Thread(target=server.handle_request)
        answering.start()
        asyncio.run(ask(f"http://127.0.0.1:{server.server_port}"))
        answering.join()
    assert [one.outcome for one in ledger.asked] == [outcome]
    assert ledger.acknowledged == 0
    assert bool(ledger.wrong) is (outcome == "wrong")


def test_broken_promise_ends_with_1_and_is_in_the_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from promises import conclude

    conclude("Title", "command", "body", [], tmp_path / "good.md")
    assert "Every promise was kept" in capsys.readouterr().out
    with pytest.raises(SystemExit) as ended:
        conclude("Title", "command", "body", ["3 lost"], tmp_path / "bad.md")
    assert ended.value.code == 1
    assert "- Broken: 3 lost" in (tmp_path / "bad.md").read_text()
