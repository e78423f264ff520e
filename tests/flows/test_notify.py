"""People are told in the log and by a post; nothing that goes wrong there is an error."""

import logging

import pytest

from rakuten.flows.notify import notify
from rakuten.settings import Settings, load_settings
from tests.flows.chat import SECRET, chat


@pytest.fixture(autouse=True)
def _log_is_read(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("rakuten").propagate = True
    caplog.set_level("DEBUG", logger="rakuten")


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def settings_for(url: str) -> Settings:
    return Settings(rakuten_notify_url=url)


def test_a_message_is_posted_as_slack_takes_it_and_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with chat() as room:
        assert notify("drift: retraining", settings_for(room.url))
    assert room.messages == [{"text": "drift: retraining"}]
    assert "drift: retraining" in caplog.text
    assert SECRET not in caplog.text


def test_without_an_address_the_log_is_all(caplog: pytest.LogCaptureFixture) -> None:
    assert not notify("drift", Settings())
    assert "drift" in caplog.text


@pytest.mark.parametrize("status", [404, 500])
def test_a_refusal_is_logged_without_the_address(
    caplog: pytest.LogCaptureFixture, status: int
) -> None:
    with chat(status) as room:
        assert not notify("drift", settings_for(room.url))
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
