"""A version in the registry, made of the run that trained the current model, or of another run."""

from rakuten.errors import ContractError
from rakuten.models.model_directory import model_sha256
from rakuten.settings import ProjectPaths, Settings
from rakuten.tracking.connection import Connection
from rakuten.tracking.mlflow_store import MODEL_TAG, MlflowStore
from rakuten.tracking.pending import pending_runs
from rakuten.tracking.registry import CHALLENGER, CHAMPION, Registry, Version


def run_register(paths: ProjectPaths, settings: Settings, *, run_id: str | None = None) -> Version:
    """Register a finished run and make it the challenger, unless it is the champion.

    Args:
        paths: the project.
        settings: tracking server, experiment and name of the registered model.
        run_id: a run; without it, the one that made the model in ``models/classifier``.

    Raises:
        ContractError: the run is not finished, or no run made the current model.
        ModelError: there is no current model.
        TrackingError: the server did not answer; nothing is taken for absent.
    """
    run_id = run_id or _run_of_current_model(paths, settings)
    registry = Registry(Connection(settings, paths.root), settings.mlflow_model_name)
    version = registry.register(run_id, by=settings.actor())
    if CHAMPION not in version.aliases and CHALLENGER not in version.aliases:
        registry.point(CHALLENGER, version)
    return registry.version(version.number) or version


def _run_of_current_model(paths: ProjectPaths, settings: Settings) -> str:
    digest = model_sha256(paths.model)
    run = MlflowStore(settings, paths.root).find_by_model(settings.mlflow_experiment_name, digest)
    if run is not None:
        return str(run.info.run_id)
    waiting = [p for p in pending_runs(paths.pending_runs) if p.record.tags[MODEL_TAG] == digest]
    raise ContractError(
        f"No run of {settings.mlflow_experiment_name} made the model in {paths.model}.",
        hint="its run is still waiting: rakuten runs resume"
        if waiting
        else "it came from the DVC cache; dvc repro --force train records one",
    )
