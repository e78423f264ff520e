"""Runs in MLflow: writing one, finding it and completing it."""

import warnings
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from rakuten.errors import TrackingError
from rakuten.settings import Settings
from rakuten.tracking import pyfunc
from rakuten.tracking.connection import Connection
from rakuten.tracking.pending import PendingRun

RECORD_TAG: Final = "record_id"
MODEL_TAG: Final = "model_sha256"
COMPLETE_TAG: Final = "record_complete"


class MlflowStore:
    """A connection to the tracking server, or to the embedded SQLite file."""

    def __init__(self, settings: Settings, root: Path) -> None:
        self._connection = Connection(settings, root)
        self._mlflow, self._client = self._connection.mlflow, self._connection.client
        self._embedded_artifacts = None if settings.mlflow_tracking_uri else root / "mlartifacts"

    def answers(self) -> bool:
        """Whether the tracking store can be asked at all."""
        try:
            with self._connection.boundary():
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
        with self._connection.boundary():
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
        with self._connection.boundary():
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
        with self._connection.boundary():
            for name, path in artifacts.items():
                folder = str(Path(name).parent)
                self._client.log_artifact(run_id, str(path), None if folder == "." else folder)
            for key, value in tags.items():
                self._client.set_tag(run_id, key, value)

    def fetch(self, run_id: str, name: str, folder: Path) -> Path:
        """Download one artifact of a run into a folder.

        Raises:
            TrackingError: the server did not answer, or has no such artifact.
        """
        folder.mkdir(parents=True, exist_ok=True)
        with self._connection.boundary():
            return Path(self._client.download_artifacts(run_id, name, str(folder)))

    def fetch_if_any(self, run_id: str, name: str, folder: Path) -> Path | None:
        """Download one artifact of a run, or None where the run does not list it.

        Raises:
            TrackingError: the server did not answer.
        """
        with self._connection.boundary():
            parent = str(Path(name).parent)
            listed = self._client.list_artifacts(run_id, None if parent == "." else parent)
        known = any(entry.path == name for entry in listed)
        return self.fetch(run_id, name, folder) if known else None

    def recent(self, experiment: str, limit: int) -> list[Any]:
        """Newest runs of an experiment.

        Raises:
            TrackingError: the server did not answer.
        """
        with self._connection.boundary():
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
        with warnings.catch_warnings(), TemporaryDirectory(prefix="code-") as code:
            warnings.simplefilter("ignore")  # hints on type inference that the signature answers
            mlflow.pyfunc.log_model(
                name="model",
                loader_module=pyfunc.LOADER,
                data_path=str(model),
                code_paths=[str(pyfunc.copy_code(Path(code)))],
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


def _dataset(values: Mapping[str, str]) -> Any:
    from mlflow.data.dataset_source_registry import resolve_dataset_source
    from mlflow.data.meta_dataset import MetaDataset

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "can be interpreted in multiple ways": both are local
        source = resolve_dataset_source(values["source"])
    return MetaDataset(source, name=values["name"], digest=values["digest"])
