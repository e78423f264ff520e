"""The webhook starts only with settings that are safe."""

from pathlib import Path

import pytest

from rakuten.errors import ConfigurationError
from rakuten.flows.webhook_settings import load_webhook_settings

LONG = "0123456789abcdefghijklmnop"


def test_a_token_comes_from_the_environment_or_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert load_webhook_settings().read_token() is None
    path = tmp_path / "token"
    path.write_text(f"{LONG}\n")
    monkeypatch.setenv("RAKUTEN_WEBHOOK_TOKEN_FILE", str(path))
    assert load_webhook_settings().read_token() == LONG.encode()
    monkeypatch.setenv("RAKUTEN_WEBHOOK_TOKEN", f"another-{LONG}")
    assert load_webhook_settings().read_token() == f"another-{LONG}".encode()


@pytest.mark.parametrize("content", [None, "", "short", "x" * 23 + "\n", b"\xff" * 30])
def test_a_token_file_that_holds_no_token_is_refused(
    tmp_path: Path, content: str | bytes | None
) -> None:
    path = tmp_path / "token"
    if content is not None:
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(ConfigurationError, match="RAKUTEN_WEBHOOK_TOKEN_FILE"):
        load_webhook_settings(token_file=path).read_token()


def test_a_short_token_is_refused_and_not_shown() -> None:
    with pytest.raises(ConfigurationError) as error:
        load_webhook_settings(token="s3cret").read_token()
    assert "s3cret" not in str(error.value)


def test_without_a_token_it_listens_on_loopback_only() -> None:
    with pytest.raises(ConfigurationError, match="loopback"):
        load_webhook_settings(host="0.0.0.0")  # noqa: S104
    assert load_webhook_settings(host="0.0.0.0", token=LONG).host == "0.0.0.0"  # noqa: S104


@pytest.mark.parametrize(("name", "value"), [("PORT", "70000"), ("MINUTES", "-1"), ("PORT", "x")])
def test_a_value_that_cannot_be_used_is_named(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"RAKUTEN_WEBHOOK_{name}", value)
    with pytest.raises(ConfigurationError, match=f"RAKUTEN_WEBHOOK_{name}"):
        load_webhook_settings()
