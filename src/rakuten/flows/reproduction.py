"""DVC stage by stage: which there are, one of them run, and what its end means."""

import re
import sys
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from rakuten.errors import (
    BusyError,
    ConfigurationError,
    InterruptedStageError,
    MissingExtraError,
    StageError,
)
from rakuten.flows.program import Finished, run_program
from rakuten.logs import get_logger

log = get_logger(__name__)

_BUSY: Final = ("Unable to acquire lock", "is busy, it is being blocked by")
_EXIT: Final = re.compile(r"exited with (-?\d+)")
_INTERRUPTED: Final = 130
"""Exit code of a command that a person interrupted: nothing to try again."""
_SHOWN_LINES: Final = 8

Outcome = Literal["ran", "cached", "unchanged"]


@dataclass(frozen=True)
class Reproduced:
    """A stage that is up to date now: it ran, DVC had its outputs, or nothing had changed.

    ``seconds`` are those that DVC took, its own start included; 0 where it was not called.
    """

    stage: str
    outcome: Outcome
    seconds: float = field(default=0.0, compare=False)


@dataclass(frozen=True)
class Planned:
    """A stage, and whether neither it nor any stage before it has anything to do."""

    stage: str
    up_to_date: bool


def plan_stages(root: Path) -> list[Planned]:
    """Stages of ``dvc.yaml`` and the data that DVC tracks for them, in the order of ``dvc repro``.

    DVC is asked once which of the first have nothing to do: a command of its own for each costs
    a second. What is behind one that is stale, or that DVC cannot judge now, is to be reproduced.

    Raises:
        ConfigurationError: DVC cannot read its files.
        MissingExtraError: DVC is not installed.
    """
    try:
        from dvc.exceptions import DvcException
        from dvc.repo import Repo
        from dvc.repo.reproduce import collect_stages, get_active_graph, plan_repro
    except ModuleNotFoundError as error:
        raise MissingExtraError("dvc", "pipeline", "Running the pipeline") from error
    try:
        with Repo(str(root)) as repo:
            wanted = collect_stages(repo, [str(root / "dvc.yaml")])
            stages = plan_repro(get_active_graph(repo.index.graph), wanted)
            done = _count_up_to_date(repo, stages)
            return [Planned(_address(one), place < done) for place, one in enumerate(stages)]
    except DvcException as error:
        raise ConfigurationError(
            f"DVC cannot read the pipeline of {root.resolve()}: {error}.",
            hint="rakuten doctor looks at DVC's files",
        ) from error


def _count_up_to_date(repo: Any, stages: Sequence[Any]) -> int:
    """How many stages come before the first that is stale, or that DVC cannot judge now."""
    from dvc.exceptions import DvcException
    from dvc.repo import lock_repo

    count = 0
    try:
        with lock_repo(repo):
            for stage in stages:
                if stage.changed():
                    break
                count += 1
    except DvcException as error:  # another command of DVC's is at work
        log.info("DVC cannot say what is stale: %s", error)
    return count


def _address(stage: Any) -> str:
    """A stage as DVC names it in the project folder, wherever this process is."""
    path, name = str(stage.path_in_repo), getattr(stage, "name", None)
    if not name:
        return path  # data that is tracked: a file *.dvc
    return str(name) if path == "dvc.yaml" else f"{path}:{name}"


def reproduce(
    root: Path,
    stage: str,
    *,
    seconds: float,
    line: Callable[[str], None],
    inherited: Collection[int] = (),
) -> Reproduced:
    """Bring one stage up to date, whatever it depends on being so already.

    Args:
        root: the project folder.
        stage: as :func:`plan_stages` names it.
        seconds: how long it may take.
        line: told each line that DVC and the stage print.
        inherited: descriptors that DVC keeps open.

    Raises:
        BusyError: another DVC command holds DVC's lock, or files of the stage.
        InterruptedStageError: the stage was killed from outside.
        StageError: it failed for a reason of its own, or took too long.
    """
    command, start = ["repro", "--single-item", stage], time.monotonic()
    done = _dvc(root, command, seconds=seconds, line=line, inherited=inherited)
    if done.code:
        raise _failure(stage, done)
    text = "\n".join(done.lines)
    outcome: Outcome = "ran" if f"Running stage '{stage}'" in text else "unchanged"
    if f"Stage '{stage}' is cached" in text:
        outcome = "cached"
    return Reproduced(stage, outcome, time.monotonic() - start)


def push(
    root: Path,
    *,
    seconds: float,
    line: Callable[[str], None],
    inherited: Collection[int] = (),
) -> None:
    """Send what DVC keeps to its default remote; what is there already is not sent again.

    Raises:
        BusyError: another DVC command holds DVC's lock.
        InterruptedStageError: it did not get through; a remote may be away for a while.
        StageError: it took too long.
    """
    done = _dvc(root, ["push"], seconds=seconds, line=line, inherited=inherited)
    if done.code:
        failure = _failure("push", done)
        if isinstance(failure, BusyError):
            raise failure
        raise InterruptedStageError(
            f"dvc push did not get through: {_reason(done.lines)}",
            hint="rakuten preflight --push says whether the remote answers and takes objects",
        )


def _dvc(
    root: Path,
    command: Sequence[str],
    *,
    seconds: float,
    line: Callable[[str], None],
    inherited: Collection[int],
) -> Finished:
    return run_program(
        [sys.executable, "-m", "dvc", *command],
        root,
        seconds=seconds,
        line=line,
        inherited=inherited,
    )


def _failure(stage: str, done: Finished) -> BusyError | StageError:
    """DVC's exit code says nothing; what it printed says whether it is worth another try."""
    text = "\n".join(done.lines)
    if any(sign in text for sign in _BUSY):
        return BusyError(
            f"DVC is busy, so that {stage} did not start: {_reason(done.lines)}",
            hint="another dvc command runs in this project; wait for it",
        )
    found = _EXIT.findall(text)
    code = int(found[-1]) if found else done.code
    if code < 0 or (code > 128 and code != _INTERRUPTED and found):
        number = -code if code < 0 else code - 128
        return InterruptedStageError(
            f"{stage} was ended from outside, by signal {number}.",
            hint="9 is often a machine out of memory (dmesg); give it more, or fewer threads "
            "(RAKUTEN_THREADS)",
        )
    return StageError(f"{stage} failed: {_reason(done.lines)}", hint=_hint(done.lines))


def _reason(lines: Sequence[str]) -> str:
    """The stage's own words, else DVC's, else its last lines."""
    for start in ("error: ", "ERROR: "):
        said = [line.removeprefix(start) for line in lines if line.startswith(start)]
        if said:
            return said[-1]
    return (
        " | ".join(line for line in lines[-_SHOWN_LINES:] if line.strip()) or "it printed nothing"
    )


def _hint(lines: Sequence[str]) -> str:
    """What the stage said is to be done, below its error."""
    said = [line.strip().removeprefix("→ ") for line in lines if line.startswith("  → ")]
    return said[-1] if said else "its lines are in the log of this run"
