"""The reliability runs of benchmarks/, shortened: each ends with 1 where a promise is broken."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

pytestmark = [pytest.mark.servers, pytest.mark.slow]

BENCHMARKS = REPOSITORY / "benchmarks"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a champion; the first run makes it."""
    return tmp_path_factory.mktemp("reliability") / "project"


def run(name: str, project: Path, *options: str) -> str:
    """The report of a run that kept its promises."""
    command = [sys.executable, str(BENCHMARKS / f"{name}.py"), "--project", str(project), *options]
    done = subprocess.run(
        [*command, "--rows", "800"], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_outages_kills_and_a_full_disk_lose_nothing_that_was_acknowledged(project: Path) -> None:
    report = run("outage", project, "--seconds", "4")
    assert len([line for line in report.splitlines() if line.endswith(" |")]) >= 7


def test_every_answer_during_swaps_is_of_the_version_that_it_names(project: Path) -> None:
    assert "| 10 swaps |" in run("swaps", project, "--swaps", "10")


def test_mixed_load_leaves_open_files_threads_and_memory_as_they_were(project: Path) -> None:
    """Half a minute shows what grows with every request; the run itself takes half an hour."""
    assert "0 failed" in run("endurance", project, "--minutes", "0.5", "--growth", "0.2")
