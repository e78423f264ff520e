"""Records of runs that need no training: what tests of waiting runs keep and look for."""

from typing import Any, Final

from rakuten.models.model_directory import model_sha256
from rakuten.settings import ProjectPaths, Settings
from rakuten.tracking.mlflow_store import MlflowStore
from rakuten.tracking.pending import PendingRun, RunRecord, keep

EXPERIMENT: Final = "waiting"


def record(paths: ProjectPaths, name: str) -> RunRecord:
    return RunRecord(
        experiment=EXPERIMENT,
        run_name=name,
        params={"seed": "42"},
        metrics={"f1": 0.5},
        tags={"model_sha256": model_sha256(paths.model)},
        dataset={"name": "rows", "source": str(paths.params), "digest": "abc"},
        artifacts={"params.yaml": str(paths.params)},
        model=str(paths.model),
    )


def keep_run(paths: ProjectPaths, name: str) -> PendingRun:
    return keep(record(paths, name), paths.pending_runs)


def logged_runs(paths: ProjectPaths, settings: Settings) -> dict[str, Any]:
    """Run name → run, of all that the store shows."""
    runs = MlflowStore(settings, paths.root).recent(EXPERIMENT, 99)
    assert len({run.info.run_name for run in runs}) == len(runs)
    return {run.info.run_name: run for run in runs}
