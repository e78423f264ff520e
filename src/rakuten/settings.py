"""Deployment facts from the environment and ``.env``: where things are, never what a result is."""

import getpass
import math
import os
import re
import socket
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final, Literal

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from rakuten import catalog
from rakuten.errors import ConfigurationError

ENV_FILE: Final = ".env"

EXPORTED: Final = re.compile(
    r"(AWS_|MLFLOW_|PREFECT_|DVC_|RAKUTEN_|LOG_|OTEL_)\w+|DATABASE_URL|GIT_COMMIT|GIT_BRANCH|NO_COLOR|"
    r"COMPOSE_PROFILES|DO_NOT_TRACK"
)
"""Names in ``.env`` that are handed on to the libraries and programs that read them."""


def processor_limit(cgroup: Path = Path("/sys/fs/cgroup")) -> int:
    """Processors that this process may use: its affinity and its container's quota, at least 1."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    try:
        quota, period = (cgroup / "cpu.max").read_text(encoding="ascii").split()
        share = int(quota) / int(period)
    except (OSError, ValueError):  # no container, or "max": no quota
        return allowed or 1
    return max(1, min(allowed or 1, math.ceil(share)))


class Settings(BaseSettings):
    """What differs between machines; every field is an environment variable of the same name."""

    model_config = SettingsConfigDict(env_ignore_empty=True, extra="ignore", frozen=True)

    mlflow_tracking_uri: str | None = None
    mlflow_experiment_name: str = "rakuten-baseline"
    mlflow_model_name: str = Field("rakuten-classifier", pattern=r"^[^'\"/:%]+$")
    mlflow_s3_endpoint_url: str | None = None
    database_url: str | None = None
    git_commit: str | None = None
    git_branch: str | None = None
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["text", "json"] = "text"
    rakuten_threads: int = Field(default_factory=lambda: min(processor_limit(), 256), ge=1, le=256)
    rakuten_cache_dir: str = ".rakuten/cache"
    rakuten_preflight: Literal["on", "off"] = "on"
    rakuten_actor: str | None = None
    rakuten_notify_url: SecretStr | None = None

    def tracking_uri(self, root: Path) -> str:
        """Tracking server, or the embedded default: an SQLite file in the project folder."""
        return self.mlflow_tracking_uri or f"sqlite:///{(root / 'mlflow.db').resolve()}"

    def store_url(self, root: Path) -> str:
        """Database of the prediction store; by default an SQLite file in the project folder."""
        return self.database_url or f"sqlite:///{(root / '.rakuten' / 'predictions.db').resolve()}"

    def actor(self) -> str:
        """Who does something that is recorded: ``RAKUTEN_ACTOR``, or user and machine."""
        if self.rakuten_actor:
            return self.rakuten_actor
        try:
            user = getpass.getuser()
        except (KeyError, OSError):  # a container's user without a name
            user = str(os.getuid())
        return f"{user}@{socket.gethostname()}"

    def cache_folder(self, root: Path) -> Path | None:
        """Where stages keep vectors of photos for the next run; None if that is switched off."""
        if self.rakuten_cache_dir == "0":
            return None
        return root / Path(self.rakuten_cache_dir).expanduser()


def load_settings() -> Settings:
    """Read the environment.

    Raises:
        ConfigurationError: a variable has a value that cannot be used.
    """
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]).upper() if first["loc"] else "the environment"
        raise ConfigurationError(
            f"{name} has a value that cannot be used: {first['msg']}.",
            hint=f"correct {name} in {ENV_FILE} or in the shell; .env.example explains it",
        ) from error


def load_env_file(root: Path) -> list[str]:
    """Hand the known variables of ``.env`` on to this process and its children.

    What the shell has set wins; empty means unset, in the file and in the shell (so that
    ``set -a; source .env`` and this function agree). Returns the names taken from the file.
    """
    from dotenv import dotenv_values

    for name in [n for n, value in os.environ.items() if not value and EXPORTED.fullmatch(n)]:
        del os.environ[name]
    path = root / ENV_FILE
    if not path.is_file():
        return []
    try:
        values = dotenv_values(path, encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"Cannot read {path}: {error}.") from error
    taken = []
    for name, value in values.items():
        if value and EXPORTED.fullmatch(name) and name not in os.environ:
            os.environ[name] = value
            taken.append(name)
    return taken


def without_password(uri: str) -> str:
    """A URI as it may be shown; whatever stands between its user name and its host is hidden."""
    return re.sub(r"(://[^:/@]*):.*@", r"\1:***@", uri)


@dataclass(frozen=True)
class ProjectPaths:
    """Where things lie below the project folder."""

    root: Path = Path()

    @cached_property
    def raw(self) -> Path:
        """The catalogue as it was imported; never changed in place."""
        return self.root / "data" / "raw"

    @cached_property
    def feedback(self) -> Path:
        """Corrections of people, and their photos."""
        return self.root / "data" / "feedback"

    @cached_property
    def interim(self) -> Path:
        """Outputs of ingest."""
        return self.root / "data" / "interim"

    @cached_property
    def processed(self) -> Path:
        """Outputs of features, train (held-out rows) and predict."""
        return self.root / "data" / "processed"

    @cached_property
    def model(self) -> Path:
        """The model directory."""
        return self.root / "models" / "classifier"

    @cached_property
    def reports(self) -> Path:
        """Scores and pictures of the last training."""
        return self.root / "reports"

    @cached_property
    def params(self) -> Path:
        """What changes a result."""
        return self.root / "params.yaml"

    @cached_property
    def state(self) -> Path:
        """What this project keeps for itself: waiting runs, locks, caches; in no DVC output."""
        return self.root / ".rakuten"

    @cached_property
    def pending_runs(self) -> Path:
        """Runs that wait for the tracking server; outside every DVC output."""
        return self.state / "pending"

    def raw_file(self, name: str) -> Path:
        """A file or folder of ``data/raw`` by its name in :mod:`rakuten.catalog`."""
        return self.raw / name

    @cached_property
    def predictions(self) -> Path:
        """One row per row of ``X_test.csv``."""
        return self.processed / "predictions.csv"

    @cached_property
    def test_images(self) -> Path:
        """Photos of ``X_test.csv``."""
        return self.raw / catalog.IMAGE_TEST
