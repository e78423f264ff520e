"""A program's lines come as it prints them, and nothing of it outlives the flow."""

import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from rakuten.errors import StageError
from rakuten.flows.program import run_program

_PARENT = """
import subprocess, sys
print("began", flush=True)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print(child.pid, flush=True)
child.wait()
"""
_STUBBORN = """
import signal, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
print("began", flush=True)
time.sleep(60)
"""


def ends(pid: int) -> bool:
    """Whether a process is dead within ten seconds: it was told, and the kernel takes its time."""
    end = time.monotonic() + 10
    while is_running(pid) and time.monotonic() < end:
        time.sleep(0.05)
    return not is_running(pid)


def is_running(pid: int) -> bool:
    """Whether a process lives; one that nobody has reaped yet is dead all the same."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_lines_come_as_they_are_printed_and_the_code_is_kept(tmp_path: Path) -> None:
    seen: list[tuple[str, float]] = []
    script = "import time; print('a\\u00e9'); time.sleep(0.6); print('b'); raise SystemExit(7)"
    done = run_program(
        [sys.executable, "-c", script],
        tmp_path,
        seconds=20,
        line=lambda text: seen.append((text, time.monotonic())),
    )
    assert (done.code, done.lines) == (7, ("aé", "b"))
    assert seen[1][1] - seen[0][1] > 0.4


def test_a_program_that_takes_too_long_is_ended_with_its_children(tmp_path: Path) -> None:
    lines: list[str] = []
    with pytest.raises(StageError, match="longer than 1.5 s"):
        run_program([sys.executable, "-c", _PARENT], tmp_path, seconds=1.5, line=lines.append)
    assert ends(int(lines[1]))


def test_a_flow_that_is_ended_takes_the_program_and_its_children_along(tmp_path: Path) -> None:
    lines: list[str] = []

    def line(text: str) -> None:
        lines.append(text)
        if len(lines) == 2:  # as Prefect does for SIGTERM: an exception in the main thread
            threading.Timer(0.1, lambda: signal.raise_signal(signal.SIGUSR1)).start()

    def end(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGUSR1, end)
    try:
        with pytest.raises(KeyboardInterrupt):
            run_program([sys.executable, "-c", _PARENT], tmp_path, seconds=30, line=line)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert ends(int(lines[1]))


def test_a_program_that_ignores_the_interrupt_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rakuten.flows.program._GRACE_SECONDS", 0.5)
    start = time.monotonic()
    with pytest.raises(StageError):
        run_program([sys.executable, "-c", _STUBBORN], tmp_path, seconds=1, line=lambda _: None)
    assert time.monotonic() - start < 15
