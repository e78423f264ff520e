"""A program in a session of its own: its lines as they come, a time-out, and no stray children."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rakuten.errors import StageError

_TAIL_LINES: Final = 60
_GRACE_SECONDS: Final = 10.0
_PAUSE_SECONDS: Final = 0.1
_PIECE: Final = 1 << 16


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
    printed = _Lines(line)
    # A file, not a pipe: what goes on after a killed flow may still print.
    with tempfile.TemporaryFile() as out:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=_environment(environment or {}),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=tuple(inherited),
        )
        try:
            _follow(process, out.fileno(), printed, time.monotonic() + seconds)
        finally:
            late = process.poll() is None
            if late:
                _end(process)
        printed.read(out.fileno())
        printed.end()
    if late:
        raise StageError(
            f"{' '.join(command)} took longer than {seconds:g} s and was ended.",
            hint="look at its last lines; where it only needs longer, raise stage_minutes",
        )
    return Finished(process.returncode, tuple(printed.tail))


class _Lines:
    """What a file has grown by, line by line."""

    def __init__(self, told: Callable[[str], None]) -> None:
        self.tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self._told, self._read, self._rest = told, 0, b""

    def read(self, handle: int) -> None:
        """Hand on the lines that are new."""
        while piece := os.pread(handle, _PIECE, self._read):
            self._read += len(piece)
            *whole, self._rest = (self._rest + piece).split(b"\n")
            for one in whole:
                self._tell(one)

    def end(self) -> None:
        """Hand on what comes after the last line's end."""
        if self._rest:
            self._tell(self._rest)
            self._rest = b""

    def _tell(self, line: bytes) -> None:
        self.tail.append(line.decode("utf-8", errors="replace").rstrip("\r"))
        self._told(self.tail[-1])


def _follow(
    process: "subprocess.Popen[bytes]", handle: int, printed: _Lines, deadline: float
) -> None:
    """Hand on lines until the program has ended, or its time is over."""
    while process.poll() is None and time.monotonic() < deadline:
        printed.read(handle)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=_PAUSE_SECONDS)


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    """Stages call ``rakuten`` by name: that of this very environment."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    return {**os.environ, "PATH": path, "PYTHONUNBUFFERED": "1", **more}


def _end(process: "subprocess.Popen[bytes]") -> None:
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
