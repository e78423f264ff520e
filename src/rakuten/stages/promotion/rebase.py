"""The champion's parameters on the challenger's training side, where their splits differ."""

from collections.abc import Callable
from pathlib import Path

from rakuten.errors import ContractError
from rakuten.params import FeaturesParams, load_params
from rakuten.settings import ProjectPaths
from rakuten.stages.features import run_features
from rakuten.stages.train import run_train


def retrain_champion(
    paths: ProjectPaths,
    *,
    champion: Path,
    challenger: Path,
    split: str,
    folder: Path,
    threads: int = 1,
    cache: Path | None = None,
    note: Callable[[str], None] = lambda _: None,
) -> Path:
    """Train a model as the champion was trained, without the rows that the challenger held out.

    Args:
        paths: the project with the ingested catalogue that the challenger was trained on.
        champion: ``params.yaml`` of the champion's run.
        challenger: ``params.yaml`` of the challenger's run.
        split: fingerprint of the challenger's held-out rows.
        folder: where to work; nothing is written elsewhere.
        threads: threads to train with.
        cache: folder of vectors that are kept between runs, or None.
        note: called with what is going on.

    Returns:
        The model directory, below ``folder``.

    Raises:
        ConfigurationError: parameters of a run are of another version of this software.
        ContractError: the project's catalogue does not give the challenger's split.
    """
    theirs, ours = load_params(champion), load_params(challenger)
    params = theirs.model_copy(update={"split": ours.split})
    scratch = ProjectPaths(folder)
    scratch.interim.parent.mkdir(parents=True)
    # Read only: the stages below write into data/processed, models and reports.
    scratch.raw.symlink_to(paths.raw.resolve())
    scratch.interim.symlink_to(paths.interim.resolve())
    note("training the champion's parameters on the challenger's training side")
    features = _rooted(params.features, paths.root)
    run_features(scratch, features, threads=threads, cache=cache)
    outcome = run_train(scratch, params, threads=threads, cache=cache, note=note)
    if outcome.split_fingerprint != split:
        raise ContractError(
            f"The catalogue in {paths.interim} gives split {outcome.split_fingerprint[:8]}, the "
            f"challenger has {split[:8]}: it was trained on other rows.",
            hint="check out the commit and the data of the challenger's run (dvc checkout)",
        )
    return outcome.model


def _rooted(features: FeaturesParams, root: Path) -> FeaturesParams:
    """A local network's path is seen from the project, not from the scratch folder."""
    if not features.onnx.path:
        return features
    onnx = features.onnx.model_copy(update={"path": str((root / features.onnx.path).resolve())})
    return features.model_copy(update={"onnx": onnx})
