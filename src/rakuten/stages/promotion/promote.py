"""The gate: score challenger and champion on the same held-out rows, judge, move the alias."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np

from rakuten import catalog
from rakuten.errors import ConfigurationError, ModelError, PromotionError
from rakuten.logs import Progress
from rakuten.params import Params
from rakuten.settings import ProjectPaths, Settings
from rakuten.stages.promotion.evidence import gather_evidence
from rakuten.stages.promotion.rebase import retrain_champion
from rakuten.stages.promotion.report import GATE_TAG, verdict_tag, write_report
from rakuten.stages.promotion.rows import version_rows
from rakuten.tracking.connection import Connection
from rakuten.tracking.gate import Check, Evidence, Verdict, judge, refusal
from rakuten.tracking.mlflow_store import MlflowStore
from rakuten.tracking.moves import ROLLED_BACK_TAG, promote_version
from rakuten.tracking.registry import CHALLENGER, CHAMPION, Registry, Version

_REBASE = "Compare with its parameters trained anew: rakuten promote --rebase."

Mode = Literal["normal", "dry_run", "force"]


@dataclass(frozen=True)
class Promotion:
    """What came of it; ``report`` is the verdict as JSON, ``champion`` the one compared with."""

    state: Literal["promoted", "refused", "would_promote", "unchanged"]
    challenger: Version
    champion: Version | None
    verdict: Verdict | None = None
    report: Path | None = None


@dataclass(frozen=True)
class Request:
    """How a promotion is asked for.

    ``rebase`` compares with the champion's parameters trained on the challenger's training
    side; ``reason`` is the why that is recorded, and has to be given with mode force.
    """

    version: int | None = None
    mode: Mode = "normal"
    rebase: bool = False
    reason: str = ""


@dataclass(frozen=True)
class _Task:
    paths: ProjectPaths
    params: Params
    settings: Settings
    request: Request
    registry: Registry
    store: MlflowStore
    threads: int
    cache: Path | None
    note: Callable[[str], None]
    progress: Progress | None


def run_promote(
    paths: ProjectPaths,
    params: Params,
    settings: Settings,
    request: Request,
    *,
    threads: int = 1,
    cache: Path | None = None,
    note: Callable[[str], None] = lambda _: None,
    progress: Progress | None = None,
) -> Promotion:
    """Judge a version and, if the verdict or force says so, make it the champion.

    The registry is asked three-state questions throughout: a lookup that fails ends this with
    TrackingError, before anything is changed.

    Raises:
        ConfigurationError: mode force without a reason.
        PromotionError: there is no such version, or another promotion was faster.
        TrackingError: registry or artifact store did not answer; nothing was promoted.
        ContractError: the held-out rows of the challenger's split are not here.
    """
    if request.mode == "force" and not request.reason.strip():
        raise ConfigurationError(
            "A forced promotion needs a reason.", hint='--force --reason "why the gate is wrong"'
        )
    registry = Registry(Connection(settings, paths.root), settings.mlflow_model_name)
    store = MlflowStore(settings, paths.root)
    task = _Task(paths, params, settings, request, registry, store, threads, cache, note, progress)
    challenger = _challenger(registry, request.version)
    champion = registry.by_alias(CHAMPION)
    if champion is not None and champion.number == challenger.number:
        return Promotion("unchanged", challenger, champion)
    verdict = _judge(task, challenger, champion)
    report = write_report(paths.reports / "gate", verdict, challenger, champion, _about(task))
    outcome = Promotion("refused", challenger, champion, verdict, report)
    forced = request.mode == "force" and _is_whole(verdict)
    if request.mode == "dry_run":
        return replace(outcome, state="would_promote") if verdict.passed else outcome
    task.store.attach(challenger.run_id, {}, {f"gate/{report.name}": report})
    tag = verdict_tag(verdict, champion, by=settings.actor())
    registry.tag([challenger], GATE_TAG, tag)
    if not (verdict.passed or forced):
        return outcome
    promote_version(
        registry,
        challenger,
        champion,
        by=settings.actor(),
        why=request.reason or "passed the gate",
        verdict="passed" if verdict.passed else f"forced against: {verdict.failed_names()}",
    )
    return replace(outcome, state="promoted")


def _challenger(registry: Registry, number: int | None) -> Version:
    found = registry.by_alias(CHALLENGER) if number is None else registry.version(number)
    if found is not None:
        return found
    champion = registry.by_alias(CHAMPION) if number is None else None
    if champion is not None:
        return champion  # nothing was registered since
    what = f"version {number}" if number is not None else "challenger"
    raise PromotionError(
        f"{registry.name} has no {what}.",
        hint="rakuten models lists versions; rakuten register makes one of the current model",
    )


def _judge(task: _Task, challenger: Version, champion: Version | None) -> Verdict:
    """The verdict; a champion that cannot be compared with is a failed condition of it."""
    obstacle = _obstacle(task, challenger, champion)
    forced = task.request.mode == "force"
    if obstacle is not None and not forced:
        return refusal(obstacle)
    with TemporaryDirectory(prefix="gate-") as folder:
        scratch = Path(folder)
        table = version_rows(task.paths, challenger, task.store, scratch)
        task.note(f"fetching and scoring {challenger}")
        try:
            evidence = _evidence(task, _fetch(task, challenger, scratch), table)
        except ModelError as error:
            return refusal(Check("artifact", False, error.message))
        other = None
        if champion is not None and obstacle is None:
            try:
                directory = _opponent(task, champion, challenger, scratch)
                other = _evidence(task, directory, table)
            except ModelError as error:
                detail = f"{champion} cannot be scored: {error.message} {_REBASE}"
                obstacle = Check("champion", False, detail)
                if not forced:
                    return refusal(obstacle)
    task.note("resampling the scores")
    verdict = judge(
        table[catalog.LABEL].astype(np.int64).to_numpy(),
        evidence,
        other,
        task.params.gate,
        target_precision=task.params.train.decision.target_precision,
    )
    return verdict.with_failure(obstacle) if obstacle is not None else verdict


def _obstacle(task: _Task, challenger: Version, champion: Version | None) -> Check | None:
    """What forbids the comparison before anything is fetched."""
    if ROLLED_BACK_TAG in challenger.tags:
        detail = f"{challenger} was rolled back: {challenger.tags[ROLLED_BACK_TAG]}"
        return Check("rolled back", False, detail)
    if champion is None or task.request.rebase:
        return None
    if champion.split_fingerprint != challenger.split_fingerprint:
        return Check(
            "split",
            False,
            f"{challenger} held out other rows ({challenger.split_fingerprint[:8]}) than the "
            f"champion, {champion} ({champion.split_fingerprint[:8]}): their scores cannot be "
            f"compared. {_REBASE}",
        )
    return None


def _opponent(task: _Task, champion: Version, challenger: Version, scratch: Path) -> Path:
    """The model directory to compare with: the champion's, or one trained as it was."""
    if not task.request.rebase:
        task.note(f"fetching and scoring the champion, {champion}")
        return _fetch(task, champion, scratch)
    return retrain_champion(
        task.paths,
        champion=task.store.fetch(champion.run_id, "params.yaml", scratch / "champion"),
        challenger=task.store.fetch(challenger.run_id, "params.yaml", scratch / "challenger"),
        split=challenger.split_fingerprint,
        folder=scratch / "rebase",
        threads=task.threads,
        cache=task.cache,
        note=task.note,
    )


def _fetch(task: _Task, version: Version, scratch: Path) -> Path:
    return task.registry.download(version, scratch / f"version-{version.number}")


def _evidence(task: _Task, directory: Path, table: Any) -> Evidence:
    return gather_evidence(
        directory,
        task.paths,
        table,
        threads=task.threads,
        cache=task.cache,
        progress=task.progress,
    )


def _about(task: _Task) -> dict[str, Any]:
    """What a report says besides the verdict."""
    return {
        "by": task.settings.actor(),
        "mode": task.request.mode,
        "rebase": task.request.rebase,
        "reason": task.request.reason,
        "params": task.params.gate.model_dump(mode="json"),
    }


def _is_whole(verdict: Verdict) -> bool:
    """Force moves the alias against scores, never to a model that does not load."""
    return not any(check.name == "artifact" for check in verdict.failures())
