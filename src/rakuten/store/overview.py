"""What the store holds, in numbers: read in transactions that write nothing."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from rakuten.errors import DatabaseAwayError, StoreError
from rakuten.store.database import Database, revision_of
from rakuten.store.flow_runs import FAILED, PIPELINE
from rakuten.store.tables import (
    REVISION,
    decisions,
    feedback,
    flow_runs,
    monitor_runs,
    predictions,
    to_review,
)

_DECISIONS: Final = 50
_STAGED_RUNS: Final = 500


@dataclass(frozen=True)
class Finished:
    """A run that ended."""

    started_at: datetime
    finished_at: datetime
    outcome: str


@dataclass(frozen=True)
class Success:
    """The newest check that worked; ``findings`` are JSON as it is stored."""

    finished_at: datetime
    rows: int
    findings: str


@dataclass(frozen=True)
class Overview:
    """Checks, decisions and pipeline runs of one model, as of one moment.

    Rows without an end (under way, or killed) are in none of the counts: a count only grows while
    rows stay. ``reasons`` are those of the newest decisions and ``stages`` those of the newest
    pipeline runs that ended, newest first, as JSON texts.
    """

    checks: dict[str, int] = field(default_factory=dict)
    newest_check: Finished | None = None
    success: Success | None = None
    decided: dict[str, tuple[int, datetime]] = field(default_factory=dict)
    reasons: list[str] = field(default_factory=list)
    retraining_since: datetime | None = None
    pipelines: dict[str, int] = field(default_factory=dict)
    newest_pipeline: Finished | None = None
    pipeline_success: datetime | None = None
    stages: list[tuple[datetime, str]] = field(default_factory=list)


@dataclass(frozen=True)
class People:
    """What waits for reviewers, claimed or not, and what they have said so far."""

    queued: int
    oldest_queued: datetime | None
    feedback: int
    newest_feedback: datetime | None


def read_overview(database: Database, model_name: str, *, failed_check: str) -> Overview:
    """Read all of it as of one moment; it takes some milliseconds, whatever the traffic was.

    Args:
        database: the store.
        model_name: of the registered model.
        failed_check: outcome of a check that says nothing of the traffic.

    Raises:
        DatabaseAwayError: nobody answered in time, or there is no SQLite file.
        StoreError: the tables are older than this version of the project, or it refused.
    """
    with reading(database) as connection:
        return Overview(
            **_checks(connection, model_name, failed_check),
            **_decisions(connection, model_name),
            **_pipelines(connection, model_name),
        )


def read_people(database: Database) -> People:
    """Read what waits and what was said, from indexes alone; it takes longer the more waits.

    Raises:
        As :func:`read_overview` does.
    """
    # Ids sort by time; their text has a minimum in every version of PostgreSQL, and no collation.
    ids = sa.cast(predictions.c.prediction_id, sa.Text)
    oldest = sa.func.min(ids if database.is_sqlite else sa.collate(ids, "C"))
    said = sa.select(sa.func.count(), sa.func.max(feedback.c.given_at)).select_from(feedback)
    with reading(database) as connection:
        waiting = sa.select(sa.func.count(), oldest).where(to_review)
        count, first = connection.execute(waiting).one()
        since = sa.select(predictions.c.created_at).where(predictions.c.prediction_id == first)
        return People(
            count,
            connection.execute(since).scalar() if first else None,
            *connection.execute(said).one(),
        )


@contextmanager
def reading(database: Database) -> Iterator[sa.Connection]:
    """A transaction that sees one moment and cannot write, on tables that are new enough."""
    _require_file(database)
    with database.read() as connection, _write_protected(connection, sqlite=database.is_sqlite):
        _require_tables(connection, database.shown)
        yield connection


@contextmanager
def _write_protected(connection: sa.Connection, *, sqlite: bool) -> Iterator[None]:
    if not sqlite:  # the first statement says what the transaction sees and may do
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        yield
        return
    connection.exec_driver_sql("PRAGMA query_only=ON")
    try:
        yield
    finally:  # others use the connection later
        connection.exec_driver_sql("PRAGMA query_only=OFF")


def _require_file(database: Database) -> None:
    if database.is_file_absent:
        raise DatabaseAwayError(
            f"{database.shown} is not there.", hint="whoever writes first makes it: the service"
        )


def _require_tables(connection: sa.Connection, shown: str) -> None:
    found = revision_of(connection)
    if found is None or found < REVISION:
        raise StoreError(
            f"{shown} has {f'tables of {found}' if found else 'no tables'}; {REVISION} is needed.",
            hint="the service and the flows bring tables up to date when they start; "
            "rakuten keys list does, too",
        )


def _checks(connection: sa.Connection, model_name: str, failed: str) -> dict[str, Any]:
    t = monitor_runs
    ours = (t.c.model_name == model_name) & t.c.finished_at.is_not(None)
    newest = t.c.started_at.desc(), t.c.run_id.desc()
    shown = sa.select(t.c.started_at, t.c.finished_at, t.c.outcome).where(ours)
    said = sa.cast(t.c.findings, sa.Text)  # read by whoever knows what it should be
    worked = sa.select(t.c.finished_at, t.c.rows, said).where(ours)
    last = connection.execute(shown.order_by(*newest).limit(1)).first()
    success = worked.where(t.c.outcome != failed).order_by(*newest).limit(1)
    found = connection.execute(success).first()
    return {
        "checks": _counts(connection, t.c.outcome, ours),
        "newest_check": Finished(*last) if last else None,
        "success": Success(*found) if found else None,
    }


def _decisions(connection: sa.Connection, model_name: str) -> dict[str, Any]:
    t = decisions
    ours = t.c.model_name == model_name
    newest = t.c.created_at.desc(), t.c.decision_id.desc()
    counted = sa.select(t.c.action, sa.func.count(), sa.func.max(t.c.created_at))
    said = sa.select(sa.cast(t.c.reasons, sa.Text)).where(ours).order_by(*newest)
    retraining = sa.select(t.c.created_at, t.c.finished_at).where(ours, t.c.action == "retrain")
    last = connection.execute(retraining.order_by(*newest).limit(1)).first()
    return {
        "decided": {
            action: (count, at)
            for action, count, at in connection.execute(counted.where(ours).group_by(t.c.action))
        },
        "reasons": list(connection.execute(said.limit(_DECISIONS)).scalars()),
        "retraining_since": last[0] if last and last[1] is None else None,
    }


def _pipelines(connection: sa.Connection, model_name: str) -> dict[str, Any]:
    t = flow_runs
    ended = t.c.finished_at.is_not(None)
    ours = (t.c.model_name == model_name) & (t.c.flow == PIPELINE) & ended
    newest = t.c.started_at.desc(), t.c.run_id.desc()
    last = connection.execute(
        sa.select(t.c.started_at, t.c.finished_at, t.c.state)
        .where(ours)
        .order_by(t.c.finished_at.desc(), *newest)
        .limit(1)
    ).first()
    success = sa.select(sa.func.max(t.c.finished_at)).where(ours, t.c.state != FAILED)
    stages = sa.select(t.c.finished_at, sa.cast(t.c.stages, sa.Text)).where(ours)
    rows = connection.execute(stages.order_by(*newest).limit(_STAGED_RUNS))
    return {
        "pipelines": _counts(connection, t.c.state, ours),
        "newest_pipeline": Finished(*last) if last else None,
        "pipeline_success": connection.execute(success).scalar(),
        "stages": [(at, text) for at, text in rows],
    }


def _counts(
    connection: sa.Connection, column: "sa.Column[Any]", where: "sa.ColumnElement[bool]"
) -> dict[str, int]:
    statement = sa.select(column, sa.func.count()).where(where).group_by(column)
    return {str(word): count for word, count in connection.execute(statement)}
