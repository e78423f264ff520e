"""The daily check opens one issue, brings it up to date, and never opens a second."""

import subprocess
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

SCRIPT = REPOSITORY / ".github" / "monitor_issue.sh"


def run(folder: Path, decision: str, listed: str = "", code: int = 0) -> tuple[int, list[str]]:
    """Run the script with a ``gh`` that notes its calls and lists an issue, or fails."""
    gh = folder / "gh"
    gh.write_text(
        f'#!/bin/sh\necho "$*" >> {folder}/calls\n'
        f'if [ "$1 $2" = "issue list" ]; then printf "{listed}"; exit {code}; fi\n'
    )
    gh.chmod(0o755)
    summary = folder / "summary.md"
    summary.write_text(f"<!-- decision: {decision} -->\nreasons\n")
    done = subprocess.run(
        ["sh", str(SCRIPT), str(summary)],
        env={"PATH": f"{folder}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    calls = folder / "calls"
    return done.returncode, calls.read_text().splitlines() if calls.exists() else []


@pytest.mark.parametrize("decision", ["nothing", "watch"])
def test_nobody_is_told_of_what_needs_nobody(tmp_path: Path, decision: str) -> None:
    assert run(tmp_path, decision) == (0, [])


@pytest.mark.parametrize("decision", ["alert", "retrain"])
def test_an_issue_is_opened_when_there_is_none(tmp_path: Path, decision: str) -> None:
    code, calls = run(tmp_path, decision)
    assert code == 0
    assert [call.split()[:2] for call in calls] == [
        ["issue", "list"], ["label", "create"], ["issue", "create"]
    ]  # fmt: skip
    assert f"Monitoring: {decision}" in calls[-1]
    assert "--label monitoring" in calls[-1]
    assert "--label monitoring --state open" in calls[0]


def test_an_open_issue_is_brought_up_to_date(tmp_path: Path) -> None:
    code, calls = run(tmp_path, "alert", listed="17")
    assert code == 0
    assert calls[-1].startswith("issue edit 17 ")
    assert not any("create" in call for call in calls)


def test_a_list_that_cannot_be_read_opens_nothing(tmp_path: Path) -> None:
    code, calls = run(tmp_path, "alert", code=1)
    assert code != 0
    assert len(calls) == 1


def test_a_summary_without_a_decision_is_an_error(tmp_path: Path) -> None:
    assert run(tmp_path, "42") == (1, [])
