"""HTTP itself, addresses, keys and the routes around predictions, all of it misused."""

import json
from functools import partial
from typing import Any, Final

from tests.serving.api.hostile import BROKEN_OFF, CANARY, FORM, GOOD_KEY, JSON, Case, body, request

_GOOD: Final = b'{"designation": "Console"}'
_NOBODY: Final = "01900000-0000-7000-8000-000000000000"
_MIB: Final = 2**20
_TOO_MUCH: Final = 40 * _MIB


def _get(target: str, *headers: str, key: bytes = GOOD_KEY) -> bytes:
    return request("GET", target, b"", None, *headers, key=key)


def _predict(*headers: str, **options: Any) -> bytes:
    return request("POST", "/v1/predict", _GOOD, JSON, *headers, **options)


def _keyless(length: int) -> bytes:
    return request("POST", "/v1/predict", b"", JSON, length=length, key=b"")


def _put(prediction_id: str, **feedback: Any) -> bytes:
    target = f"/v1/predictions/{prediction_id}/feedback"
    return request("PUT", target, json.dumps(feedback).encode(), JSON)


def _post(target: str, **fields: Any) -> bytes:
    return request("POST", target, json.dumps(fields).encode(), JSON)


def in_chunks(size: int, query: str = "", kind: str = JSON) -> bytes:
    """A body of some size that does not say so before."""
    head = request("POST", f"/v1/predict{query}", b"", None, f"Content-Type: {kind}")
    head = head.replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n")
    piece = b"%x\r\n" % _MIB + b" " * _MIB + b"\r\n"
    return head + piece * (size // _MIB) + b"0\r\n\r\n"


def _gets(found: dict[str, str], status: int, reason: str | None) -> list[Case]:
    return [Case(name, partial(_get, target), status, reason) for name, target in found.items()]


_KEYS: Final = {
    "no key": (b"", "no_key"),
    "key that is a word": (f"X-API-Key: {CANARY}".encode(), "bad_key"),
    "key of another": (b"Authorization: Bearer rk_000000000000_" + b"x" * 43, "bad_key"),
    "key that is SQL": (b"X-API-Key: rk_' OR '1'='1_x", "bad_key"),
    "key of 10,000 letters": (b"X-API-Key: rk_" + CANARY.encode() * 800, "bad_key"),
    "key that is no ASCII": (b"Authorization: Bearer rk_\xe9\xff_\xff", "bad_key"),
    "password instead of a key": (b"Authorization: Basic YWRtaW46YWRtaW4=", "no_key"),
}
_SERVER_REFUSES: Final = {
    "two lengths": lambda: _predict("Content-Length: 5"),
    "length below zero": lambda: _predict(length=-5),
    "length that is a word": lambda: _predict(length="many"),
    "length of 5,000 digits": lambda: _predict(length="9" * 5000),
    "length and chunks": lambda: _predict("Transfer-Encoding: chunked"),
    "NUL in a header": lambda: _get("/v1/model", "X-A: a\0b"),
    "header without a colon": lambda: _get("/v1/model", CANARY),
    "path of 70,000 letters": lambda: _get("/" + "a" * 70_000),
    "path that is no ASCII": lambda: _get("/v1/\xe9\xff"),
    "method that is none": lambda: request("BREW", "/v1/predict"),
    "method of another protocol": lambda: request("CONNECT", "evil.example.org:443"),
    "HTTP/2": lambda: b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS": lambda: b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03" + bytes(60) + b"\r\n\r\n",
}
_NOT_FOUND: Final = {
    "address that climbs": f"/v1/../../../etc/{CANARY}",
    "address that climbs in code": "/v1/predictions/..%2f..%2f..%2fetc%2fpasswd",
    "slash at the end": "/v1/model/",
    "two slashes": f"//{CANARY}.example.org/v1/model/",
    "page that is none": f"/{CANARY}.php",
}
_NO_PREDICTION: Final = {
    "id that never was": f"/v1/predictions/{_NOBODY}",
    "id with NUL": "/v1/predictions/%00",
    "id that is no UTF-8": "/v1/predictions/%ff%ed%a0%80",
    "id that is SQL": "/v1/predictions/'%20OR%201=1--",
    "id in braces": f"/v1/predictions/%7B{_NOBODY}%7D",
    "id in capitals, of a picture": f"/v1/predictions/{_NOBODY.upper()}/image",
}
_BAD_CURSOR: Final = {
    "cursor that is a word": f"/v1/review?cursor={CANARY}",
    "cursor with NUL": "/v1/review?cursor=%00%ff",
    "cursor of another form": "/v1/review?cursor=WzFlOTk5LDVd",
}
_BAD_QUERY: Final = {
    "id of 65 letters": "/v1/predictions/" + "a" * 65,
    "cursor of 401 letters": "/v1/review?cursor=" + "a" * 401,
    "page of no rows": "/v1/review?limit=0",
    "page of too many rows": "/v1/review?limit=99999999999999999999",
    "page of a fraction": "/v1/review?limit=1e2",
}
_FEEDBACK: Final[dict[str, dict[str, Any]]] = {
    "type of 400 digits": {"prdtypecode": 10**400, "reviewer": "ann"},
    "type below zero": {"prdtypecode": -1, "reviewer": "ann"},
    "type that is false": {"prdtypecode": False, "reviewer": "ann"},
    "type that is a text": {"prdtypecode": "10", "reviewer": "ann"},
    "reviewer without letters": {"prdtypecode": 10, "reviewer": " \t "},
    "note of 2,001 letters": {"prdtypecode": 10, "reviewer": "ann", "note": "x" * 2001},
}
REQUESTS: Final = [
    *(
        Case(name, partial(_get, "/v1/review", key=key), 401, reason)
        for name, (key, reason) in _KEYS.items()
    ),
    Case("no key, and a body that never comes", lambda: _keyless(10 * _MIB), 401, "no_key"),
    *(Case(name, make, 400) for name, make in _SERVER_REFUSES.items()),
    *_gets(_NOT_FOUND, 404, None),
    *_gets(_NO_PREDICTION, 404, "unknown_prediction"),
    *_gets(_BAD_CURSOR, 400, "cursor"),
    *_gets(_BAD_QUERY, 422, "invalid"),
    *(
        Case(name, partial(_put, _NOBODY, **given), 422, "invalid")
        for name, given in _FEEDBACK.items()
    ),
    Case(
        "feedback on what never was",
        lambda: _put(f"{_NOBODY[:-4]}/../x", prdtypecode=10, reviewer=CANARY),
        404,
    ),
    *(
        Case(name, partial(_post, "/v1/review/claims", **asked), 422, "invalid")
        for name, asked in {
            "claim of everything": {"reviewer": "ann", "count": 10**9},
            "claim of true products": {"reviewer": "ann", "count": True},
            "claim for ever": {"reviewer": "ann", "seconds": 10**30},
        }.items()
    ),
    Case("answer in a form that is none", lambda: _predict("Accept: x/y"), 200),
    Case("broken-off JSON", lambda: _predict(length=500), BROKEN_OFF),
    Case(
        "broken-off form",
        lambda: request("POST", "/v1/predict", b"--edge\r\nContent-Disp", FORM, length=500),
        BROKEN_OFF,
    ),
    Case("length of 8 exabytes", lambda: _predict(length=2**63 - 1), 413, "too_large"),
    Case("40 MiB in chunks", lambda: in_chunks(_TOO_MUCH), 413, "too_large"),
    Case(
        "40 MiB, asking for evidence",
        lambda: in_chunks(_TOO_MUCH, "?explain=true"),
        413,
        "too_large",
    ),
    Case("40 MiB of a form", lambda: in_chunks(_TOO_MUCH, kind=FORM), 422, "form"),
    Case("spaces in chunks", lambda: in_chunks(_MIB), 422, "invalid"),
    Case("body behind the body", lambda: _predict(length=2), 422, "invalid"),
    Case("compression that is none", lambda: _predict("Content-Encoding: gzip"), 200),
    Case("media type of nothing", lambda: body(_GOOD, ";;"), 415, "media_type"),
    Case("media type of a page", lambda: body(_GOOD, "text/html"), 415, "media_type"),
    Case("host that is none", lambda: _get("/nowhere", "X-Forwarded-Host: [::"), 404),
    Case("request id for the log", lambda: _get("/healthz", f"X-Request-Id: a {CANARY}"), 200),
    Case("2,000 headers", lambda: _get("/healthz", *[f"X-A: {CANARY}"] * 2000), 200),
    Case("method that traces", lambda: request("TRACE", "/v1/predict"), 405),
    Case("delivery of 100 kB", lambda: _post("/webhooks/mlflow", x="x" * 10**5), 413, "too_large"),
    Case("unsigned delivery", lambda: _post("/webhooks/mlflow", entity=CANARY), 401, "signature"),
]
