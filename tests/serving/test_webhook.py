"""A webhook counts where the registry signed it, now, and for the champion."""

import json
from typing import Any

import pytest

from rakuten.errors import ConfigurationError, WebhookError
from rakuten.serving.webhook import (
    DELIVERY_HEADER,
    SIGNATURE_HEADER,
    TIMESTAMP_HEADER,
    WebhookVerifier,
)

SECRET = "correct horse battery staple"
NOW = 1_795_650_000.0


def signed(
    body: bytes, *, secret: str = SECRET, delivery: str = "d-1", at: float = NOW
) -> dict[str, str]:
    """Headers as MLflow itself makes them."""
    from mlflow.webhooks.delivery import _generate_hmac_signature

    timestamp = str(int(at))
    return {
        DELIVERY_HEADER: delivery,
        TIMESTAMP_HEADER: timestamp,
        SIGNATURE_HEADER: _generate_hmac_signature(secret, delivery, timestamp, body.decode()),
    }


def event(**changes: Any) -> bytes:
    data = {"name": "shop", "alias": "champion", "version": "2"}
    content = {"entity": "model_version_alias", "action": "created", "data": data}
    return json.dumps({**content, **changes}).encode()


def test_the_header_names_are_those_of_mlflow() -> None:
    from mlflow.webhooks import constants

    assert SIGNATURE_HEADER == constants.WEBHOOK_SIGNATURE_HEADER
    assert DELIVERY_HEADER == constants.WEBHOOK_DELIVERY_ID_HEADER
    assert TIMESTAMP_HEADER == constants.WEBHOOK_TIMESTAMP_HEADER


def test_what_mlflow_signed_is_taken_and_says_what_moved() -> None:
    body = event()
    headers = {name.lower(): value for name, value in signed(body).items()}
    found = WebhookVerifier([SECRET]).verify(headers, body, now=NOW)
    assert (found.entity, found.action, found.repeated) == ("model_version_alias", "created", False)
    assert found.moves_champion("shop")
    assert not found.moves_champion("another")


@pytest.mark.parametrize(
    ("changes", "moves"),
    [
        ({"action": "deleted", "data": {"name": "shop", "alias": "champion"}}, True),
        ({"data": {"name": "shop", "alias": "challenger"}}, False),
        ({"entity": "model_version_tag"}, False),
        ({"data": {}}, False),
    ],
)
def test_only_the_champions_alias_is_of_interest(changes: dict[str, Any], moves: bool) -> None:
    body = event(**changes)
    found = WebhookVerifier([SECRET]).verify(signed(body), body, now=NOW)
    assert found.moves_champion("shop") is moves


def test_either_of_two_secrets_is_taken() -> None:
    body = event()
    verifier = WebhookVerifier(["old", "new"])
    for secret in ("old", "new"):
        verifier.verify(signed(body, secret=secret), body, now=NOW)
    with pytest.raises(WebhookError):
        verifier.verify(signed(body, secret="older"), body, now=NOW)


def test_anything_that_was_changed_is_refused() -> None:
    body, verifier = event(), WebhookVerifier([SECRET])
    headers = signed(body)
    with pytest.raises(WebhookError, match="signature"):
        verifier.verify(headers, body + b" ", now=NOW)
    for name, value in [
        (DELIVERY_HEADER, "d-2"),
        (TIMESTAMP_HEADER, str(int(NOW) + 1)),
        (SIGNATURE_HEADER, ""),
        (SIGNATURE_HEADER, headers[SIGNATURE_HEADER].removeprefix("v1,")),
        (SIGNATURE_HEADER, headers[SIGNATURE_HEADER].replace("v1", "v2")),
        (SIGNATURE_HEADER, "v1,é"),
        (SIGNATURE_HEADER, "v1,"),
    ]:
        with pytest.raises(WebhookError, match="signature"):
            verifier.verify({**headers, name: value}, body, now=NOW)
    for name in headers:
        with pytest.raises(WebhookError, match="signature"):
            verifier.verify({n: v for n, v in headers.items() if n != name}, body, now=NOW)
    assert verifier.verify(headers, body, now=NOW)


@pytest.mark.parametrize("seconds", [-301, 301])
def test_another_time_is_refused(seconds: float) -> None:
    body = event()
    with pytest.raises(WebhookError, match="another time"):
        WebhookVerifier([SECRET]).verify(signed(body, at=NOW + seconds), body, now=NOW)
    near = signed(body, at=NOW + seconds / 2)
    assert WebhookVerifier([SECRET]).verify(near, body, now=NOW)


def test_a_delivery_that_comes_again_says_so() -> None:
    body, verifier = event(), WebhookVerifier([SECRET])
    assert not verifier.verify(signed(body), body, now=NOW).repeated
    assert verifier.verify(signed(body), body, now=NOW + 200).repeated
    assert not verifier.verify(signed(body, delivery="d-2"), body, now=NOW + 200).repeated


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'"x"', b'{"entity": 1, "action": 2}'])
def test_a_body_that_is_no_event_is_refused(body: bytes) -> None:
    with pytest.raises(WebhookError, match="no event"):
        WebhookVerifier([SECRET]).verify(signed(body), body, now=NOW)


@pytest.mark.parametrize("secrets", [[], [""], ["good", ""]])
def test_no_secret_is_refused_at_the_start(secrets: list[str]) -> None:
    with pytest.raises(ConfigurationError):
        WebhookVerifier(secrets)
