"""The project that a flow works on, and how patient its runs are."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from rakuten.params import Params, load_params
from rakuten.settings import ProjectPaths, Settings, load_env_file, load_settings


class Limits(BaseModel):
    """How long a run waits for what, and how often it tries what may succeed later."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    stage_minutes: float = Field(240, gt=0)
    """A DVC stage, or a push, that takes longer is ended, and not tried again."""
    lock_minutes: float = Field(30, ge=0)
    """Wait for another pipeline run of this project."""
    retries: int = Field(5, ge=0, le=12)
    """Further attempts after an outage, a lock or a killed stage."""
    retry_seconds: float = Field(4, ge=0)
    """Before the first of them; each later one waits twice as long."""
    decision_hours: float = Field(24, gt=0)
    """A decision to retrain that nobody could carry out for so long is given up."""


@dataclass(frozen=True)
class Project:
    """Where things lie, the settings, and what changes a result."""

    paths: ProjectPaths
    settings: Settings
    params: Params

    @property
    def pipeline_lock(self) -> Path:
        """Held while the pipeline runs."""
        return self.paths.state / "pipeline.lock"

    @property
    def retraining_lock(self) -> Path:
        """Held while a decision to retrain is carried out."""
        return self.paths.state / "retraining.lock"


def open_project(root: Path) -> Project:
    """Read ``.env``, the settings and ``params.yaml`` of a project folder.

    Raises:
        ConfigurationError: a value cannot be used.
    """
    load_env_file(root)
    paths = ProjectPaths(root.resolve())
    return Project(paths, load_settings(), load_params(paths.params))


@contextmanager
def run_log(settings: Settings) -> Iterator[None]:
    """While a flow runs, the project's own log lines are in the run's log, too."""
    from prefect.context import FlowRunContext
    from prefect.logging.handlers import APILogHandler

    log, handler = logging.getLogger("rakuten"), APILogHandler()
    handler.addFilter(lambda _: FlowRunContext.get() is not None)
    level = log.level
    if level == logging.NOTSET:  # no command line set it up
        log.setLevel(settings.log_level)
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(level)
