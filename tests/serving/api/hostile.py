"""Requests that nobody sends by accident: the form of a case, and how it goes over the wire.

Pictures, texts and other requests are in the modules beside this one; all of it is made here.
"""

import base64
import http.client
import json
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

CANARY: Final = "kanarienvogel"
"""A word in texts, names and paths of the cases, which must not appear in the log."""
BROKEN_OFF: Final = 0
"""Status of a request that its client ends half-way: nobody is there for an answer."""
JSON: Final = "application/json"
FORM: Final = "multipart/form-data; boundary=edge"
_KEY: Final = b"@KEY@"
GOOD_KEY: Final = b"Authorization: Bearer " + _KEY
_SECONDS: Final = 30


@dataclass(frozen=True)
class Case:
    """A request and the answer that is right.

    ``reason`` is the problem's; None where the HTTP server itself refuses, or the answer is good.
    ``holds`` are values that an answer's JSON has.
    """

    name: str
    make: Callable[[], bytes]
    status: int
    reason: str | None = None
    holds: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def request(
    method: str,
    target: str,
    body: bytes = b"",
    kind: str | None = None,
    *headers: str,
    length: int | str | None = None,
    key: bytes = GOOD_KEY,
) -> bytes:
    """The bytes of a request; ``length`` is what it claims, its true length without it."""
    lines = [f"{method} {target} HTTP/1.1".encode("latin-1"), b"Host: 127.0.0.1"]
    lines += [b"Connection: close", *([key] if key else [])]
    lines += [header.encode("latin-1") for header in headers]
    if kind is not None:
        lines.append(f"Content-Type: {kind}".encode("latin-1"))
        claimed = len(body) if length is None else length
        lines.append(f"Content-Length: {claimed}".encode())
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def listing(query: str = "", **fields: Any) -> bytes:
    """A request for a prediction with some JSON."""
    return request("POST", f"/v1/predict{query}", json.dumps(fields).encode(), JSON)


def body(content: bytes, kind: str = JSON) -> bytes:
    """A request for a prediction with some bytes."""
    return request("POST", "/v1/predict", content, kind)


def photo(image: bytes, query: str = "") -> bytes:
    """A request for a prediction with a picture in base64."""
    return listing(query, designation=f"Console {CANARY}", image=base64.b64encode(image).decode())


def part(name: str, content: bytes, *, filename: str | None = None, kind: str = "") -> bytes:
    """One part of a form."""
    head = f'Content-Disposition: form-data; name="{name}"'
    head += "" if filename is None else f'; filename="{filename}"'
    head += f"\r\nContent-Type: {kind}" if kind else ""
    return head.encode("utf-8") + b"\r\n\r\n" + content


def form(*parts: bytes, kind: str = FORM) -> bytes:
    """A request for a prediction with a form."""
    return body(b"".join(b"--edge\r\n" + one + b"\r\n" for one in parts) + b"--edge--\r\n", kind)


def upload(image: bytes, *, filename: str = "photo.jpg", kind: str = "image/jpeg") -> bytes:
    """A request for a prediction with a picture as a file."""
    title = part("designation", b"Console")
    return form(title, part("image", image, filename=filename, kind=kind))


def send(port: int, data: bytes, key: str, *, hang_up: bool = False) -> Answer:
    """Send the bytes of a request to loopback, whatever they are; ``hang_up`` ends it there."""
    with socket.create_connection(("127.0.0.1", port), _SECONDS) as connection:
        try:
            connection.sendall(data.replace(_KEY, key.encode()))
            if hang_up:
                connection.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, ConnectionResetError):
            pass  # refused before it was all sent; the answer is there
        response = http.client.HTTPResponse(connection)
        try:
            response.begin()
            headers = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, headers, response.read())
        except (http.client.RemoteDisconnected, ConnectionResetError):
            return Answer(BROKEN_OFF, {}, b"")


def names(cases: Sequence[Case]) -> list[str]:
    """Names of cases, each there once."""
    found = [case.name for case in cases]
    assert len(set(found)) == len(found)
    return found
