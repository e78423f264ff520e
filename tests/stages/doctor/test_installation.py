"""Python, settings, parameters and the disk: what is wrong is named."""

import os
import subprocess
from pathlib import Path

import pytest

from rakuten.settings import ProjectPaths, load_env_file
from rakuten.stages.doctor import installation
from tests.stages.doctor.conftest import examine, git, only


def test_missing_package_and_another_rakuten_on_the_path_are_named(
    paths: ProjectPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = paths.root / "bin" / "rakuten"
    other.parent.mkdir()
    other.write_text("#!/bin/sh\n")
    other.chmod(0o755)
    monkeypatch.setenv("PATH", f"{other.parent}:{os.environ['PATH']}")
    monkeypatch.setattr(installation, "_MODULES", ("pandas", "no_such_package"))
    found = examine(paths)["python"]
    assert "no_such_package" in only(found, "failed").detail
    assert str(other) in only(found, "warning").detail


@pytest.mark.parametrize(
    ("line", "odd"),
    [
        ("LOG_LEVEL=INFO", False),
        ("LOG_LEVEL='a b $c'", False),
        ('LOG_LEVEL="a b"', False),
        ("export LOG_LEVEL=a  # why", False),
        ("LOG_LEVEL=", False),
        ("LOG_LEVEL=http://h:1/p?x=*#1", False),
        ("LOG_LEVEL=a b", True),
        ("LOG_LEVEL = a", True),
        ("LOG_LEVEL=pa$word", True),
        ('LOG_LEVEL="pa$word"', True),
        ("LOG_LEVEL=a&b", True),
        ("LOG_LEVEL=a\r", True),
        ("!!", True),
    ],
)
def test_env_line_that_a_shell_reads_otherwise_is_named(
    tmp_path: Path, line: str, odd: bool
) -> None:
    path = tmp_path / ".env"
    path.write_text(f"# comment\n\n{line}\n", newline="")
    values, lines = installation._read_env(path)
    assert lines == (["line 3"] if odd else [])
    if not odd:
        script = f'source {path} && printf %s "$LOG_LEVEL"'
        shell = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
        assert shell.stdout == values["LOG_LEVEL"]


def test_env_names_that_are_not_handed_on_and_overrides_are_named(
    paths: ProjectPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_MODEL_NAME", "other")
    monkeypatch.setenv("LOG_FORMAT", "")
    shell = dict(os.environ)
    (paths.root / ".env").write_text(
        "MLFLOW_MODEL_NAME=mine\nLOG_FORMAT=text\nAWS_PROFILE=\nMY_KEY=1\n"
    )
    load_env_file(paths.root)
    found = examine(paths, shell=shell)["settings"]
    details = "\n".join(check.detail for check in found)
    assert "MY_KEY will not be handed on" in details
    assert "differ in MLFLOW_MODEL_NAME: the shell's wins" in details
    assert "differ in LOG_FORMAT: programs other than `rakuten` see it empty" in details
    assert "sets MLFLOW_MODEL_NAME, LOG_FORMAT" in only(found, "ok").detail


def test_env_file_in_git_fails(paths: ProjectPaths) -> None:
    (paths.root / ".env").write_text("LOG_LEVEL=INFO\n")
    git(paths.root, "add", "--force", ".env")
    assert "git rm --cached .env" in only(examine(paths)["settings"], "failed").hint


def test_env_file_that_is_not_utf8_fails(paths: ProjectPaths) -> None:
    (paths.root / ".env").write_bytes(b"LOG_LEVEL=INFO # caf\xe9\n")
    assert "Cannot read" in only(examine(paths)["settings"], "failed").detail


def test_broken_parameters_fail_and_hide_nothing_else(paths: ProjectPaths) -> None:
    paths.params.write_text("train:\n  folds: 1\n")
    found = examine(paths)
    assert "train.folds" in only(found["params"], "failed").detail
    assert found["data"][0].state == "ok"


def test_folder_that_cannot_be_written_and_a_full_disk_are_named(
    paths: ProjectPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths.reports.write_text("a file where the folder should be")
    monkeypatch.setattr(installation, "_LITTLE_DISK", 1 << 62)
    found = examine(paths)["disk"]
    assert "reports" in only(found, "failed").detail
    assert "MiB are free" in only(found, "warning").detail
