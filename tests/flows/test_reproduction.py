"""DVC stage by stage: its order, what each stage did, and what kind of failure it was."""

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rakuten.errors import BusyError, ConfigurationError, InterruptedStageError, StageError
from rakuten.flows.reproduction import plan_stages, push, reproduce
from rakuten.flows.retries import is_transient
from tests.flows.conftest import MakePipeline


def outcome(root: Path, stage: str) -> str:
    return reproduce(root, stage, seconds=60, line=lambda _: None).outcome


def names(root: Path) -> list[str]:
    return [planned.stage for planned in plan_stages(root)]


def up_to_date(root: Path) -> list[str]:
    return [planned.stage for planned in plan_stages(root) if planned.up_to_date]


def test_stages_are_those_of_dvc_in_its_order_with_the_data_that_it_tracks(
    make_pipeline: MakePipeline,
) -> None:
    root = make_pipeline({"zeta": "echo 1 > zeta.txt", "alpha": "echo 1 > alpha.txt"})
    assert names(root) == ["zeta", "alpha"]
    dvc = [sys.executable, "-m", "dvc", "add", "-q", "input.txt"]
    subprocess.run(dvc, cwd=root, check=True)
    assert names(root) == ["input.txt.dvc", "zeta", "alpha"]


def test_a_pipeline_that_dvc_cannot_read_is_an_error_that_says_where(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=str(tmp_path)):
        plan_stages(tmp_path)


def test_a_stage_runs_once_is_unchanged_then_and_comes_from_the_cache_later(
    make_pipeline: MakePipeline,
) -> None:
    root = make_pipeline({"one": "cat input.txt > one.txt; echo x >> ../runs"})
    assert outcome(root, "one") == "ran"
    assert outcome(root, "one") == "unchanged"
    (root / "input.txt").write_text("another")
    assert outcome(root, "one") == "ran"
    (root / "input.txt").write_text("input")
    assert outcome(root, "one") == "cached"
    assert (root.parent / "runs").read_text().split() == ["x", "x"]


def test_only_the_first_stages_without_anything_to_do_are_up_to_date(
    make_pipeline: MakePipeline, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    root = make_pipeline({name: f"cat input.txt > {name}.txt" for name in ("a", "b", "c")})
    monkeypatch.chdir(tmp_path)
    assert up_to_date(root) == []
    for stage in ("a", "b", "c"):
        outcome(root, stage)
    assert up_to_date(root) == ["a", "b", "c"]
    (root / "b.txt").unlink()
    assert up_to_date(root) == ["a"]
    outcome(root, "b")
    assert up_to_date(root) == ["a", "b", "c"]
    (root / "input.txt").write_text("another")
    assert up_to_date(root) == []


def test_lines_of_the_stage_are_handed_on_and_its_time_is_kept(
    make_pipeline: MakePipeline,
) -> None:
    root = make_pipeline({"one": "echo hello; sleep 0.2; echo 1 > one.txt"})
    lines: list[str] = []
    found = reproduce(root, "one", seconds=60, line=lines.append)
    assert "hello" in lines
    assert 0.2 <= found.seconds < 60


@pytest.mark.parametrize("code", [1, 2, 3, 130])
def test_a_stage_that_ends_with_an_error_of_its_own_is_not_tried_again(
    make_pipeline: MakePipeline, code: int
) -> None:
    says = "echo 'error: params.yaml: no such value.'; echo '  → correct it'"
    root = make_pipeline({"one": f"{says}; exit {code}"})
    with pytest.raises(StageError, match="one failed: params.yaml: no such value") as caught:
        outcome(root, "one")
    assert not is_transient(caught.value)
    assert caught.value.hint == "correct it"


@pytest.mark.parametrize("command", ["kill -9 $$", "sh -c 'kill -9 $$'; exit 137"])
def test_a_stage_that_was_killed_may_be_tried_again(
    make_pipeline: MakePipeline, command: str
) -> None:
    root = make_pipeline({"one": command})
    with pytest.raises(InterruptedStageError, match="signal 9") as caught:
        outcome(root, "one")
    assert is_transient(caught.value)


def test_dvc_s_own_lock_held_by_somebody_is_busy(make_pipeline: MakePipeline) -> None:
    root = make_pipeline({"one": "echo 1 > one.txt"})
    with (root / ".dvc" / "tmp" / "lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        with pytest.raises(BusyError, match="acquire lock") as caught:
            outcome(root, "one")
    assert is_transient(caught.value)
    assert outcome(root, "one") == "ran"


def test_what_dvc_cannot_judge_now_is_not_up_to_date(make_pipeline: MakePipeline) -> None:
    root = make_pipeline({"one": "cat input.txt > one.txt"})
    outcome(root, "one")
    held = {"write": {str(root / "one.txt"): {"pid": os.getpid(), "cmd": "dvc x"}}, "read": {}}
    (root / ".dvc/tmp/rwlock").write_text(json.dumps(held))
    assert up_to_date(root) == []


def test_files_in_use_by_another_dvc_command_are_busy(make_pipeline: MakePipeline) -> None:
    root = make_pipeline({"one": "echo 1 > one.txt"})
    held = {"write": {str(root / "one.txt"): {"pid": os.getpid(), "cmd": "dvc x"}}, "read": {}}
    (root / ".dvc" / "tmp" / "rwlock").write_text(json.dumps(held))
    with pytest.raises(BusyError, match="is busy"):
        outcome(root, "one")


def test_a_push_sends_what_dvc_keeps_and_one_that_fails_may_be_tried_again(
    make_pipeline: MakePipeline, tmp_path: Path
) -> None:
    root = make_pipeline({"one": "echo 1 > one.txt"})
    outcome(root, "one")
    with pytest.raises(InterruptedStageError, match="did not get through"):
        push(root, seconds=60, line=lambda _: None)
    remote = [sys.executable, "-m", "dvc", "remote", "add", "-d", "-q", "here", str(tmp_path / "r")]
    subprocess.run(remote, cwd=root, check=True)
    push(root, seconds=60, line=lambda _: None)
    assert any((tmp_path / "r").rglob("*"))
