"""Texts, JSON and forms that break parsers, logs, databases or pages."""

import json
from functools import partial
from typing import Any, Final

from tests.serving.api.hostile import CANARY, FORM, Case, body, form, listing, part, request


def _titles(found: dict[str, str], status: int, reason: str | None = None) -> list[Case]:
    return [
        Case(name, partial(listing, designation=text), status, reason)
        for name, text in found.items()
    ]


def _long(found: dict[str, str], status: int, reason: str | None = None) -> list[Case]:
    return [
        Case(name, partial(listing, description=text), status, reason)
        for name, text in found.items()
    ]


def _bodies(found: dict[str, bytes], status: int, reason: str | None = None) -> list[Case]:
    return [Case(name, partial(body, content), status, reason) for name, content in found.items()]


def _listings(found: dict[str, dict[str, Any]], status: int, reason: str) -> list[Case]:
    return [
        Case(name, partial(listing, **fields), status, reason) for name, fields in found.items()
    ]


def _crowd(value: bytes) -> bytes:
    return body(b'{"designation": [' + value * (30 * 2**20 // len(value)) + b"0]}")


def batch(items: Any) -> bytes:
    """A request for a batch."""
    content = json.dumps({"items": items}).encode()
    return request("POST", "/v1/predict/batch", content, "application/json")


_ANSWERED: Final = {
    "NUL": f"\0{CANARY}\0",
    "control characters": "".join(map(chr, range(32))) + CANARY,
    "SQL": f"'; DROP TABLE predictions; -- {CANARY}",
    "markup": f"<script>{CANARY}</script><img src=x onerror=alert(1)>",
    "line breaks for the log": f"x\r\nERROR {CANARY} forged=1\x1b[31m\u2028line",
    "format strings": "%s%n%x {0} {0.__class__} ${jndi:ldap://x/" + CANARY + "}",
    "path": f"../../../../etc/{CANARY}",
    "text that turns around": f"\u202e\u2066{CANARY}\u2069\u202c\u200f",
    "no visible characters": "\u200b\u200d\ufeff\u2060" * 50,
    "emoji": "👩‍👩‍👧‍👦🏳️‍🌈" * 100,
    "characters beyond Unicode's first plane": "𝔎𝔞𝔫𝔞𝔯𝔦𝔢 \U0010ffff\ue000\ufffe",
    "digits": "9" * 2000,
}
_LONG: Final = {
    "10,000 combining characters": "e" + "\u0301" * 10_000,
    "ligature that unfolds": "\ufdfa" * 10_000,
    "open tags": "<div>" * 40_000,
    "tags in tags": "<" * 100_000 + ">" * 100_000,
    "entities": "&amp;" * 40_000,
    "entities in entities": "&" + "amp;" * 49_000 + "lt;",
    "one word of 200,000 letters": "a" * 200_000,
    "spaces": " " * 199_999 + "x",
    "script without an end": "<script>" + "a" * 199_000,
}
_MALFORMED: Final = {
    "nothing": b"",
    "half of a JSON": b'{"designation": "x',
    "words behind the JSON": b'{"designation": "x"} {}',
    "comment in the JSON": b'{"designation": "x" /* y */}',
    "NaN": b'{"designation": NaN}',
    "byte order mark": b'\xef\xbb\xbf{"designation": "x"}',
    "UTF-16": '{"designation": "x"}'.encode("utf-16"),
    "bytes that are no UTF-8": b'{"designation": "\xff\xfe\xc3\x28"}',
    "surrogates as UTF-8": b'{"designation": "\xed\xa0\x80"}',
    "half of a character": b'{"designation": "\\ud800"}',
    "halves of a character, turned around": b'{"designation": "\\udc00\\ud800"}',
    "half of a character as a name": b'{"\\udfff": "x"}',
    "lists, 30,000 deep": b"[" * 30_000 + b"]" * 30_000,
    "objects, 3,000 deep": b'{"designation":' * 3000 + b"1" + b"}" * 3000,
    "list": b'["x"]',
    "text": b'"x"',
    "number of 5,000 digits": b'{"designation": ' + b"9" * 5000 + b"}",
    "number with a huge exponent": b'{"designation": 1e999999999}',
    "5,000 unknown fields": json.dumps({f"k{n}": n for n in range(5000)}).encode(),
    "name of a million letters": json.dumps({"k" * 1_000_000: 1}).encode(),
}
_WRONG: Final[dict[str, dict[str, Any]]] = {
    "number as title": {"designation": 7},
    "boolean as title": {"designation": True},
    "null as title": {"designation": None},
    "list as title": {"designation": [CANARY]},
    "object as title": {"designation": {"$gt": ""}},
    "title of a million letters": {"designation": CANARY * 80_000},
    "description of 200,001 letters": {"description": "x" * 200_001},
    "__proto__": {"designation": "x", "__proto__": {"admin": True}},
    "answer as a field": {"designation": "x", "prdtypecode": 10, "confidence": 1},
    "name with a space": {"designation ": "x"},
}
_CROWDS: Final = {"lists": b"[],", "numbers": b"1,", "objects": b"{},", "texts": b'"",'}
_FORM_TITLE: Final = part("designation", CANARY.encode())
_FORMS: Final = {
    "form without parts": (b"--edge--\r\n", FORM, 422, "empty"),
    "form without an end": (b"--edge\r\n" + _FORM_TITLE, FORM, 422, "empty"),
    "form without a boundary": (b"--edge--", "multipart/form-data", 422, "form"),
    "form of another boundary": (b"--edge--\r\n", "multipart/form-data; boundary=no", 422, "form"),
    "form that is JSON": (b'{"designation": "x"}', FORM, 422, "form"),
    "form in a charset that fails": (b"--edge--\r\n", FORM + "; charset=undefined", 415, "charset"),
    "form in UTF-7": (b"--edge--\r\n", FORM + "; charset=utf-7", 415, "charset"),
}
TEXTS: Final = [
    *_titles(_ANSWERED, 200),
    *_titles({"spaces alone": " \t\r\n\u3000", "no letters": ""}, 422, "empty"),
    *_long(_LONG, 200),
    Case(
        "evidence in 200,000 letters",
        lambda: listing("?explain=true", description="livre " * 33_000),
        422,
        "too_long_to_explain",
    ),
    *_bodies(_MALFORMED, 422, "invalid"),
    *_bodies(
        {
            "lists, 100,000 deep": b"[" * 100_000 + b"]" * 100_000,
            "100,000 unknown fields": json.dumps(dict.fromkeys(map(str, range(100_000)))).encode(),
        },
        422,
        "crowded",
    ),
    *_bodies({"the same name twice": b'{"designation": "x", "designation": "y"}'}, 200),
    *_listings(_WRONG, 422, "invalid"),
    *(
        Case(name, partial(body, content, kind), status, reason)
        for name, (content, kind, status, reason) in _FORMS.items()
    ),
    Case("form with the title twice", lambda: form(_FORM_TITLE, _FORM_TITLE), 422, "form"),
    Case(
        "form with the title as a file",
        lambda: form(part("designation", b"x", filename=CANARY)),
        422,
        "form",
    ),
    Case("form with an unknown field", lambda: form(part(CANARY, b"x")), 422, "invalid"),
    Case("form with nine fields", lambda: form(*[_FORM_TITLE] * 9), 422, "form"),
    Case("form in Latin-1", lambda: form(part("designation", b"caf\xe9 \xff")), 200),
    Case("form with half of a character", lambda: form(part("description", b"\xed\xa0\x80")), 200),
    Case("form with a part of 2 MB", lambda: form(part("description", b"x" * 2**21)), 422, "form"),
    Case("batch of nothing", lambda: batch([]), 422, "invalid"),
    Case("batch of 257", lambda: batch([{"designation": "x"}] * 257), 422, "invalid"),
    Case("batch that is an object", lambda: batch({"0": {"designation": "x"}}), 422, "invalid"),
    *(
        Case(f"30 MiB of {name}", partial(_crowd, value), 422, "crowded")
        for name, value in _CROWDS.items()
    ),
    Case("batch of 256 times nonsense", lambda: batch([None, 1, [], "x"] * 64), 200),
    Case("batch of deep nonsense", lambda: batch([[[[[[{"x": CANARY}]]]]]]), 200),
]
