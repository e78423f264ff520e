"""Keys, scopes and limits."""

import pytest
from pydantic import ValidationError

from rakuten.errors import ConfigurationError
from rakuten.serving.settings import ServingSettings, load_serving_settings
from tests.serving.api.conftest import Start

PRODUCT = {"designation": "Console"}


def test_without_a_key_nothing_is_answered(start: Start) -> None:
    with start(keyless=False) as running:
        for headers in ({}, {"Authorization": "Bearer rk_x_y"}, {"X-API-Key": "nonsense"}):
            answer = running.client.post("/v1/predict", json=PRODUCT, headers=headers)
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"].startswith("Bearer")
        assert running.client.get("/healthz").status_code == 200


@pytest.mark.parametrize("header", ["Authorization", "X-API-Key"])
def test_a_key_opens_what_its_scope_names(start: Start, header: str) -> None:
    with start(keyless=False) as running:
        value = running.key("predict")
        headers = {header: f"Bearer {value}" if header == "Authorization" else value}
        answer = running.client.post("/v1/predict", json=PRODUCT, headers=headers)
        assert answer.status_code == 200
        refused = running.client.get("/v1/review", headers=headers)
        assert (refused.status_code, refused.json()["reason"]) == (403, "scope")
        admin = {"Authorization": f"Bearer {running.key('admin')}"}
        assert running.client.get("/v1/review", headers=admin).status_code == 200


def test_a_key_that_asks_too_often_has_to_wait_and_others_do_not(start: Start) -> None:
    with start(keyless=False, rate_per_second=0.01, rate_burst=3) as running:
        first, second = ({"X-API-Key": running.key("predict")} for _ in range(2))
        codes = [
            running.client.post("/v1/predict", json=PRODUCT, headers=first).status_code
            for _ in range(4)
        ]
        assert codes == [200, 200, 200, 429]
        assert running.client.post("/v1/predict", json=PRODUCT, headers=second).status_code == 200


def test_keyless_is_for_loopback_alone() -> None:
    assert ServingSettings(keyless=True, host="127.0.0.1").keyless
    with pytest.raises(ValidationError, match="loopback"):
        ServingSettings(keyless=True, host="0.0.0.0")  # noqa: S104 - that is the point


def test_a_short_secret_and_a_bad_value_are_refused_by_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RAKUTEN_SERVE_WEBHOOK_SECRET", "changeme")
    with pytest.raises(ConfigurationError, match="at least 24"):
        load_serving_settings()
    monkeypatch.setenv("RAKUTEN_SERVE_WEBHOOK_SECRET", "x" * 24)
    monkeypatch.setenv("RAKUTEN_SERVE_PORT", "99999")
    with pytest.raises(ConfigurationError, match="RAKUTEN_SERVE_PORT"):
        load_serving_settings()


def test_what_is_given_goes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAKUTEN_SERVE_PORT", "9000")
    assert load_serving_settings().port == 9000
    assert load_serving_settings(port=9001, host=None).port == 9001
