"""Training runs from record to tracking server: log, resume, finalize."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from rakuten.errors import DataNotFoundError, RakutenError, StorageError, TrackingError
from rakuten.io import sha256_file, write_json
from rakuten.logs import get_logger
from rakuten.models.model_directory import model_sha256
from rakuten.settings import ProjectPaths, Settings
from rakuten.tracking.mlflow_store import MlflowStore
from rakuten.tracking.pending import (
    PendingRun,
    RunRecord,
    keep,
    pending_runs,
    remove_abandoned,
    waiting_runs,
)

log = get_logger(__name__)

LOCK_TAG = "dvc_lock_sha256"
OUTPUTS = "pipeline_outputs.json"


@dataclass(frozen=True)
class Logged:
    """Outcome of logging: the run's id, or why its record is waiting and where."""

    run_id: str | None
    waiting: Path | None = None
    reason: str = ""


@dataclass(frozen=True)
class Finalized:
    """Outcome of finalize for the current model's run."""

    state: Literal["attached", "unchanged", "waiting", "no_run"]
    run_id: str | None = None


def log_run(record: RunRecord, paths: ProjectPaths, settings: Settings) -> Logged:
    """Keep the record, then hand it to the tracking server; a server that is away loses nothing.

    Raises:
        StorageError: neither the disk nor the tracking server takes the record.
    """
    try:
        pending = keep(record, paths.pending_runs)
    except StorageError as error:
        return _log_unkept(record, paths, settings, error)
    try:
        store = _store(paths, settings)
        # Where `runs resume` was quicker, the store knows the run already.
        with pending.claimed(wait=True):
            run_id = store.write(pending)
            pending.discard()
    except RakutenError as error:  # no MLflow, for example
        log.warning("the run waits for the tracking server: %s", error.message)
        return Logged(None, pending.folder, error.message)
    return Logged(run_id)


def resume_runs(
    paths: ProjectPaths, settings: Settings, *, logged: Callable[[str], None] = lambda _: None
) -> list[str]:
    """Log every waiting record that no other process is logging, oldest first.

    Args:
        paths: the project.
        settings: where runs go.
        logged: called with the id of each run as soon as it is logged.

    Returns:
        Ids of the runs.

    Raises:
        TrackingError: the server did not answer, or some records are broken or were refused;
            the others are logged, and what is not logged keeps waiting.
    """
    remove_abandoned(paths.pending_runs)
    waiting = waiting_runs(paths.pending_runs)
    problems = [f"{folder} is no run record: {why}" for folder, why in waiting.broken.items()]
    found = []
    if waiting.runs:
        store = _store(paths, settings)
        for pending in waiting.runs:
            run_id = _resume(store, pending, problems)
            if run_id is not None:
                found.append(run_id)
                logged(run_id)
    if problems:
        raise TrackingError(
            f"{len(problems)} waiting runs could not be logged: {'; '.join(problems)}.",
            hint="correct what is said of each, or move its folder away; then rakuten runs resume",
        )
    return found


def finalize_run(paths: ProjectPaths, settings: Settings) -> Finalized:
    """Attach the final ``dvc.lock`` and the hashes of all outputs to the current model's run.

    Raises:
        DataNotFoundError: there is no ``dvc.lock``.
        ModelError: there is no model.
        TrackingError: the server did not answer.
    """
    lock = paths.root / "dvc.lock"
    if not lock.is_file():
        raise DataNotFoundError(f"{lock} does not exist.", hint="dvc repro writes it")
    model, digest = model_sha256(paths.model), sha256_file(lock)
    outputs = paths.root / ".rakuten" / OUTPUTS
    write_json(outputs, pipeline_outputs(lock))
    tags = {LOCK_TAG: digest}
    if paths.predictions.is_file():
        tags["predictions_sha256"] = sha256_file(paths.predictions)
    artifacts = {"dvc.lock": lock, OUTPUTS: outputs}
    for pending in reversed(pending_runs(paths.pending_runs)):
        if pending.record.tags.get("model_sha256") == model:
            with pending.claimed(wait=True) as ours:
                if ours:
                    pending.attach(tags, artifacts)
                    return Finalized("waiting")
    store = _store(paths, settings)
    run = store.find_by_model(settings.mlflow_experiment_name, model)
    if run is None:
        return Finalized("no_run")
    if run.data.tags.get(LOCK_TAG) == digest:
        return Finalized("unchanged", run.info.run_id)
    store.attach(run.info.run_id, tags, artifacts)
    return Finalized("attached", run.info.run_id)


def pipeline_outputs(lock: Path) -> dict[str, Any]:
    """Stage → output path → content hash, as ``dvc.lock`` has them."""
    stages = (yaml.safe_load(lock.read_text(encoding="utf-8")) or {}).get("stages", {})
    return {
        name: {out["path"]: out.get("md5") for out in stage.get("outs", [])}
        for name, stage in stages.items()
    }


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one, with dotted names."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat.update(flatten(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _store(paths: ProjectPaths, settings: Settings) -> MlflowStore:
    return MlflowStore(settings, paths.root)


def _resume(store: MlflowStore, pending: PendingRun, problems: list[str]) -> str | None:
    """Log one record; None where another process has it, or it was refused for itself alone."""
    with pending.claimed() as ours:
        if not ours:
            return None
        try:
            run_id = store.write(pending)
        except RakutenError as error:
            if not store.answers():
                raise
            problems.append(f"{pending.folder}: {error.message.rstrip('.')}")
            return None
        pending.discard()
    return run_id


def _log_unkept(
    record: RunRecord, paths: ProjectPaths, settings: Settings, error: StorageError
) -> Logged:
    """Hand a record over that the disk does not take, from where its files are."""
    try:
        run_id = _store(paths, settings).write(PendingRun(Path(), record))
    except RakutenError as refused:
        raise StorageError(
            f"{error.message} The run is not recorded, for {refused.message} "
            f"The model itself is whole: {record.model}.",
            hint="free some disk space; then dvc commit train keeps this model, "
            "and rakuten train would record another",
        ) from error
    log.warning("%s The tracking server has the run all the same.", error.message)
    return Logged(run_id)
