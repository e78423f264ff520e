"""DVC's files, its locks and what git tracks of its outputs."""

import json
import os
import shutil
import subprocess

import pytest
from dvc.lock import make_lock

from rakuten.settings import ProjectPaths
from tests.stages.doctor.conftest import examine, git, only, served, use_remote


def test_secret_in_the_shared_dvc_configuration_fails(paths: ProjectPaths) -> None:
    with served(lambda _: (200, "")) as endpoint:
        use_remote(paths, endpoint)
        with (paths.root / ".dvc" / "config").open("a") as handle:
            handle.write("    access_key_id = a\n    secret_access_key = b\n")
        found = examine(paths)
    assert "secret key" in only(found["dvc"], "failed").detail
    assert found["s3"][0].state == "ok"


def test_password_in_the_shared_dvc_configuration_fails(paths: ProjectPaths) -> None:
    with (paths.root / ".dvc" / "config").open("a") as handle:
        handle.write("['remote \"a\"']\n    url = ssh://host/x\n    password = mine\n")
    found = only(examine(paths)["dvc"], "failed")
    assert "holds a password" in found.detail
    assert "--unset NAME password" in found.hint


def test_outputs_and_raw_data_in_git_fail(paths: ProjectPaths) -> None:
    (paths.raw / ".gitkeep").touch()
    paths.interim.mkdir()
    (paths.interim / "rejected.csv").touch()
    git(paths.root, "add", "--force", "data/raw", "data/interim")
    hint = only(examine(paths)["dvc"], "failed").hint
    assert hint.startswith("git rm -r --cached data/interim/rejected.csv data/raw/X_test.csv")
    subprocess.run(hint.split(), cwd=paths.root, check=True, capture_output=True)
    assert not [check for check in examine(paths)["dvc"] if check.state == "failed"]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("dvc.lock", "a: 1\n<<<<<<< HEAD\nb: 1\n=======\nb: 2\n>>>>>>> x\n", "conflict markers"),
        ("dvc.yaml", "stages: {a: [", "not valid YAML"),
        ("dvc.yaml", "", "names no stages"),
        (".dvc/config", "[core\n", "not usable"),
    ],
)
def test_damaged_dvc_file_fails(paths: ProjectPaths, name: str, text: str, said: str) -> None:
    (paths.root / name).write_text(text)
    assert said in only(examine(paths)["dvc"], "failed").detail


def test_project_without_dvc_fails(paths: ProjectPaths) -> None:
    shutil.rmtree(paths.root / ".dvc")
    assert only(examine(paths)["dvc"], "failed").hint == "dvc init"


def test_locks_of_dvc_are_warnings(paths: ProjectPaths) -> None:
    folder = paths.root / ".dvc" / "tmp"
    folder.mkdir()
    lock = make_lock(str(folder / "lock"))
    lock.lock()
    gone = {"pid": 2**22 + 1, "cmd": "dvc repro"}
    (folder / "rwlock").write_text(json.dumps({"write": {"a": gone}, "read": {"b": [gone]}}))
    found = [check for check in examine(paths)["dvc"] if check.state == "warning"]
    assert f"kill {os.getpid()}" in found[0].hint
    assert "has gone and left" in found[1].detail
    lock.unlock()
    assert len([check for check in examine(paths)["dvc"] if check.state == "warning"]) == 1


def test_full_examination_names_stale_stages(paths: ProjectPaths) -> None:
    found = only(examine(paths, full=True)["dvc"], "warning")
    assert "ingest" in found.detail
    assert found.hint == "dvc repro"
