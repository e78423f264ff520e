"""One check of live traffic: what was seen, where it is reported, what follows from it."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from rakuten.errors import MissingExtraError, RakutenError
from rakuten.logs import get_logger
from rakuten.monitoring.evidence import Outcome
from rakuten.monitoring.history import decide_and_record
from rakuten.monitoring.live import FOLDER, find_champion, read_live
from rakuten.monitoring.report import draft_report
from rakuten.monitoring.window import Seen, look_at_traffic
from rakuten.params import MonitoringParams
from rakuten.settings import ProjectPaths, Settings
from rakuten.store.database import Database
from rakuten.store.monitoring import DecisionRecord, MonitorRun, put_run
from rakuten.store.records import new_prediction_id
from rakuten.tracking.connection import Connection
from rakuten.tracking.registry import Registry

log = get_logger(__name__)

_NEEDED: Final = {"evidently": "monitor", "jinja2": "pipeline", "mlflow": "pipeline"}
"""Package → the extra that brings it."""


@dataclass(frozen=True)
class Checked:
    """A check that ended, as the store keeps it, and what was decided on it.

    ``report`` is the page for people; it and ``seen`` are None where the check failed.
    """

    run: MonitorRun
    decision: DecisionRecord
    report: Path | None = None
    seen: Seen | None = None


def check_traffic(
    paths: ProjectPaths,
    settings: Settings,
    params: MonitoringParams,
    *,
    now: datetime | None = None,
    note: Callable[[str], None] = lambda _: None,
) -> Checked:
    """Check the newest answers of the live model, report on them, and decide; act on nothing.

    A run is in the store from the beginning. Whatever goes wrong while it goes on (no registry, a
    damaged model, a full disk) ends it as a failed check with the reason in ``error``, on which
    people are alerted and nothing is retrained.

    Args:
        paths: the project: its embedded registry and store, its reports.
        settings: tracking server, name of the registered model, database.
        params: the section ``monitoring`` of ``params.yaml``.
        now: the moment of the check, by default this one; later answers are not read.
        note: called with what is going on.

    Raises:
        MissingExtraError: a package is not installed; nothing was begun.
        DatabaseAwayError: the store did not answer; nothing was decided, or nobody knows.
        StoreError: the store refused.
    """
    for package, extra in _NEEDED.items():
        if find_spec(package) is None:
            raise MissingExtraError(package, extra, "Monitoring")
    database = Database(settings.store_url(paths.root))
    try:
        database.migrate()
        return _Check(database, paths, settings, params, now or datetime.now(UTC), note).run()
    finally:
        database.close()


class _Check:
    """A check under way; ``begun`` grows with what is known of the run."""

    def __init__(
        self,
        database: Database,
        paths: ProjectPaths,
        settings: Settings,
        params: MonitoringParams,
        now: datetime,
        note: Callable[[str], None],
    ) -> None:
        self.database, self.paths, self.settings = database, paths, settings
        self.params, self.now, self.note = params, now, note
        self.name = settings.mlflow_model_name
        self.start = time.monotonic()
        self.begun = MonitorRun(
            run_id=new_prediction_id(),
            started_at=now,
            model_name=self.name,
            model_version=None,
            outcome=Outcome.CHECK_FAILED.value,
        )

    def run(self) -> Checked:
        put_run(self.database, self.begun)
        try:
            seen = self._look()
            found = self._found(seen)
            self.note("writing the report")
            draft = draft_report(self.paths, found, seen, keep=self.params.reports_kept)
            run = replace(found, finished_at=self._moment(), report=draft.shown)
            put_run(self.database, run)
        except Exception as error:  # the boundary of a check: it failed, and says so
            strange = not isinstance(error, RakutenError)
            reason = f"{type(error).__name__}: {error}" if strange else str(error)
            log.warning("check %s failed: %s", self.begun.run_id, reason, exc_info=strange)
            run = replace(self.begun, finished_at=self._moment(), error=reason)
            put_run(self.database, run)
            return Checked(run, self._decide())
        decision = self._decide()
        return Checked(run, decision, draft.finish(run, decision), seen)

    def _look(self) -> Seen:
        self.note("asking the registry which version answers")
        registry = Registry(Connection(self.settings, self.paths.root), self.name)
        version = find_champion(registry)
        self.begun = replace(self.begun, model_version=version.number)
        live = read_live(registry, version, self.paths.root / FOLDER)
        return look_at_traffic(
            self.database, live, self.name, self.params, now=self.now, note=self.note
        )

    def _found(self, seen: Seen) -> MonitorRun:
        return replace(
            self.begun,
            outcome=seen.drift.outcome.value,
            rows=seen.read,
            window_start=seen.start,
            window_end=seen.end,
            findings=seen.findings(),
        )

    def _decide(self) -> DecisionRecord:
        return decide_and_record(
            self.database,
            self.name,
            self.begun.model_version,
            now=self._moment(),
            params=self.params.retraining,
        )

    def _moment(self) -> datetime:
        return self.now + timedelta(seconds=time.monotonic() - self.start)
