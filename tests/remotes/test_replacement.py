"""A catalogue that takes the place of another: DVC notices, and keeps both."""

from collections.abc import Callable

import pytest

from tests.remotes.conftest import Project

pytestmark = pytest.mark.servers


def test_replaced_catalogue_is_noticed_by_repro_and_the_old_one_can_come_back(
    tracked: Project, copy_of: Callable[[Project], Project]
) -> None:
    project = copy_of(tracked)
    before = project.hashes()
    project.run("rakuten sample --rows 230 --seed 3")
    printed = project.run("dvc repro ingest").stdout
    assert "Running stage 'ingest'" in printed
    changed = project.run("git diff --name-only").stdout.split()
    assert changed == ["data/raw.dvc", "dvc.lock"]
    assert "up to date" in project.run("dvc status data/raw.dvc ingest").stdout

    project.run("git checkout -q -- data/raw.dvc dvc.lock && dvc checkout -q")
    assert project.hashes() == before


def test_clone_without_its_catalogue_gets_no_sample_in_its_place(tracked: Project) -> None:
    tracked.run("git clone -q . ../empty")
    clone = Project(tracked.root.parent / "empty", tracked.environment)
    assert "dvc pull brings it" in clone.refused("rakuten sample --if-empty")
    assert clone.run("git status --porcelain").stdout == ""
    assert "dvc pull brings" in clone.refused("rakuten ingest")
