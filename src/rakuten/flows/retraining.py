"""The store's part of monitoring: a check, the decision on it, and what came of a retraining."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from rakuten.flows.project import Project
from rakuten.monitoring.check import Checked, check_traffic
from rakuten.store.database import Database
from rakuten.store.monitoring import DecisionRecord, finish_decision, open_retraining


def look_at_traffic(project: Project, *, note: Callable[[str], None]) -> Checked:
    """Check the newest answers of the live model and decide; the store has both before this ends.

    Raises:
        DatabaseAwayError: the store did not answer; nothing was decided, or nobody knows.
    """
    return check_traffic(project.paths, project.settings, project.params.monitoring, note=note)


def find_open_retraining(project: Project) -> DecisionRecord | None:
    """The decision to retrain that nobody has carried out, if there is one.

    Raises:
        DatabaseAwayError: the store did not answer.
    """
    with _database(project) as database:
        return open_retraining(database, project.settings.mlflow_model_name)


def finish_retraining(project: Project, decision: DecisionRecord, result: dict[str, Any]) -> None:
    """Keep what came of a decision; the first result stays.

    Raises:
        DatabaseAwayError: the store did not answer.
    """
    with _database(project) as database:
        finish_decision(database, decision.decision_id, result=result, now=datetime.now(UTC))


def is_stale(decision: DecisionRecord, hours: float) -> bool:
    """Whether a decision is too old to be acted on: newer windows say more."""
    return datetime.now(UTC) - decision.created_at > timedelta(hours=hours)


def reasons_of(decision: DecisionRecord) -> str:
    """Why it was decided, in the sentences that the store keeps."""
    return " ".join(str(reason.get("sentence", "")) for reason in decision.reasons).strip()


@contextmanager
def _database(project: Project) -> Iterator[Database]:
    database = Database(project.settings.store_url(project.paths.root))
    try:
        database.migrate()
        yield database
    finally:
        database.close()
