"""What each stage writes to is looked at; a refusal stops it before any work."""

import os
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final, Literal

from rakuten.errors import PreflightError
from rakuten.logs import get_logger
from rakuten.params import FeaturesParams
from rakuten.settings import ProjectPaths, Settings
from rakuten.stages.doctor.check import CONNECT_SECONDS, Check, Subject
from rakuten.stages.doctor.remote import remote_checks
from rakuten.stages.doctor.run import Examine, run_check
from rakuten.stages.doctor.s3 import artifact_store_checks, remote_store_checks
from rakuten.stages.doctor.tracking import tracking_checks
from rakuten.stages.features import MANIFEST
from rakuten.stages.ingest import MERGED
from rakuten.stages.preflight import disk

log = get_logger(__name__)

Stage = Literal["ingest", "features", "train", "predict"]
PIPELINE: Final = "the pipeline"
_PAUSE_SECONDS: Final = 0.3
_TRACKING: Final[Mapping[str, Examine]] = {
    "tracking": tracking_checks,
    "s3": artifact_store_checks,
}
_REMOTES: Final[Mapping[str, Examine]] = {"s3": remote_store_checks, "remote": remote_checks}


def before_stage(
    stage: Stage,
    paths: ProjectPaths,
    settings: Settings,
    *,
    features: FeaturesParams | None = None,
    table: Path | None = None,
    output: Path | None = None,
) -> None:
    """Look at all that a stage will write to; what does not answer is a warning.

    Args:
        stage: which one is about to run.
        paths: the project.
        settings: where runs go; ``RAKUTEN_PREFLIGHT=off`` looks at nothing.
        features: which encoder (stages features and train).
        table: what will be predicted [X_test.csv].
        output: where predictions go [data/processed/predictions.csv].

    Raises:
        PreflightError: something that the stage writes to refuses it, or is full.
    """
    if settings.rakuten_preflight == "off":
        return
    needs = _needs(stage, paths, settings, features or FeaturesParams(), table, output)
    checks: dict[str, Examine] = {"disk": lambda _: disk.disk_checks(stage, needs)}
    if stage == "train":
        checks |= _TRACKING
    found = _look(checks, paths, settings)
    refused = [check for check in found if check.state == "failed" and not check.away]
    if refused:
        reasons = "; ".join(check.detail for check in refused)
        hints = "\n  → ".join(dict.fromkeys(check.hint for check in refused))
        raise PreflightError(f"{stage} was not started: {reasons}.", hint=hints)
    for check in found:
        if check.state in ("failed", "warning"):
            log.warning("%s; %s", check.detail, _meanwhile(check, paths))
        else:
            log.debug("preflight %s: %s", check.name, check.detail)


def run_preflight(
    paths: ProjectPaths, settings: Settings, features: FeaturesParams, *, push: bool = False
) -> list[Check]:
    """Look at all that the pipeline will write to; only a refusal is a failed check.

    A stage whose outputs are there counts as done; each looks again before it starts. DVC's
    remote is written by ``dvc push`` alone, so its refusal is a warning.

    Args:
        paths: the project.
        settings: where runs go.
        features: which encoder.
        push: also prove that DVC's remote can be written; then its refusal or silence counts.
    """
    outputs: dict[Stage, Path] = {
        "ingest": paths.interim / MERGED,
        "features": paths.processed / MANIFEST,
        "train": paths.model,
        "predict": paths.predictions,
    }
    needs = [
        need
        for stage, output in outputs.items()
        if not output.exists()
        for need in _needs(stage, paths, settings, features, None, None)
    ] or [disk.Need(paths.root, 0)]
    checks = {"disk": lambda _: disk.disk_checks(PIPELINE, needs), **_TRACKING}
    found = [_softened(check, paths) for check in _look(checks, paths, settings)]
    remotes = _look(_REMOTES, paths, settings, prove=push)
    return [*found, *(check if push else _tolerated(check) for check in remotes)]


def _look(
    checks: Mapping[str, Examine], paths: ProjectPaths, settings: Settings, *, prove: bool = True
) -> list[Check]:
    subject = Subject(paths, settings, dict(os.environ), prove=prove)
    return [found for name, check in checks.items() for found in _twice(name, check, subject)]


def _twice(name: str, examine: Examine, subject: Subject) -> list[Check]:
    """Findings of a check; one that fails at once is asked again, a time-out is not."""
    start = time.monotonic()
    found = run_check(name, examine, subject)
    quick = time.monotonic() - start < CONNECT_SECONDS
    if quick and any(check.away for check in found):
        time.sleep(_PAUSE_SECONDS)
        found = run_check(name, examine, subject)
    return found


def _needs(
    stage: Stage,
    paths: ProjectPaths,
    settings: Settings,
    features: FeaturesParams,
    table: Path | None,
    output: Path | None,
) -> list[disk.Need]:
    if stage == "ingest":
        return disk.ingest_needs(paths)
    if stage == "features":
        return disk.features_needs(paths, features, settings.cache_folder(paths.root))
    if stage == "train":
        return disk.train_needs(paths, features, settings)
    test = table or paths.raw_file("X_test.csv")
    return disk.predict_needs(paths, test, output or paths.predictions)


def _meanwhile(check: Check, paths: ProjectPaths) -> str:
    """What happens although a check does not pass, and what to do."""
    if not check.away:
        return check.hint
    return f"the run will wait in {paths.pending_runs} until rakuten runs resume; {check.hint}"


def _softened(check: Check, paths: ProjectPaths) -> Check:
    if not check.away:
        return check
    return replace(check, state="warning", hint=_meanwhile(check, paths))


def _tolerated(check: Check) -> Check:
    return replace(check, state="warning") if check.state == "failed" else check
