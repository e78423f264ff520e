"""What the store keeps: records of answers and of corrections, and ids that sort by time."""

import os
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from math import isfinite
from typing import Any, Final
from uuid import UUID

from rakuten.store.columns import decode_text, encode_text


@dataclass(frozen=True)
class PredictionRecord:
    """One answer; ``latency_ms`` is in milliseconds.

    Designation, description and image are None where content is not kept or was erased;
    ``erased_at`` says which of the two.
    """

    prediction_id: str
    created_at: datetime
    designation: str | None
    description: str | None
    image_sha256: str | None
    prdtypecode: int
    label: str
    confidence: float
    decision: str
    alternatives: list[dict[str, Any]]
    modalities: list[str]
    image_status: str
    model_name: str
    model_version: int
    model_sha256: str
    latency_ms: float
    key_id: str | None
    features: dict[str, Any]
    erased_at: datetime | None = None


@dataclass(frozen=True)
class FeedbackRecord:
    """What one reviewer says a product is."""

    prediction_id: str
    reviewer: str
    prdtypecode: int
    note: str
    given_at: datetime
    key_id: str | None


Record = PredictionRecord | FeedbackRecord

_KINDS: Final[dict[str, type[PredictionRecord] | type[FeedbackRecord]]] = {
    "prediction": PredictionRecord,
    "feedback": FeedbackRecord,
}
_NAMES: Final = {kind: name for name, kind in _KINDS.items()}
_TIMES: Final = ("created_at", "erased_at", "given_at")


class _Clock:
    """Sixty-bit times that never stand still or go back: milliseconds and 4096ths of them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0

    def tick(self) -> int:
        milliseconds, rest = divmod(time.time_ns(), 1_000_000)
        now = (milliseconds << 12) | (rest * 4096 // 1_000_000)
        with self._lock:
            self._last = max(now, self._last + 1)
            return self._last


_CLOCK: Final = _Clock()


def new_prediction_id() -> str:
    """A UUID of version 7 (RFC 9562, section 6.2, method 3): later ids sort behind earlier ones."""
    ticks = _CLOCK.tick()
    value = (ticks >> 12) << 80 | 0x7 << 76 | (ticks & 0xFFF) << 64
    value |= 0b10 << 62 | int.from_bytes(os.urandom(8), "big") >> 2
    digits = f"{value:032x}"
    parts = digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]
    return "-".join(parts)


def is_prediction_id(text: str) -> bool:
    """Whether a text from outside has the form of an id, as this module writes it."""
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


def plain_features(row: Mapping[str, Any]) -> dict[str, Any]:
    """A feature row as JSON values: numbers that JSON has no word for become None."""
    found: dict[str, Any] = dict(row)
    for name, value in found.items():
        if isinstance(value, float):
            found[name] = _number(value)
        elif isinstance(value, list) and not isfinite(sum(value)):
            found[name] = [_number(number) for number in value]
    return found


def to_plain(record: Record) -> dict[str, Any]:
    """A record as values that any JSON writer takes, whatever its texts hold."""
    values: dict[str, Any] = {"kind": _NAMES[type(record)]}
    for name, value in vars(record).items():
        if isinstance(value, str):
            values[name] = encode_text(value)
        elif isinstance(value, datetime):
            values[name] = value.astimezone(UTC).isoformat()
        else:
            values[name] = value
    return values


def from_plain(values: Mapping[str, Any]) -> Record:
    """Undo :func:`to_plain`.

    Raises:
        KeyError, TypeError, ValueError: it is no record.
    """
    kind = _KINDS[values["kind"]]
    found = {field.name: values[field.name] for field in fields(kind) if field.name in values}
    for name, value in found.items():
        if name in _TIMES:
            found[name] = None if value is None else datetime.fromisoformat(value)
        elif isinstance(value, str):
            found[name] = decode_text(value)
    return kind(**found)


def predictions_of(records: Iterable[Record]) -> list[PredictionRecord]:
    """The answers among records, in order."""
    return [record for record in records if isinstance(record, PredictionRecord)]


def feedback_of(records: Iterable[Record]) -> list[FeedbackRecord]:
    """The corrections among records, in order."""
    return [record for record in records if isinstance(record, FeedbackRecord)]


def _number(value: float) -> float | None:
    return value if isfinite(value) else None
