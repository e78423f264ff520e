"""One holder at a time; the kernel lets go of the lock when its last holder is dead."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rakuten.errors import BusyError, StorageError
from rakuten.flows.lock import hold

_HOLD = """
import sys, time
from pathlib import Path
from rakuten.flows.lock import hold
import subprocess
with hold(Path(sys.argv[1]), "a run", "flow run first") as handle:
    child = subprocess.Popen(["sleep", sys.argv[2]], pass_fds=[handle])
    print(child.pid, flush=True)
    time.sleep(60)
"""


def start_holder(path: Path, child_seconds: float) -> tuple[subprocess.Popen[str], int]:
    """A process that holds the lock, and a child of it that inherited it."""
    command = [sys.executable, "-c", _HOLD, str(path), str(child_seconds)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, int(process.stdout.readline())


def test_the_second_waits_a_limited_time_and_is_told_who_holds_it(tmp_path: Path) -> None:
    path, notes = tmp_path / "state" / "a.lock", list[str]()
    process, child = start_holder(path, 60)
    try:
        start = time.monotonic()
        with (
            pytest.raises(BusyError, match=f"flow run first .process {process.pid}"),
            hold(path, "a run", "second", wait_seconds=0.7, note=notes.append),
        ):
            pytest.fail("two hold the lock")
        assert 0.6 < time.monotonic() - start < 10
        (note,) = notes
        assert "flow run first" in note
    finally:
        process.kill()
        os.kill(child, signal.SIGKILL)
        process.wait()


def test_a_killed_holder_lets_go_once_what_it_began_has_ended(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    process, _ = start_holder(path, 2.5)
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # dead, and still a zombie
    with pytest.raises(BusyError, match="A run of .* still runs"), hold(path, "a run", "second"):
        pytest.fail("the child of the killed holder still works")
    process.wait()
    with hold(path, "a run", "second", wait_seconds=20):
        pass


def test_a_lock_that_was_let_go_can_be_taken_again(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    for name in ("first", "second"):
        with hold(path, "a run", name):
            assert name in path.read_text()
        assert path.read_text() == ""


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    with pytest.raises(StorageError, match="state"), hold(tmp_path / "state" / "a", "", ""):
        pytest.fail("there is no such folder")
