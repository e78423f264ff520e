"""People are told in the log and by a post; nothing that goes wrong there is an error."""

import json
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from rakuten.flows.notify import notify
from rakuten.settings import Settings, load_settings

SECRET = "T0K3N-of-a-webhook"


@contextmanager
def chat(status: int = 200) -> Iterator[tuple[str, list[Any]]]:
    """A chat's address, and the messages that it took."""
    taken: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            taken.append((self.headers["Content-Type"], json.loads(body)))
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/services/{SECRET}", taken
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(autouse=True)
def _log_is_read(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("rakuten").propagate = True
    caplog.set_level("DEBUG", logger="rakuten")


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def settings_for(url: str) -> Settings:
    return Settings(rakuten_notify_url=url)  # type: ignore[arg-type]


def test_a_message_is_posted_as_slack_takes_it_and_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with chat() as (url, taken):
        assert notify("drift: retraining", settings_for(url))
    assert taken == [("application/json", {"text": "drift: retraining"})]
    assert "drift: retraining" in caplog.text
    assert SECRET not in caplog.text


def test_without_an_address_the_log_is_all(caplog: pytest.LogCaptureFixture) -> None:
    assert not notify("drift", Settings())
    assert "drift" in caplog.text


@pytest.mark.parametrize("status", [404, 500])
def test_a_refusal_is_logged_without_the_address(
    caplog: pytest.LogCaptureFixture, status: int
) -> None:
    with chat(status) as (url, _):
        assert not notify("drift", settings_for(url))
    assert str(status) in caplog.text
    assert SECRET not in caplog.text


@pytest.mark.parametrize(
    "url",
    [
        f"http://127.0.0.1:9/{SECRET}",
        f"ftp://127.0.0.1/{SECRET}",
        f"file:///etc/{SECRET}",
        f"http://127.0.0.1:{SECRET}/",
        f"http://\n{SECRET}/",
        f"http://[{SECRET}/",
        SECRET,
    ],
)
def test_an_address_that_cannot_be_used_fails_nothing_and_is_never_shown(
    caplog: pytest.LogCaptureFixture, url: str
) -> None:
    assert not notify("drift", settings_for(url))
    assert "did not reach RAKUTEN_NOTIFY_URL" in caplog.text
    assert SECRET not in caplog.text


def test_the_address_is_hidden_where_settings_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAKUTEN_NOTIFY_URL", f"https://chat.example/{SECRET}")
    settings = load_settings()
    assert SECRET not in f"{settings} {settings!r} {settings.model_dump()}"
