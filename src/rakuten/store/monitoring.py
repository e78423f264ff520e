"""What monitoring saw of each window, and what was decided on it."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from rakuten.errors import RecordRefusedError
from rakuten.store.database import Database
from rakuten.store.predictions import insert_for
from rakuten.store.tables import decisions, monitor_runs


@dataclass(frozen=True)
class MonitorRun:
    """One look at a window of traffic.

    ``window_start`` and ``window_end`` are the times of the oldest and the newest row that was
    read, None where there was no row. ``finished_at`` is None while the check runs, and stays so
    where it was killed. ``report`` is a path or a URI; ``error`` says why a check failed.
    """

    run_id: str
    started_at: datetime
    model_name: str
    model_version: int | None
    outcome: str
    rows: int = 0
    finished_at: datetime | None = None
    window_start: datetime | None = None
    window_end: datetime | None = None
    findings: dict[str, Any] = field(default_factory=dict)
    report: str | None = None
    error: str | None = None


@dataclass(frozen=True)
class DecisionRecord:
    """What was decided: the reasons as JSON values, and the ids of the runs that they rest on.

    ``finished_at`` and ``result`` (JSON values) are None until it is known what came of it.
    """

    decision_id: str
    created_at: datetime
    model_name: str
    model_version: int | None
    action: str
    reasons: list[dict[str, Any]]
    evidence: list[str]
    finished_at: datetime | None = None
    result: dict[str, Any] | None = None


def put_run(database: Database, run: MonitorRun) -> None:
    """Write a run, or write it again under its id: what began is finished so.

    Raises:
        DatabaseAwayError: nobody answered.
        RecordRefusedError: a finding is nothing that JSON has a word for (NaN, for instance).
    """
    with database.write() as connection:
        insert = insert_for(connection, monitor_runs)
        values = {c.name: insert.excluded[c.name] for c in monitor_runs.c if not c.primary_key}
        statement = insert.on_conflict_do_update(index_elements=["run_id"], set_=values)
        write_values(connection, statement, vars(run))


def read_runs(database: Database, limit: int, *, model_name: str | None = None) -> list[MonitorRun]:
    """The newest runs, newest first; those that did not finish are among them.

    Raises:
        DatabaseAwayError: nobody answered.
    """
    statement = sa.select(monitor_runs)
    if model_name is not None:
        statement = statement.where(monitor_runs.c.model_name == model_name)
    newest = monitor_runs.c.started_at.desc(), monitor_runs.c.run_id.desc()
    with database.read() as connection:
        rows = connection.execute(statement.order_by(*newest).limit(limit)).mappings()
        return [MonitorRun(**row) for row in rows]


def put_decision(database: Database, decision: DecisionRecord) -> None:
    """Write a decision; one that is there stays as it is.

    Raises:
        DatabaseAwayError: nobody answered; ask :func:`read_decisions` before acting.
        RecordRefusedError: a reason is nothing that JSON has a word for.
    """
    with database.write() as connection:
        statement = insert_for(connection, decisions).on_conflict_do_nothing()
        write_values(connection, statement, vars(decision))


def read_decisions(
    database: Database,
    limit: int,
    *,
    model_name: str | None = None,
    action: str | None = None,
) -> list[DecisionRecord]:
    """The newest decisions, newest first, of one kind where ``action`` names it.

    Raises:
        DatabaseAwayError: nobody answered.
    """
    statement = sa.select(decisions)
    if model_name is not None:
        statement = statement.where(decisions.c.model_name == model_name)
    if action is not None:
        statement = statement.where(decisions.c.action == action)
    newest = decisions.c.created_at.desc(), decisions.c.decision_id.desc()
    with database.read() as connection:
        rows = connection.execute(statement.order_by(*newest).limit(limit)).mappings()
        return [DecisionRecord(**row) for row in rows]


def finish_decision(
    database: Database, decision_id: str, *, result: dict[str, Any], now: datetime
) -> None:
    """Write what came of a decision; the first result stays.

    Raises:
        DatabaseAwayError: nobody answered.
        RecordRefusedError: there is no such decision, or JSON has no word for the result.
    """
    ours = decisions.c.decision_id == decision_id
    unfinished = sa.update(decisions).where(ours, decisions.c.finished_at.is_(None))
    with database.write() as connection:
        if connection.execute(sa.select(ours).where(ours)).first() is None:
            raise RecordRefusedError(f"There is no decision {decision_id} to finish.")
        write_values(connection, unfinished, {"finished_at": now, "result": result})


def open_retraining(database: Database, model_name: str) -> DecisionRecord | None:
    """The newest decision to retrain a model, if it has no result; older ones are overtaken.

    Raises:
        DatabaseAwayError: nobody answered.
    """
    newest = read_decisions(database, 1, model_name=model_name, action="retrain")
    return next((one for one in newest if one.finished_at is None), None)


def write_values(connection: sa.Connection, statement: Any, values: dict[str, Any]) -> None:
    """Execute a statement that writes one row.

    Raises:
        RecordRefusedError: JSON has no word for one of the values.
    """
    try:
        connection.execute(statement, values)
    except (TypeError, ValueError) as error:  # where psycopg writes JSON itself
        raise RecordRefusedError(f"A row cannot be stored: {error}.") from error
