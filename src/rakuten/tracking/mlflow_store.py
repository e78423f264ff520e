"""The one place that talks to MLflow: connecting, writing a run, finding and completing it."""

import logging
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import rakuten
from rakuten.errors import MissingExtraError, RakutenError, TrackingError
from rakuten.logs import get_logger
from rakuten.settings import Settings, without_password
from rakuten.tracking import pyfunc
from rakuten.tracking.pending import PendingRun

log = get_logger(__name__)

RECORD_TAG: Final = "record_id"
MODEL_TAG: Final = "model_sha256"
COMPLETE_TAG: Final = "record_complete"

_CLIENT_DEFAULTS: Final = {
    # An absent server is named in seconds; MLflow's own defaults retry for minutes.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_RECORD_ENV_VARS_IN_MODEL_LOGGING": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}


class MlflowStore:
    """A connection to the tracking server, or to the embedded SQLite file."""

    def __init__(self, settings: Settings, root: Path) -> None:
        self.uri = settings.tracking_uri(root)
        self._embedded_artifacts = None if settings.mlflow_tracking_uri else root / "mlartifacts"
        self._mlflow = _import_mlflow()
        with _boundary(self.uri):
            self._mlflow.set_tracking_uri(self.uri)
            self._mlflow.set_registry_uri(self.uri)
            self._client = self._mlflow.MlflowClient()

    def answers(self) -> bool:
        """Whether the tracking store can be asked at all."""
        try:
            with _boundary(self.uri):
                self._client.search_experiments(max_results=1)
        except TrackingError:
            return False
        return True

    def write(self, pending: PendingRun) -> str:
        """Write a kept record as a finished run and return its id; never twice.

        Raises:
            TrackingError: the server did not answer or refused; the record stays.
        """
        record = pending.record
        with _boundary(self.uri):
            experiment = self._experiment_id(record.experiment)
            for run in self._search(experiment, RECORD_TAG, record.record_id):
                if run.data.tags.get(COMPLETE_TAG) == "true":
                    return str(run.info.run_id)
                self._client.delete_run(run.info.run_id)  # half-written by a killed process
            with self._mlflow.start_run(
                experiment_id=experiment,
                run_name=record.run_name,
                tags={**record.tags, RECORD_TAG: record.record_id},
            ) as active:
                self._write_content(pending)
            # Last of all: a run without it is replaced when its record is written again.
            self._client.set_tag(active.info.run_id, COMPLETE_TAG, "true")
            return str(active.info.run_id)

    def find_by_model(self, experiment: str, model_sha256: str) -> Any | None:
        """Newest complete run that made this model, or None where there is none.

        Raises:
            TrackingError: the server did not answer; that is not "none".
        """
        with _boundary(self.uri):
            found = self._client.get_experiment_by_name(experiment)
            if found is None:
                return None
            runs = self._search(found.experiment_id, MODEL_TAG, model_sha256)
            complete = [run for run in runs if run.data.tags.get(COMPLETE_TAG) == "true"]
            return complete[0] if complete else None

    def attach(self, run_id: str, tags: Mapping[str, str], artifacts: Mapping[str, Path]) -> None:
        """Add files, then tags, to a finished run.

        Raises:
            TrackingError: the server did not answer or refused.
        """
        with _boundary(self.uri):
            for name, path in artifacts.items():
                folder = str(Path(name).parent)
                self._client.log_artifact(run_id, str(path), None if folder == "." else folder)
            for key, value in tags.items():
                self._client.set_tag(run_id, key, value)

    def recent(self, experiment: str, limit: int) -> list[Any]:
        """Newest runs of an experiment.

        Raises:
            TrackingError: the server did not answer.
        """
        with _boundary(self.uri):
            found = self._client.get_experiment_by_name(experiment)
            if found is None:
                return []
            return list(
                self._client.search_runs(
                    [found.experiment_id], max_results=limit, order_by=["start_time DESC"]
                )
            )

    def _write_content(self, pending: PendingRun) -> None:
        record, mlflow = pending.record, self._mlflow
        mlflow.log_params(record.params)
        mlflow.log_metrics(record.metrics)
        self._log_dataset(record.dataset)
        for name, path in record.artifacts.items():
            folder = str(Path(name).parent)
            mlflow.log_artifact(str(pending.folder / path), None if folder == "." else folder)
        model = pending.folder / record.model
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # hints on type inference that the signature answers
            mlflow.pyfunc.log_model(
                name="model",
                loader_module=pyfunc.LOADER,
                data_path=str(model),
                code_paths=[str(Path(rakuten.__file__).parent)],
                signature=pyfunc.signature(),
                input_example=pyfunc.input_example(),
                pip_requirements=pyfunc.requirements(model),
            )

    def _log_dataset(self, values: Mapping[str, str]) -> None:
        """Name the training rows; of two runs that name the same for the first time, one fails."""
        dataset = _dataset(values)
        try:
            self._mlflow.log_input(dataset, context="training")
        except self._mlflow.exceptions.MlflowException as error:
            if "dataset" not in str(error):
                raise
            self._mlflow.log_input(dataset, context="training")  # now it finds the other's

    def _experiment_id(self, name: str) -> str:
        found = self._client.get_experiment_by_name(name)
        if found is not None:
            return str(found.experiment_id)
        place = self._embedded_artifacts
        try:
            return str(
                self._client.create_experiment(name, place.resolve().as_uri() if place else None)
            )
        except self._mlflow.exceptions.MlflowException:
            found = self._client.get_experiment_by_name(name)  # somebody else was faster
            if found is None:
                raise
            return str(found.experiment_id)

    def _search(self, experiment: str, tag: str, value: str) -> list[Any]:
        return list(
            self._client.search_runs(
                [experiment], f"tags.{tag} = '{value}'", order_by=["start_time DESC"]
            )
        )


@contextmanager
def _boundary(uri: str) -> Iterator[None]:
    """Everything that MLflow, its database driver or its artifact store raise becomes one error."""
    try:
        yield
    except RakutenError:
        raise
    except Exception as error:
        detail = str(error).strip().splitlines()
        log.debug("tracking failed", exc_info=True)
        raise TrackingError(
            f"The tracking store {without_password(uri)} failed: "
            f"{detail[0] if detail else type(error).__name__}.",
            hint="rakuten doctor checks it; rakuten runs resume logs what is waiting",
        ) from error


def _dataset(values: Mapping[str, str]) -> Any:
    from mlflow.data.dataset_source_registry import resolve_dataset_source
    from mlflow.data.meta_dataset import MetaDataset

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "can be interpreted in multiple ways": both are local
        source = resolve_dataset_source(values["source"])
    return MetaDataset(source, name=values["name"], digest=values["digest"])


def _import_mlflow() -> Any:
    for name, value in _CLIENT_DEFAULTS.items():
        os.environ.setdefault(name, value)
    try:
        import mlflow
        import mlflow.pyfunc
    except ModuleNotFoundError as error:
        raise MissingExtraError("mlflow", "pipeline", "Tracking runs") from error
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    return mlflow
