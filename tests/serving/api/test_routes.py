"""What the service remembers, reviews, forgets and says of itself."""

import base64
import time

import pytest

from tests.serving.api.conftest import Running, Start
from tests.serving.test_webhook import SECRET, event, signed


def reviewable(running: Running, count: int = 3) -> list[str]:
    """Ids of products that the model would not decide."""
    titles = ["bleu", "grand", "lot de deux", "neuf", "objet", "article", "noir", "x"]
    answers = [running.predict(designation=title) for title in titles]
    wanted = [a for a in answers if a["decision"] == "review"]
    wanted.sort(key=lambda answer: answer["confidence"])
    assert len(wanted) >= count
    return [answer["prediction_id"] for answer in wanted]


def test_an_answer_is_remembered_whole(running: Running, photo: bytes) -> None:
    image = base64.b64encode(photo).decode()
    answer = running.predict(designation="Console", description="été", image=image)
    path = f"/v1/predictions/{answer['prediction_id']}"
    stored = running.client.get(path).json()
    for name in ("prdtypecode", "label", "confidence", "decision", "alternatives", "model"):
        assert stored[name] == answer[name]
    assert (stored["designation"], stored["description"]) == ("Console", "été")
    assert stored["has_image"]
    shown = running.client.get(f"{path}/image")
    assert shown.content == photo
    assert shown.headers["content-type"] == "image/jpeg"


def test_feedback_is_idempotent_and_the_newest_word_counts(running: Running) -> None:
    (first, *_) = reviewable(running)
    path = f"/v1/predictions/{first}"
    for code in (10, 10, 2583):
        body = {"prdtypecode": code, "reviewer": "ann", "note": "seen"}
        assert running.client.put(f"{path}/feedback", json=body).status_code == 200
    other = {"prdtypecode": 40, "reviewer": "bob"}
    running.client.put(f"{path}/feedback", json=other)
    feedback = running.client.get(path).json()["feedback"]
    assert {given["reviewer"]: given["prdtypecode"] for given in feedback} == {
        "ann": 2583,
        "bob": 40,
    }


def test_the_queue_shows_the_least_sure_first_without_what_is_done(running: Running) -> None:
    ids = reviewable(running)
    seen: list[str] = []
    cursor = None
    while True:
        params = {"limit": 2, **({"cursor": cursor} if cursor else {})}
        page = running.client.get("/v1/review", params=params).json()
        seen += [item["prediction_id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == ids
    body = {"prdtypecode": 10, "reviewer": "ann"}
    running.client.put(f"/v1/predictions/{ids[0]}/feedback", json=body)
    left = running.client.get("/v1/review").json()["items"]
    assert [item["prediction_id"] for item in left] == ids[1:]
    assert running.client.get("/v1/review?cursor=xyz").status_code == 400


def test_two_reviewers_never_get_the_same_product(running: Running) -> None:
    reviewable(running)
    got = [
        running.client.post("/v1/review/claims", json={"reviewer": who, "count": 2}).json()
        for who in ("ann", "bob")
    ]
    ids = [item["prediction_id"] for claim in got for item in claim["items"]]
    assert len(ids) == len(set(ids)) == 4
    assert not set(ids) & {
        item["prediction_id"] for item in running.client.get("/v1/review").json()["items"]
    }


def test_what_is_erased_is_gone_but_for_the_answer(running: Running, photo: bytes) -> None:
    image = base64.b64encode(photo).decode()
    answer = running.predict(designation="Console de Jean Dupont", image=image)
    path = f"/v1/predictions/{answer['prediction_id']}"
    assert running.client.delete(path).status_code == 204
    stored = running.client.get(path).json()
    assert stored["designation"] is None
    assert not stored["has_image"]
    assert stored["prdtypecode"] == answer["prdtypecode"]
    assert running.client.get(f"{path}/image").status_code == 404


@pytest.mark.parametrize("code", [False, "10", 10.5, -1, 2**60, None])
def test_feedback_names_a_whole_number(running: Running, code: object) -> None:
    path = f"/v1/predictions/{running.predict(designation='Console')['prediction_id']}/feedback"
    answer = running.client.put(path, json={"prdtypecode": code, "reviewer": "ann"})
    assert (answer.status_code, answer.json()["reason"]) == (422, "invalid")


@pytest.mark.parametrize("part", ["", "/image", "/feedback"])
@pytest.mark.parametrize("name", ["01900000-0000-7000-8000-000000000000", "..", "x'--"])
def test_what_never_was_is_not_found(running: Running, part: str, name: str) -> None:
    path = f"/v1/predictions/{name}{part}"
    if part == "/feedback":
        answer = running.client.put(path, json={"prdtypecode": 10, "reviewer": "ann"})
    else:
        answer = running.client.get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


def test_without_content_nothing_reaches_the_queue_and_readyz_says_so(start: Start) -> None:
    with start(keep_content=False) as running:
        running.predict(designation="objet")
        assert running.client.get("/v1/review").json()["items"] == []
        assert "Content is not kept" in running.client.get("/readyz").text


def test_the_service_says_what_answers(running: Running) -> None:
    model = running.client.get("/v1/model").json()
    assert (model["name"], model["version"]) == ("shop", 3)
    assert 0 < model["scores"]["weighted_f1"] <= 1
    types = running.client.get("/v1/product-types").json()
    assert len(types) == len(running.predictor.types)


def test_a_delivery_is_signed_and_small(start: Start) -> None:
    body = event()
    with start() as running:
        assert running.client.post("/webhooks/mlflow", content=body).status_code == 404
    with start(webhook_secret=SECRET) as running:
        headers = signed(body, at=time.time())
        taken = running.client.post("/webhooks/mlflow", content=body, headers=headers)
        assert taken.status_code == 204
        changed = running.client.post("/webhooks/mlflow", content=body + b" ", headers=headers)
        assert (changed.status_code, changed.json()["reason"]) == (401, "signature")
        large = running.client.post("/webhooks/mlflow", content=body + b" " * 65_536)
        assert (large.status_code, large.json()["reason"]) == (413, "too_large")


def test_probes_and_metrics(running: Running) -> None:
    running.predict(designation="Console")
    assert running.client.get("/healthz").json() == {"status": "ok"}
    ready = running.client.get("/readyz")
    assert ready.status_code == 200
    assert ready.json()["version"] == 3
    text = running.client.get("/metrics").text
    assert 'rakuten_requests_total{route="/v1/predict",status="200"} 1.0' in text
    assert 'rakuten_model_info{name="shop"' in text


def test_without_a_model_the_service_is_not_ready_and_says_so(start: Start) -> None:
    with start() as running:
        running.service.live.current = None
        assert running.client.get("/readyz").status_code == 503
        answer = running.client.post("/v1/predict", json={"designation": "Console"})
        assert (answer.status_code, answer.json()["reason"]) == (503, "no_model")
        assert answer.headers["retry-after"]


def test_every_answer_carries_security_headers_and_an_id(running: Running) -> None:
    answer = running.client.get("/healthz", headers={"x-request-id": "abc-1"})
    assert answer.headers["x-request-id"] == "abc-1"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    elsewhere = running.client.get(
        "/v1/model/", headers={"host": "evil.example.org"}, follow_redirects=False
    )
    assert elsewhere.status_code == 404
    odd = running.client.get("/nowhere", headers={"x-request-id": "a b\tc"})
    assert odd.status_code == 404
    assert odd.json()["title"] == "Not Found"
    assert odd.headers["x-request-id"] != "a b\tc"


def test_the_document_names_every_route_and_its_problems(running: Running) -> None:
    document = running.client.get("/openapi.json").json()
    predict = document["paths"]["/v1/predict"]["post"]
    assert set(predict["requestBody"]["content"]) == {"application/json", "multipart/form-data"}
    assert "application/problem+json" in predict["responses"]["422"]["content"]
    assert "Problem" in document["components"]["schemas"]
    assert "security" not in predict
    assert running.client.get("/docs").status_code == 200


def test_the_document_says_where_a_key_goes(start: Start) -> None:
    with start(keyless=False) as running:
        document = running.client.get("/openapi.json").json()
        assert set(document["components"]["securitySchemes"]) == {"bearer", "header"}
        open_to_all = {
            path
            for path, operations in document["paths"].items()
            if not all("security" in operation for operation in operations.values())
        }
        assert open_to_all == {"/healthz", "/readyz", "/metrics", "/webhooks/mlflow"}


def test_a_refused_method_names_all_that_are_allowed(running: Running) -> None:
    answer = running.client.post("/v1/predictions/x")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "DELETE, GET"
    assert running.client.post("/openapi.json").headers["allow"]
