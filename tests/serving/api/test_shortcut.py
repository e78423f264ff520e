"""The short way past routing answers as the long one does."""

from typing import Any

import pytest

from tests.serving.api.conftest import Running, Start

PRODUCT = {"designation": "Piscine gonflable ronde 3 m", "description": "Avec pompe"}
LONG_WAY = "/v1/predict?explain=false"

Call = dict[str, Any]
CALLS: list[Call] = [
    {"json": PRODUCT},
    {"json": {"designation": " "}},
    {"json": {**PRODUCT, "price": 3}},
    {"json": {**PRODUCT, "image": "bm90IGEgcGhvdG8="}},
    {"content": b"{", "headers": {"content-type": "application/json"}},
    {"content": b"title", "headers": {"content-type": "text/plain"}},
    {"data": PRODUCT, "files": {"other": b""}},
]


def _comparable(answer: Any) -> Any:
    body = answer.json()
    body.pop("prediction_id", None)
    headers = {k: v for k, v in answer.headers.items() if k not in ("x-request-id",)}
    headers.pop("content-length")
    return answer.status_code, body, headers


@pytest.mark.parametrize("call", CALLS, ids=lambda call: "-".join(call))
def test_both_ways_give_the_same_answer(running: Running, call: Call) -> None:
    short = running.client.post("/v1/predict", **call)
    long = running.client.post(LONG_WAY, **call)
    assert _comparable(short) == _comparable(long)


def test_both_ways_ask_for_a_key(start: Start) -> None:
    with start(keyless=False) as running:
        for way in ("/v1/predict", LONG_WAY):
            assert running.client.post(way, json=PRODUCT).status_code == 401
            wrong = {"authorization": f"Bearer {running.key('review')}"}
            assert running.client.post(way, json=PRODUCT, headers=wrong).status_code == 403
            right = {"x-api-key": running.key("predict")}
            assert running.client.post(way, json=PRODUCT, headers=right).status_code == 200


def test_both_ways_count_under_the_same_route(running: Running) -> None:
    for way in ("/v1/predict", LONG_WAY):
        running.client.post(way, json=PRODUCT)
    metrics = running.client.get("/metrics").text
    assert 'rakuten_requests_total{route="/v1/predict",status="200"} 2.0' in metrics


def test_other_methods_go_the_long_way(running: Running) -> None:
    assert running.client.get("/v1/predict").status_code == 405


def test_what_nobody_expected_is_a_problem_that_says_nothing(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(type(running.service), "_record", fail)
    answer = running.client.post("/v1/predict", json=PRODUCT)
    assert answer.status_code == 500
    assert answer.json()["reason"] == "unexpected"
    assert "secret" not in answer.text
