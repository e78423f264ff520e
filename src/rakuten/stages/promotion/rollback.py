"""One command back to the version that was live before."""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from rakuten.errors import ModelError, PromotionError
from rakuten.models.golden import check_golden
from rakuten.models.model_directory import GOLDEN_TOLERANCE
from rakuten.models.predictor import Predictor
from rakuten.settings import ProjectPaths, Settings
from rakuten.tracking.connection import Connection
from rakuten.tracking.moves import roll_back
from rakuten.tracking.registry import CHAMPION, PREVIOUS, Registry, Version


@dataclass(frozen=True)
class Rollback:
    """Which version is live again, and which one no longer."""

    champion: Version
    rolled_back: Version | None
    checked: bool


def run_rollback(
    paths: ProjectPaths, settings: Settings, *, reason: str, check: bool = True
) -> Rollback:
    """Make the previous version the champion, after a look at whether it still loads.

    Args:
        paths: the project.
        settings: tracking server and name of the registered model.
        reason: the why that is recorded.
        check: fetch and load the previous version first; without it the alias moves even while
            the artifact store is away.

    Raises:
        PromotionError: there is nothing to go back to, or another promotion was faster.
        ModelError: the previous version is damaged.
        TrackingError: registry or artifact store did not answer; nothing was changed.
    """
    registry = Registry(Connection(settings, paths.root), settings.mlflow_model_name)
    current, target = registry.by_alias(CHAMPION), registry.by_alias(PREVIOUS)
    if target is None:
        raise PromotionError(
            f"{registry.name} has no previous version to go back to.",
            hint='rakuten promote --version N --force --reason "…" makes any version live',
        )
    if check:
        _require_working(registry, target)
    verdict = "loads and answers its golden products" if check else "not checked"
    roll_back(registry, target, by=settings.actor(), why=reason, verdict=verdict)
    return Rollback(target, current, check)


def _require_working(registry: Registry, version: Version) -> None:
    with TemporaryDirectory(prefix="rollback-") as scratch:
        directory = registry.download(version, Path(scratch))
        deviation = check_golden(Predictor.load(directory), directory)
    if not deviation <= GOLDEN_TOLERANCE:
        raise ModelError(
            f"{version} answers its golden products {deviation:.2g} off on this machine.",
            hint="rakuten rollback --no-check moves the alias all the same",
        )
