"""A server as a real process on loopback: started, waited for, ended with its children."""

import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

_PAUSE_SECONDS: Final = 0.05
_LOG_TAIL: Final = 3000


def free_port() -> int:
    """A port of loopback that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers_http(url: str) -> bool:
    """Whether anything answers at ``url``; a refusal (401, 403, 404) is an answer too."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        opener.open(url, timeout=2).close()
    except urllib.error.HTTPError as error:
        error.close()
        return True
    except OSError:
        return False
    return True


class ServerProcess:
    """One command that serves until it is stopped; it can be started again.

    Args:
        command: program and arguments.
        log: file that takes what it prints; later starts append.
        ready: whether the server answers; asked until it says so.
        environment: variables on top of those of this process.
        seconds: how long a start may take.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        log: Path,
        ready: Callable[[], bool],
        *,
        environment: Mapping[str, str] | None = None,
        seconds: float = 30,
    ) -> None:
        self.command = [str(part) for part in command]
        self.log = log
        self._ready = ready
        self._environment = dict(environment or {})
        self._seconds = seconds
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start the process and wait until it answers.

        Raises:
            RuntimeError: it ended at once, or did not answer in time; its log is shown.
        """
        if self._process is not None:
            raise RuntimeError(f"{self.command[0]} runs already")
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.command,
                env={**os.environ, **self._environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            self._wait(self._process)
        except BaseException:
            self.stop()
            raise

    def stop(self, signal_number: int = signal.SIGTERM) -> None:
        """End the process and its children; SIGKILL where that takes more than ten seconds."""
        process, self._process = self._process, None
        if process is None:
            return
        # The session's number is the process's, so a group of another program is never meant.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal_number)
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            pass
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    @property
    def pid(self) -> int:
        """Number of the process.

        Raises:
            RuntimeError: it does not run.
        """
        if self._process is None:
            raise RuntimeError(f"{self.command[0]} does not run")
        return self._process.pid

    def signal(self, signal_number: int) -> None:
        """Signal the process and its children: SIGSTOP makes it silent until SIGCONT."""
        os.killpg(self.pid, signal_number)

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + self._seconds
        while process.poll() is None and time.monotonic() < deadline:
            if self._ready():
                return
            time.sleep(_PAUSE_SECONDS)
        code = process.poll()
        state = f"ended with {code}" if code is not None else f"is silent after {self._seconds} s"
        tail = self.log.read_text(errors="replace")[-_LOG_TAIL:]
        raise RuntimeError(f"{self.command[0]} {state}; {self.log}:\n{tail}")
