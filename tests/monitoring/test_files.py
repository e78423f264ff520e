"""The newest report is found, old ones go, and nothing else is touched."""

import os
import time
from pathlib import Path

import pytest

from rakuten.monitoring.files import PAGE, newest_report, prune_reports, reports_folder
from rakuten.settings import ProjectPaths

NAMES = [f"20260301T{hour:02}0000Z-0000000{hour % 10}" for hour in (9, 10, 11, 12)]


@pytest.fixture
def paths(tmp_path: Path) -> ProjectPaths:
    """A project with four reports."""
    made = ProjectPaths(tmp_path)
    for name in NAMES:
        (reports_folder(made) / name).mkdir(parents=True)
        (reports_folder(made) / name / PAGE).write_text(name)
    return made


def test_newest_report_is_the_last_that_has_a_page(paths: ProjectPaths) -> None:
    folder = reports_folder(paths)
    assert newest_report(paths) == folder / NAMES[-1] / PAGE
    (folder / NAMES[-1] / PAGE).unlink()
    assert newest_report(paths) == folder / NAMES[-2] / PAGE


def test_no_report_is_none(tmp_path: Path) -> None:
    assert newest_report(ProjectPaths(tmp_path)) is None
    reports_folder(ProjectPaths(tmp_path)).mkdir(parents=True)
    assert newest_report(ProjectPaths(tmp_path)) is None


def test_old_reports_and_old_halves_go_and_what_is_not_ours_stays(paths: ProjectPaths) -> None:
    folder = reports_folder(paths)
    for name in (".20260301T080000Z-00000001.ab.staged", ".young.ab.staged", "2025", "notes"):
        (folder / name).mkdir()
    hour_ago = time.time() - 3600
    os.utime(folder / ".20260301T080000Z-00000001.ab.staged", (hour_ago, hour_ago))
    prune_reports(folder, 2)
    left = sorted(path.name for path in folder.iterdir())
    assert left == sorted([".young.ab.staged", "2025", "notes", *NAMES[2:]])
