"""The gate: score challenger and champion on the same held-out rows, judge, move the alias."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np

from rakuten import catalog
from rakuten.errors import ConfigurationError, ModelError, PromotionError
from rakuten.io import write_json
from rakuten.logs import Progress
from rakuten.params import Params
from rakuten.settings import ProjectPaths, Settings
from rakuten.stages.promotion.evidence import gather_evidence
from rakuten.stages.promotion.rebase import retrain_champion
from rakuten.stages.promotion.rows import version_rows
from rakuten.tracking.connection import Connection
from rakuten.tracking.gate import Check, Evidence, Verdict, judge, refusal
from rakuten.tracking.mlflow_store import MlflowStore
from rakuten.tracking.moves import ROLLED_BACK_TAG, promote_version
from rakuten.tracking.registry import CHALLENGER, CHAMPION, Registry, Version

GATE_TAG = "gate"

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
    task = _Task(paths, params, settings, request, registry, threads, cache, note, progress)
    challenger = _challenger(registry, request.version)
    champion = registry.by_alias(CHAMPION)
    if champion is not None and champion.number == challenger.number:
        return Promotion("unchanged", challenger, champion)
    verdict = _judge(task, challenger, champion)
    report = _report(task, verdict, challenger, champion)
    outcome = Promotion("refused", challenger, champion, verdict, report)
    forced = request.mode == "force" and _is_whole(verdict)
    if request.mode == "dry_run":
        return replace(outcome, state="would_promote") if verdict.passed else outcome
    _record(task, verdict, challenger, champion, report)
    if not (verdict.passed or forced):
        return outcome
    promote_version(
        registry,
        challenger,
        champion,
        by=settings.actor(),
        why=request.reason or "passed the gate",
        verdict="passed" if verdict.passed else f"forced against: {_names(verdict)}",
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
    if obstacle is not None and task.request.mode != "force":
        return refusal(obstacle.name, obstacle.detail)
    with TemporaryDirectory(prefix="gate-") as scratch:
        store = MlflowStore(task.settings, task.paths.root)
        table = version_rows(task.paths, challenger, store, Path(scratch))
        task.note(f"fetching and scoring {challenger}")
        try:
            evidence = _evidence(task, _fetch(task, challenger, scratch), table)
        except ModelError as error:
            return refusal("artifact", error.message)
        other = None
        if champion is not None and obstacle is None:
            try:
                other = _champion_evidence(task, champion, challenger, Path(scratch), table)
            except ModelError as error:
                obstacle = Check("champion", False, f"{champion} cannot be scored: {error.message}")
                if task.request.mode != "force":
                    return refusal(obstacle.name, obstacle.detail + _REBASE)
    task.note("resampling the scores")
    verdict = judge(
        table[catalog.LABEL].astype(np.int64).to_numpy(),
        evidence,
        other,
        task.params.gate,
        target_precision=task.params.train.decision.target_precision,
    )
    if obstacle is None:
        return verdict
    return replace(verdict, passed=False, checks=(obstacle, *verdict.checks))


_REBASE = " Compare with its parameters trained anew: rakuten promote --rebase."


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
            "compared." + _REBASE,
        )
    return None


def _champion_evidence(
    task: _Task, champion: Version, challenger: Version, scratch: Path, table: Any
) -> Evidence:
    if task.request.rebase:
        store = MlflowStore(task.settings, task.paths.root)
        directory = retrain_champion(
            task.paths,
            champion=store.fetch(champion.run_id, "params.yaml", scratch / "champion"),
            challenger=store.fetch(challenger.run_id, "params.yaml", scratch / "challenger"),
            split=challenger.split_fingerprint,
            folder=scratch / "rebase",
            threads=task.threads,
            cache=task.cache,
            note=task.note,
        )
    else:
        task.note(f"fetching and scoring the champion, {champion}")
        directory = _fetch(task, champion, str(scratch))
    return _evidence(task, directory, table)


def _fetch(task: _Task, version: Version, scratch: str) -> Path:
    return task.registry.download(version, Path(scratch) / f"version-{version.number}")


def _evidence(task: _Task, directory: Path, table: Any) -> Evidence:
    return gather_evidence(
        directory,
        task.paths,
        table,
        threads=task.threads,
        cache=task.cache,
        progress=task.progress,
    )


def _report(task: _Task, verdict: Verdict, challenger: Version, champion: Version | None) -> Path:
    """Write the verdict with all that it rests on."""
    now = datetime.now(UTC)
    path = task.paths.reports / "gate" / f"version-{challenger.number}-{now:%Y%m%dT%H%M%SZ}.json"
    about = {
        "at": now.isoformat(timespec="seconds"),
        "by": task.settings.actor(),
        "mode": task.request.mode,
        "rebase": task.request.rebase,
        "reason": task.request.reason,
        "split_fingerprint": challenger.split_fingerprint,
        "versions": {
            "challenger": _identity(challenger),
            "champion": _identity(champion) if champion else None,
        },
        "params": task.params.gate.model_dump(mode="json"),
    }
    write_json(path, {**verdict.to_dict(), **about})
    return path


def _identity(version: Version) -> dict[str, Any]:
    return {
        "version": version.number,
        "run_id": version.run_id,
        "model_sha256": version.model_sha256,
        "split_fingerprint": version.split_fingerprint,
    }


def _record(
    task: _Task, verdict: Verdict, challenger: Version, champion: Version | None, report: Path
) -> None:
    """Keep the verdict with the challenger, before anything moves: file at its run, tag here."""
    store = MlflowStore(task.settings, task.paths.root)
    store.attach(challenger.run_id, {}, {f"gate/{report.name}": report})
    summary = {
        "outcome": "passed" if verdict.passed else f"failed: {_names(verdict)}",
        "beside": champion.number if champion else None,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "by": task.settings.actor(),
    }
    task.registry.tag([challenger], GATE_TAG, json.dumps(summary))


def _names(verdict: Verdict) -> str:
    return ", ".join(check.name for check in verdict.failures())


def _is_whole(verdict: Verdict) -> bool:
    """Force moves the alias against scores, never to a model that does not load."""
    return not any(check.name == "artifact" for check in verdict.failures())
