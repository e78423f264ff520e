"""Predictions over HTTP: the Predictor's answers, remembered, and clear words for bad input."""

import base64
import io
import json
from typing import Any

import numpy as np
import pytest
from PIL import Image

from rakuten.models.predictor import Prediction, Product
from tests.serving.api.conftest import Running, Start


def encoded(photo: bytes) -> str:
    return base64.b64encode(photo).decode()


def assert_same(answer: dict[str, Any], expected: Prediction) -> None:
    assert answer["prdtypecode"] == expected.prdtypecode
    assert answer["label"] == expected.label
    assert answer["confidence"] == pytest.approx(expected.confidence, abs=1e-5)
    assert answer["decision"] == expected.decision
    assert answer["modalities"] == list(expected.modalities)
    found = [entry["prdtypecode"] for entry in answer["alternatives"]]
    assert found == [other.prdtypecode for other in expected.alternatives]


def test_json_is_answered_as_the_predictor_answers(running: Running, photo: bytes) -> None:
    title, text = "Console de jeux portable", "Vendue avec <b>deux</b> manettes"
    answer = running.predict(designation=title, description=text, image=encoded(photo))
    assert_same(answer, running.predictor.predict([Product(title, text, photo)])[0])
    assert answer["image_status"] == "ok"
    assert (answer["model"]["name"], answer["model"]["version"]) == ("shop", 3)


def test_a_form_is_answered_as_json_is(running: Running, photo: bytes) -> None:
    form = {"designation": "Piscine gonflable", "description": "ronde"}
    answer = running.client.post(
        "/v1/predict", data=form, files={"image": ("../../etc/passwd", photo, "text/plain")}
    )
    assert answer.status_code == 200
    expected = running.predictor.predict([Product("Piscine gonflable", "ronde", photo)])[0]
    assert_same(answer.json(), expected)


def test_evidence_comes_when_asked_for(running: Running) -> None:
    product = {"designation": "Console Nintendo"}
    answer = running.client.post("/v1/predict?explain=true", json=product)
    assert answer.json()["explanation"]["words"]
    assert "explanation" not in running.predict(designation="Console Nintendo")


def test_evidence_is_not_looked_for_in_a_book(running: Running) -> None:
    """Two hundred thousand characters took five seconds, and megabytes to answer."""
    product = {"designation": "Livre", "description": "console " * 2500}
    answer = running.client.post("/v1/predict?explain=true", json=product)
    assert (answer.status_code, answer.json()["reason"]) == (422, "too_long_to_explain")
    assert running.predict(**product)["prediction_id"]


def test_a_batch_answers_each_item_or_says_what_is_wrong_with_it(
    running: Running, photo: bytes
) -> None:
    items: list[Any] = [
        {"designation": "Livre d'occasion"},
        {"designation": "Piscine", "image": encoded(b"no picture")},
        {"designation": 7},
        {},
        "text",
        {"designation": "Chaise de jardin", "image": encoded(photo)},
    ]
    answer = running.client.post("/v1/predict/batch", json={"items": items})
    assert answer.status_code == 200
    found = answer.json()["items"]
    assert [entry.get("status") for entry in found] == [None, 422, 422, 422, 422, None]
    reasons = [entry.get("reason") for entry in found]
    assert reasons == [None, "image_not_an_image", "invalid", "empty", "invalid", None]
    products = [Product("Livre d'occasion"), Product("Chaise de jardin", "", photo)]
    expected = running.predictor.predict(products)
    for entry, prediction in zip((found[0], found[5]), expected, strict=True):
        assert_same(entry, prediction)
        assert running.client.get(f"/v1/predictions/{entry['prediction_id']}").status_code == 200


@pytest.mark.parametrize("count", [0, 257])
def test_a_batch_holds_1_to_256_items(running: Running, count: int) -> None:
    items = [{"designation": "x"}] * count
    assert running.client.post("/v1/predict/batch", json={"items": items}).status_code == 422


def bomb() -> bytes:
    """A picture of 100 megapixels in a few kilobytes."""
    out = io.BytesIO()
    Image.new("1", (10_000, 10_000)).save(out, "PNG")
    return out.getvalue()


def noise(kind: str) -> bytes:
    out = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 255, (200, 200, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(out, kind)
    return out.getvalue()


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (b"", "image_empty"),
        (b"<svg onload=alert(1)>", "image_not_an_image"),
        (b"%PDF-1.7", "image_not_an_image"),
        (bomb(), "image_too_large"),
        (noise("JPEG")[:3000], "image_truncated"),
        (noise("PNG")[:3000], "image_truncated"),
        (noise("TIFF"), "image_not_an_image"),
    ],
)
def test_a_bad_photo_is_refused_with_its_reason_and_never_ignored_silently(
    running: Running, image: bytes, reason: str
) -> None:
    product = {"designation": "Console", "image": encoded(image)}
    refused = running.client.post("/v1/predict", json=product)
    assert (refused.status_code, refused.json()["reason"]) == (422, reason)
    assert refused.headers["content-type"] == "application/problem+json"
    if image:
        ignored = running.client.post("/v1/predict?on_image_error=ignore", json=product)
        assert ignored.status_code == 200
        assert ignored.json()["image_status"] == "unreadable"
        assert ignored.json()["modalities"] == ["text"]


def test_image_bytes_that_are_no_base64_are_named(running: Running) -> None:
    answer = running.client.post("/v1/predict", json={"designation": "x", "image": "/etc/passwd"})
    assert (answer.status_code, answer.json()["reason"]) == (422, "image_base64")


def _predict_text(running: Running, text: str) -> Any:
    content = json.dumps({"designation": text + " console"[: 2000 - len(text)]})
    return running.client.post(
        "/v1/predict", content=content, headers={"content-type": "application/json"}
    )


@pytest.mark.parametrize(
    "text", ["\x00", "a" * 2000, "🎮" * 500, "\u202e\u200b", "<script>" * 100, "' OR 1=1 --"]
)
def test_any_text_is_answered_and_remembered(running: Running, text: str) -> None:
    answer = _predict_text(running, text)
    assert answer.status_code == 200
    stored = running.client.get(f"/v1/predictions/{answer.json()['prediction_id']}")
    assert stored.status_code == 200
    assert stored.json()["designation"].startswith(text)


def test_half_a_character_is_no_text(running: Running) -> None:
    """A lone surrogate, which JSON can write and UTF-8 cannot."""
    answer = _predict_text(running, "\ud800")
    assert (answer.status_code, answer.json()["reason"]) == (422, "invalid")


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"{", "application/json", 422),
        (b"[]", "application/json", 422),
        (b'{"designation": "x", "prdtypecode": 10}', "application/json", 422),
        (b'{"designation": "' + b"x" * 2001 + b'"}', "application/json", 422),
        (b"designation=x", "application/x-www-form-urlencoded", 415),
        (b"x", "text/plain", 415),
        (b"--x", "multipart/form-data; boundary=x", 422),
        (b"--x", "multipart/form-data", 422),
    ],
)
def test_a_bad_body_is_a_problem_with_a_clear_word(
    running: Running, body: bytes, kind: str, status: int
) -> None:
    answer = running.client.post("/v1/predict", content=body, headers={"content-type": kind})
    assert answer.status_code == status, answer.text
    problem = answer.json()
    assert problem["status"] == status
    assert problem["detail"]
    assert problem["instance"] == "/v1/predict"


@pytest.mark.parametrize("path", ["/v1/predict", "/v1/predict/batch"])
@pytest.mark.parametrize("value", [b"[],", b"1,", b"{},", b'"",'])
def test_a_body_of_a_million_values_is_not_taken_apart(
    running: Running, path: str, value: bytes
) -> None:
    """As objects of Python they took fifty times their size, and half a minute."""
    body = b'{"items": [[' + value * 1_000_000 + b"0]]}"
    answer = running.client.post(path, content=body, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["reason"]) == (422, "crowded")


def test_commas_and_brackets_in_texts_are_no_values(running: Running) -> None:
    text = '[1, {2}, "3\\", ' * 10_000
    assert running.predict(designation="Console", description=text)["prediction_id"]
    items = [{"designation": "a, b", "description": ", " * 500}] * 256
    answer = running.client.post("/v1/predict/batch", json={"items": items})
    assert all("prediction_id" in item for item in answer.json()["items"])


UPLOAD = {"image": ("photo.jpg", b"bytes", "image/jpeg")}


@pytest.mark.parametrize(
    ("fields", "files"),
    [
        ({"designation": "Console"}, {"photo": UPLOAD["image"]}),
        ({"description": "Console"}, {"designation": UPLOAD["image"]}),
        ({"designation": "Console", "image": "photo.jpg"}, {}),
        ({"designation": ["Console", "Livre"]}, UPLOAD),
        ({"designation": "Console"}, [("image", UPLOAD["image"])] * 2),
    ],
    ids=["photo of another name", "title as file", "photo as text", "two titles", "two photos"],
)
def test_no_part_of_a_form_is_overlooked(running: Running, fields: Any, files: Any) -> None:
    form = files or {"designation": (None, "Console")}
    answer = running.client.post("/v1/predict", data=fields, files=form)
    assert (answer.status_code, answer.json()["reason"]) == (422, "form")


@pytest.mark.parametrize("charset", ["undefined", "punycode", "utf-16", "unicode_escape", "latin1"])
def test_a_form_is_utf_8(running: Running, charset: str) -> None:
    """Some of Python's codecs fail on what they read, or leave halves of characters."""
    body = b'--x\r\nContent-Disposition: form-data; name="\\ud800"\r\n\r\n-\xff\r\n--x--\r\n'
    kind = {"content-type": f"multipart/form-data; boundary=x; charset={charset}"}
    answer = running.client.post("/v1/predict", content=body, headers=kind)
    assert (answer.status_code, answer.json()["reason"]) == (415, "charset")


def test_a_problem_is_short_however_much_is_wrong(running: Running) -> None:
    long = running.client.post("/v1/predict", json={"k" * 100_000: 1})
    many = running.client.post("/v1/predict", json={f"key {n}": 1 for n in range(10_000)})
    assert [long.status_code, many.status_code] == [422, 422]
    assert max(len(long.content), len(many.content)) < 1000
    assert "10000 errors" in many.json()["detail"]


def test_a_body_over_the_limit_is_refused_announced_or_not(start: Start) -> None:
    with start(max_body_mib=0.01) as running:
        large = b'{"designation": "' + b"x" * 20_000 + b'"}'
        announced = running.client.post(
            "/v1/predict", content=large, headers={"content-type": "application/json"}
        )
        assert announced.status_code == 413
        for path in ("/v1/predict", "/v1/predict?explain=true", "/v1/predict/batch"):
            pieces = iter([large[:9000], large[9000:]])
            streamed = running.client.post(
                path, content=pieces, headers={"content-type": "application/json"}
            )
            assert streamed.status_code == 413
        assert running.predict(designation="Console")["prediction_id"]
