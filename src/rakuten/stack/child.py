"""One process of the stack: in a session of its own, its lines passed on, ended for good."""

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from rakuten.errors import ConfigurationError

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_CHILD_SUBREAPER: Final = 36
_libc: Final = ctypes.CDLL(None) if sys.platform == "linux" else None


class Child:
    """A running process.

    Args:
        command: program and arguments.
        environment: all its variables.
        folder: where it is started.
        log: file that takes its lines too, from the beginning.
        line: called with each of its lines, from a thread.

    Raises:
        ConfigurationError: the program cannot be started.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        folder: Path,
        log: Path,
        line: Callable[[str], None],
    ) -> None:
        self.started = time.monotonic()
        log.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._process = subprocess.Popen(
                command,
                env=dict(environment),
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_end_with_parent,  # noqa: PLW1509 - one system call
            )
        except OSError as error:
            raise ConfigurationError(
                f"Cannot start {command[0]}: {error.strerror}.", hint="rakuten stack check"
            ) from error
        self._log, self._line = log, line
        self._reader = threading.Thread(target=self._pass_on, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    @property
    def code(self) -> int | None:
        """Exit code, negative for a signal; None while it runs."""
        return self._process.poll()

    def signal(self, number: int) -> None:
        """Send the process a signal; its own children are its business."""
        with suppress(ProcessLookupError):
            self._process.send_signal(number)

    def wait(self, seconds: float) -> bool:
        """Wait for its end; whether it came."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def bury(self) -> None:
        """Kill it and whatever it left behind in its session."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()
        self._reader.join(timeout=2)

    def _pass_on(self) -> None:
        assert self._process.stdout is not None  # noqa: S101 - a pipe was asked for
        with self._log.open("ab") as log, self._process.stdout as lines:
            for raw in lines:
                log.write(raw)
                log.flush()
                self._line(raw.decode(errors="replace").rstrip("\r\n"))


def adopt_orphans() -> None:
    """Become the parent of processes whose own parent ends, so that none is left behind."""
    if _libc is not None:
        _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_orphans() -> list[int]:
    """Kill what is left of this process's children and theirs; their numbers."""
    ended: list[int] = []
    while found := [pid for pid in _children(os.getpid()) if pid not in ended]:
        for pid in found:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
            with suppress(ChildProcessError):
                os.waitpid(pid, 0)
            ended.append(pid)
    return ended


def _children(parent: int) -> list[int]:
    """Children of a process, from /proc; none where there is no /proc."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, ValueError, IndexError):
            # The name of a program, in parentheses, may hold anything.
            if int(stat.read_text().rpartition(")")[2].split()[1]) == parent:
                found.append(int(stat.parent.name))
    return found


def _end_with_parent() -> None:
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
