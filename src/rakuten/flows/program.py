"""A program in a session of its own: its lines as they come, a time-out, and no stray children."""

import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rakuten.errors import StageError

_TAIL_LINES: Final = 60
_GRACE_SECONDS: Final = 10.0


@dataclass(frozen=True)
class Finished:
    """How a program ended, negative where a signal ended it, and the last lines it printed."""

    code: int
    lines: tuple[str, ...]


def run_program(
    command: Sequence[str],
    folder: Path,
    *,
    seconds: float,
    line: Callable[[str], None],
    inherited: Collection[int] = (),
    environment: Mapping[str, str] | None = None,
) -> Finished:
    """Run a program to its end and hand on each line that it or a child of it prints.

    Whatever ends this function early (an interrupt, a termination, the time-out) ends the program
    and its children first.

    Args:
        command: program and arguments.
        folder: where it runs.
        seconds: how long it may take.
        line: told each line.
        inherited: descriptors that it keeps open, such as a lock.
        environment: variables on top of those of this process.

    Raises:
        StageError: it took too long and was ended.
    """
    tail: deque[str] = deque(maxlen=_TAIL_LINES)
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=_environment(environment or {}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
        pass_fds=tuple(inherited),
    )
    late = threading.Event()

    def end_late() -> None:
        late.set()
        _end(process)

    timer = threading.Timer(seconds, end_late)
    timer.daemon = True
    timer.start()
    try:
        for text in process.stdout or ():
            tail.append(text.rstrip("\r\n"))
            line(tail[-1])
        code = process.wait()
    finally:
        timer.cancel()
        if process.poll() is None:
            _end(process)
        if process.stdout:
            process.stdout.close()
    if late.is_set():
        raise StageError(
            f"{' '.join(command)} took longer than {seconds:g} s and was ended.",
            hint="look at its last lines; where it only needs longer, raise stage_minutes",
        )
    return Finished(code, tuple(tail))


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    """Stages call ``rakuten`` by name: that of this very environment."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    return {**os.environ, "PATH": path, "PYTHONUNBUFFERED": "1", **more}


def _end(process: "subprocess.Popen[str]") -> None:
    """Interrupt the program and its children as a person would; kill what does not end by that."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGINT)
    try:
        process.wait(timeout=_GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        pass
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
