"""What a killed DVC leaves stops no later command; what a living one holds is left alone."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rakuten.errors import BusyError, ConfigurationError
from rakuten.flows.leftovers import clear_leftovers
from rakuten.flows.reproduction import reproduce
from tests.flows.conftest import MakePipeline


def table_of(root: Path) -> Path:
    return root / ".dvc" / "tmp" / "rwlock"


def hold_output(root: Path, pid: int) -> None:
    entry = {"pid": pid, "cmd": "dvc repro"}
    table = {"write": {str(root / "one.txt"): entry}, "read": {str(root / "input.txt"): [entry]}}
    table_of(root).write_text(json.dumps(table))


def outcome(root: Path) -> str:
    return reproduce(root, "one", seconds=60, line=lambda _: None).outcome


@pytest.fixture
def root(make_pipeline: MakePipeline) -> Path:
    return make_pipeline({"one": "cat input.txt > one.txt; echo x >> ../runs"})


def test_an_entry_whose_number_another_process_has_now_is_cleared(root: Path) -> None:
    hold_output(root, os.getpid())
    written = time.time() - 10 * 365 * 86400  # long before this process began
    os.utime(table_of(root), (written, written))
    with pytest.raises(BusyError):
        outcome(root)
    assert clear_leftovers(root) == [table_of(root)]
    assert outcome(root) == "ran"


def test_a_table_that_was_torn_is_cleared(root: Path) -> None:
    table_of(root).write_text('{"write": {"one')
    assert clear_leftovers(root) == [table_of(root)]
    assert outcome(root) == "ran"


def test_what_a_living_process_holds_is_left_alone(root: Path) -> None:
    hold_output(root, os.getpid())
    before = table_of(root).read_text()
    assert clear_leftovers(root) == []
    assert table_of(root).read_text() == before


def test_a_table_that_is_just_being_written_is_left_alone(root: Path) -> None:
    table_of(root).write_text("")
    guard = str(table_of(root).with_name("rwlock.lock"))
    script = "import sys, time, zc.lockfile as z\nlock = z.LockFile(sys.argv[1])\n"
    script += "print(1, flush=True)\ntime.sleep(60)"
    writer = subprocess.Popen([sys.executable, "-c", script, guard], stdout=subprocess.PIPE)
    try:
        assert writer.stdout is not None
        writer.stdout.readline()
        with pytest.raises(BusyError):
            clear_leftovers(root)
        assert table_of(root).exists()
    finally:
        writer.kill()
        writer.wait()


def test_a_torn_lock_file_is_made_anew_without_running_a_stage_again(root: Path) -> None:
    assert outcome(root) == "ran"
    lock = root / "dvc.lock"
    whole = lock.read_text()
    lock.write_text(whole[: whole.index("cmd:") + 2])
    assert clear_leftovers(root) == [lock]
    assert outcome(root) == "cached"
    assert lock.read_text() == whole
    assert (root.parent / "runs").read_text().split() == ["x"]
    assert (root / ".rakuten" / "dvc.lock.torn").exists()


def test_a_lock_file_with_a_merge_conflict_is_for_people(root: Path) -> None:
    outcome(root)
    lock = root / "dvc.lock"
    lock.write_text("<<<<<<< HEAD\n" + lock.read_text())
    with pytest.raises(ConfigurationError, match="conflict markers"):
        clear_leftovers(root)
    assert lock.exists()


def test_a_project_in_order_is_left_as_it_is(root: Path) -> None:
    outcome(root)
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    assert clear_leftovers(root) == []
    after = {path: path.read_bytes() for path in before}
    assert {p for p in before if before[p] != after[p]} <= {table_of(root).with_name("rwlock.lock")}
