"""The review queue: what the model was least sure of first, one person per product."""

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa

from rakuten.errors import ContractError
from rakuten.store.columns import encode_text
from rakuten.store.database import Database
from rakuten.store.predictions import insert_for, record_of
from rakuten.store.records import PredictionRecord, is_prediction_id
from rakuten.store.tables import claims, feedback, predictions, to_review

_ORDER: Final = (predictions.c.confidence, predictions.c.prediction_id)


@dataclass(frozen=True)
class Page:
    """Some answers to review; ``cursor`` leads to those behind them, None at the end."""

    records: list[PredictionRecord]
    cursor: str | None


@dataclass(frozen=True)
class Claim:
    """A product that one reviewer has until ``expires_at``."""

    prediction_id: str
    reviewer: str
    expires_at: datetime


def queue(
    database: Database, limit: int, cursor: str | None = None, *, reviewer: str | None = None
) -> Page:
    """A page of the queue, lowest confidence first.

    In it are answers that the model would not decide, whose content is kept, that nobody has
    said anything of, and that nobody but ``reviewer`` has claimed. A page begins behind the last
    answer of the one before, not at a number of rows: what arrives or goes meanwhile makes no
    other answer appear twice or not at all.

    Args:
        database: where answers are.
        limit: rows of the page.
        cursor: that of the page before.
        reviewer: who asks; sees those that they claimed themselves.

    Raises:
        ContractError: the cursor is not one of ours.
        DatabaseAwayError: nobody answered.
    """
    where = to_review & _open_for(reviewer)
    if cursor is not None:
        confidence, prediction_id = _decode_cursor(cursor)
        behind = sa.tuple_(*_ORDER) > sa.tuple_(
            sa.literal(confidence, sa.Double), sa.literal(prediction_id, sa.Uuid(as_uuid=False))
        )
        where &= behind
    statement = sa.select(predictions).where(where).order_by(*_ORDER).limit(limit + 1)
    with database.read() as connection:
        records = [record_of(row) for row in connection.execute(statement)]
    more = len(records) > limit
    records = records[:limit]
    return Page(records, _encode_cursor(records[-1]) if more and records else None)


def claim(
    database: Database, reviewer: str, count: int, seconds: float
) -> tuple[list[PredictionRecord], datetime]:
    """Take the first products that nobody has, for some time.

    Returns:
        The products, and when the claim on them ends.

    Raises:
        DatabaseAwayError: nobody answered.
    """
    taken: list[str] = []
    with database.write() as connection:
        now = datetime.now(UTC)
        end = now + timedelta(seconds=seconds)
        # A row that another one claimed between our look and our lock is refused by the insert;
        # then there is a next one.
        while len(taken) < count:
            free = _free(connection, count - len(taken))
            if not free:
                break
            taken += _take(connection, free, reviewer, now, end)
        statement = sa.select(predictions).where(predictions.c.prediction_id.in_(taken))
        rows = connection.execute(statement.order_by(*_ORDER)).all() if taken else []
    return [record_of(row) for row in rows], end


def claims_of(database: Database, reviewer: str) -> list[Claim]:
    """What a reviewer has now, those that end first before the others.

    Raises:
        DatabaseAwayError: nobody answered.
    """
    statement = sa.select(claims).where(_held(reviewer)).order_by(claims.c.expires_at)
    with database.read() as connection:
        return [Claim(**row) for row in connection.execute(statement).mappings()]


def renew(
    database: Database, reviewer: str, prediction_ids: Sequence[str], seconds: float
) -> list[str]:
    """Prolong claims; returns the ids of those that the reviewer still had.

    Raises:
        DatabaseAwayError: nobody answered.
    """
    end = datetime.now(UTC) + timedelta(seconds=seconds)
    return _change(database, sa.update(claims).values(expires_at=end), reviewer, prediction_ids)


def release(database: Database, reviewer: str, prediction_ids: Sequence[str]) -> list[str]:
    """Give products back to the queue; returns the ids of those that the reviewer still had.

    Raises:
        DatabaseAwayError: nobody answered.
    """
    return _change(database, sa.delete(claims), reviewer, prediction_ids)


def _open_for(reviewer: str | None) -> sa.ColumnElement[bool]:
    """Without feedback, and without a living claim of somebody other than ``reviewer``."""
    answered = sa.exists().where(feedback.c.prediction_id == predictions.c.prediction_id)
    living = (claims.c.prediction_id == predictions.c.prediction_id) & (
        claims.c.expires_at > datetime.now(UTC)
    )
    if reviewer is not None:
        living &= claims.c.reviewer != reviewer
    return ~answered & ~sa.exists().where(living)


def _free(connection: sa.Connection, count: int) -> list[str]:
    statement = (
        sa.select(predictions.c.prediction_id)
        .where(to_review & _open_for(None))
        .order_by(*_ORDER)
        .limit(count)
        .with_for_update(skip_locked=True)  # SQLite has one writer at a time, and no such words
    )
    return list(connection.execute(statement).scalars())


def _take(
    connection: sa.Connection, free: list[str], reviewer: str, now: datetime, end: datetime
) -> list[str]:
    insert = insert_for(connection, claims)
    statement = insert.on_conflict_do_update(
        index_elements=[claims.c.prediction_id],
        set_={"reviewer": insert.excluded.reviewer, "expires_at": insert.excluded.expires_at},
        where=claims.c.expires_at <= now,
    ).returning(claims.c.prediction_id)
    rows = [{"prediction_id": one, "reviewer": reviewer, "expires_at": end} for one in free]
    return list(connection.execute(statement, rows).scalars())


def _held(reviewer: str) -> sa.ColumnElement[bool]:
    return (claims.c.reviewer == reviewer) & (claims.c.expires_at > datetime.now(UTC))


def _change(
    database: Database, statement: Any, reviewer: str, prediction_ids: Sequence[str]
) -> list[str]:
    ids = [one for one in prediction_ids if is_prediction_id(one)]
    ours = claims.c.prediction_id.in_(ids) & _held(reviewer)
    with database.write() as connection:
        changed = connection.execute(statement.where(ours).returning(claims.c.prediction_id))
        return sorted(changed.scalars())


def _encode_cursor(record: PredictionRecord) -> str:
    """JSON writes a float so that it reads back as the very same one."""
    words = json.dumps([record.confidence, record.prediction_id], separators=(",", ":"))
    return base64.urlsafe_b64encode(words.encode()).decode().rstrip("=")


def _decode_cursor(cursor: str) -> tuple[float, str]:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        confidence, prediction_id = json.loads(base64.urlsafe_b64decode(padded))
        if isinstance(confidence, float) and is_prediction_id(prediction_id):
            return confidence, prediction_id
    except (binascii.Error, ValueError, TypeError, AttributeError):
        pass
    raise ContractError(
        f"{encode_text(cursor[:80])!r} is no cursor of the review queue.",
        hint="use the cursor of the page before, or none for the first page",
    )
