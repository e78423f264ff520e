"""What runs of flows did: when, stage by stage, and how they ended."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from rakuten.store.database import Database
from rakuten.store.monitoring import write_values
from rakuten.store.predictions import insert_for
from rakuten.store.tables import flow_runs

PIPELINE: Final = "rakuten_pipeline"
"""The flow whose runs are kept."""
FAILED: Final = "failed"
STATES: Final = ("promoted", "refused", "unchanged", "registered", FAILED)
"""How a run of it ends; all but the last are successes."""
RAN: Final = "ran"
"""Outcome of a stage that was really run; others had nothing to do, or failed."""


@dataclass(frozen=True)
class FlowRun:
    """One run of a flow.

    ``finished_at`` and ``state`` are None while it goes on, and stay so where its process was
    killed. ``stages`` are ``{"stage": name, "outcome": word, "seconds": number}`` in the order in
    which they ended. ``version``, ``mlflow_run_id`` and ``scores`` (by name, of the held-out
    rows) are those of the model, where it was registered; ``error`` says why a run failed.
    """

    run_id: str
    flow: str
    name: str
    model_name: str
    started_at: datetime
    finished_at: datetime | None = None
    state: str | None = None
    version: int | None = None
    mlflow_run_id: str | None = None
    stages: list[dict[str, Any]] = field(default_factory=list)
    scores: dict[str, float] = field(default_factory=dict)
    error: str | None = None


def put_flow_run(database: Database, run: FlowRun) -> None:
    """Write a run, or write it again under its id: what began goes on, and ends so.

    Raises:
        DatabaseAwayError: nobody answered.
        RecordRefusedError: a score is nothing that JSON has a word for (NaN, for instance).
    """
    with database.write() as connection:
        insert = insert_for(connection, flow_runs)
        values = {c.name: insert.excluded[c.name] for c in flow_runs.c if not c.primary_key}
        statement = insert.on_conflict_do_update(index_elements=["run_id"], set_=values)
        write_values(connection, statement, vars(run))


def read_flow_runs(
    database: Database, limit: int, *, model_name: str | None = None
) -> list[FlowRun]:
    """The newest runs, newest first; those that did not finish are among them.

    Raises:
        DatabaseAwayError: nobody answered.
    """
    statement = sa.select(flow_runs)
    if model_name is not None:
        statement = statement.where(flow_runs.c.model_name == model_name)
    newest = flow_runs.c.started_at.desc(), flow_runs.c.run_id.desc()
    with database.read() as connection:
        rows = connection.execute(statement.order_by(*newest).limit(limit)).mappings()
        return [FlowRun(**row) for row in rows]
