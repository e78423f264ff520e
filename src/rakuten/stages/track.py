"""From a finished training to its run record: parameters, scores, lineage, files."""

import os
from pathlib import Path

from rakuten import catalog
from rakuten.errors import StorageError
from rakuten.io import read_json, write_text
from rakuten.logs import get_logger
from rakuten.params import Params
from rakuten.settings import ProjectPaths, Settings
from rakuten.stages import train
from rakuten.stages.features import TABLE, VECTORS
from rakuten.stages.ingest import REPORT
from rakuten.tracking.lineage import git_state, input_hashes
from rakuten.tracking.pending import RunRecord
from rakuten.tracking.runs import Logged, flatten, log_run

log = get_logger(__name__)


def track_training(
    outcome: train.TrainOutcome,
    paths: ProjectPaths,
    params: Params,
    settings: Settings,
    *,
    seconds: float,
) -> Logged:
    """Record a training run and hand it to the tracking server.

    Raises:
        StorageError: the record cannot even be kept on disk.
    """
    state = git_state(paths.root, settings)
    inputs = input_hashes(
        [
            paths.raw_file(catalog.X_TRAIN),
            paths.raw_file(catalog.Y_TRAIN),
            paths.processed / TABLE,
            paths.processed / VECTORS,
        ]
    )
    metrics = {
        name: float(value)
        for name, value in flatten(outcome.metrics).items()
        if isinstance(value, int | float)
    }
    record = RunRecord(
        experiment=settings.mlflow_experiment_name,
        run_name=f"train-{outcome.model_sha256[:8]}",
        params={name: str(value) for name, value in flatten(params.model_dump()).items()},
        metrics={**metrics, "train_seconds": seconds},
        tags={
            **state.tags(),
            **{f"input_sha256.{name}": digest for name, digest in inputs.items()},
            **_corrections_tag(paths),
            "model_sha256": outcome.model_sha256,
            "split_fingerprint": outcome.split_fingerprint,
        },
        dataset={
            "name": "training rows",
            "source": str(paths.processed / TABLE),
            "digest": inputs.get(TABLE, "")[:12],
        },
        artifacts=_artifacts(paths, outcome.model, state.patch),
        model=str(outcome.model),
    )
    try:
        return log_run(record, paths, settings)
    finally:
        _patch_file(paths).unlink(missing_ok=True)


def _corrections_tag(paths: ProjectPaths) -> dict[str, str]:
    """Hash of the corrections as ingest read them: there may be a newer export by now."""
    report = paths.interim / REPORT
    found = read_json(report).get("feedback", {}) if report.is_file() else {}
    return {f"input_sha256.{catalog.CORRECTIONS}": found["sha256"]} if found else {}


def _artifacts(paths: ProjectPaths, model: Path, patch: str) -> dict[str, str]:
    files = {
        "dvc.yaml": paths.root / "dvc.yaml",
        "params.yaml": paths.params,
        "metrics.json": paths.reports / train.METRICS,
        "vectoriser/vectoriser.npz": model / "vectoriser.npz",
        "vectoriser/manifest.json": model / "manifest.json",
    }
    for name in (train.PER_CLASS, train.CONFUSION, train.CONFUSION_PICTURE):
        files[f"plots/{name}"] = paths.reports / name
    if patch:
        try:
            write_text(_patch_file(paths), patch)
            files["uncommitted.patch"] = _patch_file(paths)
        except StorageError as error:  # a full disk costs the patch, not the run
            log.warning("the run goes without its patch: %s", error.message)
    return {name: str(path) for name, path in files.items() if path.is_file()}


def _patch_file(paths: ProjectPaths) -> Path:
    return paths.root / ".rakuten" / f"uncommitted-{os.getpid()}.patch"
