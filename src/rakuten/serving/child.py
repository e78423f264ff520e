"""Work that needs MLflow, in a process of its own that ends with this one."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Final

from rakuten.errors import ModelError, StoreAwayError, TrackingError
from rakuten.logs import get_logger
from rakuten.settings import Settings, without_password

log = get_logger(__name__)

_PAUSE: Final = 0.05
_LINES: Final = 20


class Child:
    """Runs ``python -m rakuten.serving.fetch`` and hands on its answer.

    ``stopping`` ends whatever runs. The child ends itself when this process is gone.
    """

    def __init__(self, settings: Settings, root: Path, stopping: threading.Event) -> None:
        self._settings, self._root, self._stopping = settings, root, stopping

    def run(self, command: str, *arguments: str, seconds: float) -> Any:
        """What a command of :mod:`rakuten.serving.fetch` answers.

        Raises:
            ModelError: the model is not the one that was registered.
            StoreAwayError: registry or artifact store did not answer, or not in time.
            TrackingError: they refused, or the process failed.
        """
        # -P: no module comes from whatever folder this process happens to be in.
        words = [sys.executable, "-P", "-m", "rakuten.serving.fetch", "--follow"]
        words += ["--root", str(self._root), command, *arguments]
        try:
            return self._run(words, command, seconds)
        except OSError as error:
            raise StoreAwayError(f"The {command} by MLflow did not start: {error}.") from error

    def _run(self, words: list[str], command: str, seconds: float) -> Any:
        with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
            process = subprocess.Popen(
                words,
                env=self._environment(),
                stdin=subprocess.PIPE,  # open as long as this process lives
                stdout=output,
                stderr=errors,
                start_new_session=True,  # Ctrl-C is for this process, which ends the child
            )
            try:
                finished = self._wait(process, seconds)
            finally:
                _end(process)
            lines = _log_tail(command, errors)
            if not finished:
                reason = "was ended" if self._stopping.is_set() else f"took over {seconds:g} s"
                raise StoreAwayError(f"The {command} by MLflow {reason}.")
            return _answer(command, process.returncode, output, lines)

    def _environment(self) -> dict[str, str]:
        # The settings may not have come from the environment, which the child reads.
        uri = self._settings.mlflow_tracking_uri
        given = {"MLFLOW_TRACKING_URI": uri} if uri else {}
        others = (name for name in os.environ if name != "MLFLOW_TRACKING_URI")
        return {**{name: os.environ[name] for name in others}, **given}

    def _wait(self, process: "subprocess.Popen[bytes]", seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while process.poll() is None:
            if self._stopping.wait(_PAUSE) or time.monotonic() > deadline:
                return False
        return True


def _end(process: "subprocess.Popen[bytes]") -> None:
    # Its session's number is its own, so no other program is meant.
    if process.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdin:
        process.stdin.close()


def _log_tail(command: str, errors: IO[bytes]) -> list[str]:
    errors.seek(0)
    lines = errors.read().decode("utf-8", "replace").splitlines()[-_LINES:]
    shown = [without_password(line) for line in lines if line.strip()]
    for line in shown:
        log.info("%s: %s", command, line)
    return shown


def _answer(command: str, code: int, output: IO[bytes], lines: list[str]) -> Any:
    output.seek(0)
    try:
        answer: Mapping[str, Any] = json.loads(output.read())
        state = answer["state"]
    except (ValueError, LookupError, TypeError) as error:
        last = lines[-1] if lines else "it said nothing"
        raise TrackingError(f"The {command} by MLflow ended with {code}: {last}.") from error
    if state == "done":
        return answer["value"]
    kinds = {"refused": ModelError, "away": StoreAwayError}
    raise kinds.get(state, TrackingError)(str(answer["message"]), hint=answer.get("hint"))
