"""Column types that hold what SQLite and PostgreSQL would refuse or forget."""

import re
from datetime import UTC, datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.types import TypeDecorator

_LEAD: Final = "\x1a"  # SUBSTITUTE, which no text of people holds
_ODD: Final = re.compile("[\x00\x1a\ud800-\udfff]")
_ESCAPED: Final = re.compile("\x1a([0-9a-f]{4})")


def encode_text(text: str) -> str:
    """A text that UTF-8 and PostgreSQL take: NUL, lone surrogates and U+001A become U+001A + hex.

    Every other text is its own form, so that it can be searched in the database.
    """
    return _ODD.sub(lambda found: f"{_LEAD}{ord(found[0]):04x}", text)


def decode_text(text: str) -> str:
    """Undo :func:`encode_text`; nothing is lost."""
    if _LEAD not in text:
        return text
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)


class SafeText(TypeDecorator[str]):
    """Any Python string (see :func:`encode_text`)."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> str | None:  # noqa: ARG002
        """Encode."""
        return None if value is None else encode_text(value)

    def process_result_value(self, value: Any | None, dialect: sa.Dialect) -> str | None:  # noqa: ARG002
        """Decode."""
        return None if value is None else decode_text(value)


class UtcTime(TypeDecorator[datetime]):
    """A moment with its time zone; SQLite forgets the zone, so that it is UTC there."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """Refuse moments without a zone, and bring the others to UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value} has no time zone")
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(
        self,
        value: Any | None,
        dialect: sa.Dialect,  # noqa: ARG002
    ) -> datetime | None:
        """Give the zone back."""
        if value is None:
            return None
        moment: datetime = value
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
