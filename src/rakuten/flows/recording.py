"""What a run of the pipeline did, kept in the store: bookkeeping, which never costs a run."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from math import isfinite
from pathlib import Path
from typing import Final

from rakuten.errors import RakutenError
from rakuten.flows.publication import PipelineOutcome
from rakuten.flows.reproduction import Reproduced
from rakuten.logs import get_logger
from rakuten.settings import Settings
from rakuten.store.database import Database
from rakuten.store.flow_runs import FAILED, PIPELINE, FlowRun, put_flow_run
from rakuten.store.records import new_prediction_id

log = get_logger(__name__)

STORE_SECONDS: Final = 3.0
"""No transaction of this bookkeeping takes longer."""
_LONGEST_ERROR: Final = 2000


@contextmanager
def recorded(settings: Settings, root: Path, name: str) -> Iterator["Recording"]:
    """Keep in the store that a run began, what it did, and how it ended, whatever ends it.

    A store that is away costs a warning and a few seconds, and nothing is tried again before the
    end. What a killed process began has no end in the store.

    Args:
        settings: the database, and the name of the registered model.
        root: the project folder.
        name: of the run.
    """
    recording = Recording(settings, root, name)
    recording.save()
    try:
        yield recording
    except BaseException as error:  # an interrupt too; it goes on its way
        recording.fail(error)
        raise
    recording.end()


class Recording:
    """A run under way."""

    def __init__(self, settings: Settings, root: Path, name: str) -> None:
        self._url = settings.store_url(root)
        self._away = False
        self._start = time.monotonic()
        self._state: str | None = None
        self.run = FlowRun(
            run_id=new_prediction_id(),
            flow=PIPELINE,
            name=name,
            model_name=settings.mlflow_model_name,
            started_at=datetime.now(UTC),
        )

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """A stage that is worked on; one that raises has failed, after the time that it took."""
        start = time.monotonic()
        try:
            yield
        except BaseException:
            self._add(name, FAILED, time.monotonic() - start)
            raise

    def add(self, found: Reproduced) -> None:
        """Keep that a stage is up to date, and how long DVC took to bring it there."""
        self._add(found.stage, found.outcome, found.seconds)
        if not self._away:
            self.save()

    def publish(self, outcome: PipelineOutcome, scores: Mapping[str, float]) -> None:
        """What came of the model; the run ends so, unless something fails behind it."""
        self._state = outcome.state
        self.run = replace(
            self.run,
            version=outcome.version,
            mlflow_run_id=outcome.run_id,
            scores={name: value for name, value in scores.items() if isfinite(value)},
        )

    def fail(self, error: BaseException) -> None:
        """The run ends with an error."""
        self.run = replace(self.run, error=_words(error)[:_LONGEST_ERROR])
        self._state = FAILED
        self.end()

    def end(self) -> None:
        """The run is over."""
        seconds = time.monotonic() - self._start
        finished = self.run.started_at.timestamp() + seconds
        self.run = replace(
            self.run, state=self._state, finished_at=datetime.fromtimestamp(finished, UTC)
        )
        self.save()

    def save(self) -> None:
        """Write the run as it is now; the store may be away."""
        try:
            database = Database(self._url, pool_size=1, seconds=STORE_SECONDS)
            try:
                database.migrate(STORE_SECONDS)
                put_flow_run(database, self.run)
            finally:
                database.close()
        except Exception as error:  # noqa: BLE001 - the boundary: no run fails for its record
            self._away = True
            log.warning("the store does not have this run as it is now: %s", _words(error))
        else:
            self._away = False

    def _add(self, name: str, outcome: str, seconds: float) -> None:
        entry = {"stage": name, "outcome": outcome, "seconds": round(seconds, 3)}
        self.run = replace(self.run, stages=[*self.run.stages, entry])


def _words(error: BaseException) -> str:
    if isinstance(error, RakutenError):
        return error.message
    return f"{type(error).__name__}: {error}".removesuffix(": ")
