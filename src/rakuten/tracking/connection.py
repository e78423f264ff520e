"""The way to MLflow: a client with short time-outs, and one error for whatever it raises."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import Any, Final

from rakuten.errors import MissingExtraError, RakutenError, TrackingError
from rakuten.logs import get_logger
from rakuten.settings import Settings, without_password

log = get_logger(__name__)

_CLIENT_DEFAULTS: Final = {
    # An absent server is named in seconds; MLflow's own defaults retry for minutes.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_RECORD_ENV_VARS_IN_MODEL_LOGGING": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}


class Connection:
    """A tracking server with its registry, or the embedded SQLite file."""

    def __init__(self, settings: Settings, root: Path) -> None:
        self.uri = settings.tracking_uri(root)
        self.mlflow = _import_mlflow()
        with self.boundary(), _same_environment("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"):
            self.mlflow.set_tracking_uri(self.uri)
            self.mlflow.set_registry_uri(self.uri)
            self.client = self.mlflow.MlflowClient()

    @contextmanager
    def boundary(self, what: str = "The tracking store") -> Iterator[None]:
        """Whatever MLflow, its database driver or its artifact store raise becomes one error.

        Raises:
            TrackingError: it did not answer, or refused; it never means "absent".
        """
        try:
            yield
        except RakutenError:
            raise
        except Exception as error:
            detail = str(error).strip().splitlines()
            log.debug("tracking failed", exc_info=True)
            raise TrackingError(
                f"{what} {without_password(self.uri)} failed: "
                f"{detail[0] if detail else type(error).__name__}.",
                hint="rakuten doctor checks it; rakuten runs resume logs what is waiting",
            ) from error


@contextmanager
def _same_environment(*names: str) -> Iterator[None]:
    """Undo what MLflow exports: read again as a setting, the default would pass for a server."""
    before = {name: os.environ.get(name) for name in names}
    yield
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def import_ahead() -> Thread:
    """Import MLflow in a thread of its own, which takes seconds, while a program is waited for."""
    _choose_defaults()
    thread = Thread(target=_import_if_there, name="import-mlflow")
    thread.start()
    return thread


def _import_if_there() -> None:
    with suppress(MissingExtraError):  # whoever needs it says so
        _import_mlflow()


def _choose_defaults() -> None:
    for name, value in _CLIENT_DEFAULTS.items():
        os.environ.setdefault(name, value)


def _import_mlflow() -> Any:
    _choose_defaults()
    try:
        import mlflow
    except ModuleNotFoundError as error:
        raise MissingExtraError("mlflow", "pipeline", "Tracking runs") from error
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    return mlflow
