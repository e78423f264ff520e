"""This machine: databases, folders, and disks that are too small."""

import json
import os
import shutil
import sqlite3
import subprocess
from pathlib import Path

import pytest
import yaml

from rakuten.params import Params
from rakuten.settings import ProjectPaths, load_settings
from rakuten.stages.preflight import before_stage, disk
from tests.conftest import REPOSITORY, MountSmallDisk
from tests.stages.preflight.conftest import Trained, Warned, rakuten, refused


def test_embedded_default_is_looked_at_in_a_moment_without_mlflow(project: ProjectPaths) -> None:
    script = (
        "import sys, time; from pathlib import Path; import rakuten.stages.train\n"
        "from rakuten.settings import ProjectPaths, load_settings\n"
        "from rakuten.stages.preflight import before_stage\n"
        "start = time.monotonic()\n"
        f"before_stage('train', ProjectPaths(Path({str(project.root)!r})), load_settings())\n"
        "assert time.monotonic() - start < 1\n"
        "assert not {'mlflow', 'requests', 'botocore', 'dvc'} & set(sys.modules)\n"
    )
    done = subprocess.run(
        ["python", "-c", script], capture_output=True, text=True, cwd=REPOSITORY, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert not (project.root / "mlflow.db").exists()


def test_artifact_folder_that_is_a_file_stops_training(project: ProjectPaths) -> None:
    (project.root / "mlartifacts").write_text("")
    told = refused(project)
    assert "mlartifacts is not a folder" in told
    assert "move that file away" in told


def test_database_that_is_none_stops_training(project: ProjectPaths) -> None:
    (project.root / "mlflow.db").write_text("not a database" * 100)
    assert "not a database" in refused(project)


def test_locked_database_is_a_warning(
    project: ProjectPaths, warned: Warned, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rakuten.stages.doctor.tracking._LOCK_SECONDS", 0.1)
    connection = sqlite3.connect(project.root / "mlflow.db")
    connection.execute("CREATE TABLE experiments (name, artifact_location, lifecycle_stage)")
    connection.execute("BEGIN IMMEDIATE")
    before_stage("train", project, load_settings())
    connection.close()
    (warning,) = warned()
    assert "database is locked" in warning


def test_output_folder_that_is_a_file_stops_each_stage(project: ProjectPaths) -> None:
    shutil.rmtree(project.interim)
    project.interim.write_text("")
    assert f"{project.interim} is not a folder" in refused(project, "ingest")
    project.model.parent.write_text("")
    assert "models is not a folder" in refused(project)


@pytest.mark.parametrize(
    ("stage", "place"),
    [
        ("ingest", "data/interim"),
        ("features", "data/processed"),
        ("train", "models"),
        ("train", ".rakuten/pending"),
        ("predict", "data/processed"),
    ],
)
def test_small_disk_stops_a_stage_before_it_starts(
    project: ProjectPaths, small_disk: MountSmallDisk, stage: str, place: str
) -> None:
    small_disk(project.root / place, "60m")
    told = refused(project, stage)
    assert f"the disk of {project.root / place}" in told
    assert "64 MiB in reserve; 60 MiB are free" in told


def test_estimate_counts_vectors_and_the_copies_of_the_model(
    project: ProjectPaths, monkeypatch: pytest.MonkeyPatch, quick_params: Params
) -> None:
    features = quick_params.features
    rows = json.loads((project.interim / "ingest_report.json").read_text())["accepted"]
    vectors = (project.processed / "image_features.npy").stat().st_size
    (needed,) = disk.features_needs(project, features, None)
    assert vectors < needed.size < 1.2 * vectors
    assert disk._rows(project) == rows
    (project.root / ".dvc").mkdir()
    assert len(disk.features_needs(project, features, None)) == 2  # and DVC's cache
    (project.root / ".dvc" / "config").write_text("[cache]\n    type = hardlink,symlink\n")
    assert len(disk.features_needs(project, features, None)) == 1
    needs = disk.train_needs(project, features, load_settings())
    model = needs[0].size
    assert sum(need.size >= model for need in needs) == 4  # waiting run, mlflow's copies
    usage = shutil.disk_usage(project.root)._replace(free=disk.RESERVE + model)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    assert "train needs about" in refused(project)


@pytest.mark.parametrize("rows", [60, 400])
def test_what_stages_write_is_no_more_than_the_estimate(
    rows: int, tmp_path: Path, quick_params: Params, trained_project: Trained
) -> None:
    paths = trained_project[0] if rows == 400 else ProjectPaths(tmp_path)
    if rows == 60:
        assert rakuten(paths, "sample", "--rows", "60").exit_code == 0
        paths.params.write_text(yaml.safe_dump(quick_params.model_dump(mode="json")))
        for stage in ("ingest", "features"):
            assert rakuten(paths, stage).exit_code == 0
    features, interim = quick_params.features, disk._size(paths.interim)
    fresh = ProjectPaths(tmp_path / "fresh")
    shutil.copytree(paths.raw, fresh.raw, copy_function=os.link)
    assert disk.ingest_needs(fresh)[0].size >= interim
    written = disk._size(paths.processed) - disk._size(paths.predictions)
    assert disk.features_needs(fresh, features, None)[0].size >= written
    if rows == 400:
        needs = disk.predict_needs(fresh, fresh.raw / "X_test.csv", fresh.predictions)
        assert needs[0].size >= disk._size(paths.predictions)
        assert disk.train_needs(fresh, features, load_settings())[0].size >= disk._size(paths.model)
