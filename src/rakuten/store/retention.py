"""Forgetting: by id when somebody asks, by age when its time is over."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

import sqlalchemy as sa

from rakuten.errors import UnknownPredictionError
from rakuten.logs import get_logger
from rakuten.store.database import Database
from rakuten.store.media import Media
from rakuten.store.predictions import insert_for, read_prediction
from rakuten.store.records import PredictionRecord, Record
from rakuten.store.spool import Spool
from rakuten.store.tables import claims, erasures, feedback, predictions, rate_limits

log = get_logger(__name__)

_OF_THE_ANSWER: Final = ("prdtypecode", "confidence", "modalities", "image_status")
"""What stays of a feature row; all else was read off the text or the photo."""
_CHUNK: Final = 500


def erase(
    database: Database,
    prediction_id: str,
    *,
    media: Media | None = None,
    spool: Spool | None = None,
) -> None:
    """Remove text, photo, what was read off them, and notes; the row stays, marked as erased.

    The photo stays where another prediction has it. A copy in the spool is erased too, or, where
    another process holds it, never gets into the database.

    Raises:
        UnknownPredictionError: neither the database nor the spool holds it.
        DatabaseAwayError: nobody answered; nothing was erased for sure, ask again.
        StoreError: the photo could not be removed; ask again.
    """
    photo = _photo_of(database, prediction_id, spool)
    now = datetime.now(UTC)
    with database.write() as connection:
        insert = insert_for(connection, erasures).on_conflict_do_nothing()
        connection.execute(insert, {"prediction_id": prediction_id, "erased_at": now})
        forget(connection, [prediction_id], now)
    # The row names its photo until that is gone: who asks again after an error finds it.
    if media is not None and photo is not None:
        _delete_unshared(database, photo, media, spool, besides=prediction_id)
    if spool is not None:
        spool.rewrite(prediction_id, lambda record: _without_content(record, now))
    with database.write() as connection:
        _forget_photos(connection, [prediction_id])
    _scrub(database)


def expire(
    database: Database,
    older_than: datetime,
    *,
    media: Media | None = None,
    spool: Spool | None = None,
) -> int:
    """Remove the content of answers made before ``older_than``; returns of how many.

    Raises:
        DatabaseAwayError: nobody answered; those before are done.
        StoreError: a photo could not be removed.
    """
    old = predictions.c.created_at < older_than
    left = predictions.c.erased_at.is_(None) | predictions.c.image_sha256.is_not(None)
    statement = sa.select(predictions.c.prediction_id, predictions.c.image_sha256)
    statement = statement.where(old & left).limit(_CHUNK)
    total = 0
    while True:
        with database.write() as connection:
            rows = connection.execute(statement).all()
            ids = [row.prediction_id for row in rows]
            forget(connection, ids, datetime.now(UTC))
        for photo in sorted({row.image_sha256 for row in rows if row.image_sha256}):
            if media is not None:
                _delete_unshared(database, photo, media, spool)
        with database.write() as connection:
            _forget_photos(connection, ids)
        total += len(rows)
        if len(rows) < _CHUNK:
            break
    with database.write() as connection:
        connection.execute(sa.delete(claims).where(claims.c.expires_at < older_than))
        stale = rate_limits.c.updated_at < older_than.timestamp()
        connection.execute(sa.delete(rate_limits).where(stale))
    if spool is not None:
        spool.remove_set_aside(older_than.timestamp())
    _scrub(database)
    return total


def forget(connection: sa.Connection, prediction_ids: Sequence[str], now: datetime) -> None:
    """Empty rows that are there, except for the photo's name, and mark them."""
    if not prediction_ids:
        return
    found = sa.select(predictions.c.prediction_id, predictions.c.features)
    rows = connection.execute(found.where(predictions.c.prediction_id.in_(prediction_ids)))
    changes = [
        {"id": row.prediction_id, "kept": _kept_features(row.features), "now": now} for row in rows
    ]
    if changes:
        update = sa.update(predictions).where(predictions.c.prediction_id == sa.bindparam("id"))
        values: dict[str, Any] = {
            "features": sa.bindparam("kept"),
            "erased_at": sa.bindparam("now"),
        }
        connection.execute(update.values(designation=None, description=None, **values), changes)
    notes = sa.update(feedback).where(feedback.c.prediction_id.in_(prediction_ids))
    connection.execute(notes.values(note=""))
    connection.execute(sa.delete(claims).where(claims.c.prediction_id.in_(prediction_ids)))


def forget_erased(connection: sa.Connection, prediction_ids: Sequence[str]) -> None:
    """Empty those rows whose erasure was asked for before they came in from a spool.

    Shuts out erasures until the end of the transaction: one of the two sees the other.
    """
    if connection.dialect.name != "sqlite":  # which has one writer at a time
        connection.execute(sa.text("LOCK TABLE erasures IN SHARE MODE"))
    asked = sa.select(erasures.c.prediction_id).where(erasures.c.prediction_id.in_(prediction_ids))
    found = list(connection.execute(asked).scalars())
    forget(connection, found, datetime.now(UTC))
    _forget_photos(connection, found)


def _forget_photos(connection: sa.Connection, prediction_ids: Sequence[str]) -> None:
    ours = predictions.c.prediction_id.in_(prediction_ids)
    connection.execute(sa.update(predictions).where(ours).values(image_sha256=None))


def _photo_of(database: Database, prediction_id: str, spool: Spool | None) -> str | None:
    found = read_prediction(database, prediction_id, spool)
    if found is None:
        raise UnknownPredictionError(f"There is no prediction {prediction_id!r}.")
    return found.image_sha256


def _delete_unshared(
    database: Database, photo: str, media: Media, spool: Spool | None, *, besides: str = ""
) -> None:
    """Delete a photo unless a row has it; one that gets a row meanwhile is put back."""
    if _is_shared(database, photo, spool, besides):
        return
    content = media.get(photo)
    media.delete(photo)
    if content is not None and _is_shared(database, photo, spool, besides):
        media.put(content)


def _is_shared(database: Database, photo: str, spool: Spool | None, besides: str) -> bool:
    if spool is not None and spool.refers_to(photo, besides=besides):
        return True
    living = (predictions.c.image_sha256 == photo) & predictions.c.erased_at.is_(None)
    statement = sa.select(sa.literal(1)).where(living).limit(1)
    with database.read() as connection:
        return connection.execute(statement).first() is not None


def _without_content(record: Record, now: datetime) -> Record:
    if not isinstance(record, PredictionRecord):
        return replace(record, note="")
    return replace(
        record,
        designation=None,
        description=None,
        image_sha256=None,
        features=_kept_features(record.features),
        erased_at=now,
    )


def _kept_features(features: dict[str, Any]) -> dict[str, Any]:
    return {name: features[name] for name in _OF_THE_ANSWER if name in features}


def _scrub(database: Database) -> None:
    """SQLite keeps old pages in its log until they are moved to the file; PostgreSQL vacuums."""
    if database.is_sqlite:
        connection = database.engine.raw_connection()
        try:
            connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            connection.close()
