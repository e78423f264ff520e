"""`make mlflow-up` says what is missing before Docker is asked."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

CHECK = REPOSITORY / "deploy" / "mlflow" / "check.sh"
COMPOSE = REPOSITORY / "docker-compose.mlflow.yml"


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A PATH with the tools that the script uses, and no Docker yet."""
    folder = tmp_path / "programs"
    folder.mkdir()
    for name in ("sed", "sort", "grep"):
        found = shutil.which(name)
        assert found
        (folder / name).symlink_to(found)
    return folder


def add_docker(programs: Path, script: str = "exit 0") -> None:
    docker = programs / "docker"
    docker.write_text(f"#!/bin/sh\n{script}\n")
    docker.chmod(0o755)


def check(programs: Path, env: str | None, **shell: str) -> subprocess.CompletedProcess[str]:
    file = programs.parent / ".env"
    if env is not None:
        file.write_text(env)
    sh = shutil.which("sh")
    assert sh
    return subprocess.run(
        [sh, str(CHECK), str(COMPOSE), str(file)],
        env={"PATH": str(programs), **shell},
        capture_output=True,
        text=True,
        check=False,
    )


def test_absent_docker_is_named(programs: Path) -> None:
    done = check(programs, "MLFLOW_POSTGRES_PASSWORD=x\n")
    assert done.returncode == 1
    assert "docker is not on the PATH" in done.stderr


def test_docker_without_compose_is_named(programs: Path) -> None:
    add_docker(programs, "exit 1")
    done = check(programs, "MLFLOW_POSTGRES_PASSWORD=x\n")
    assert done.returncode == 1
    assert "Docker Compose plugin" in done.stderr


def test_absent_env_file_is_named_with_the_command_that_makes_it(programs: Path) -> None:
    add_docker(programs)
    done = check(programs, None)
    assert done.returncode == 1
    assert "cp .env.example" in done.stderr


@pytest.mark.parametrize(
    "env",
    [
        "",
        "MLFLOW_POSTGRES_PASSWORD=\n",
        "MLFLOW_POSTGRES_PASSWORD=''\n",
        "# MLFLOW_POSTGRES_PASSWORD=x\n",
        "MLFLOW_POSTGRES_PASSWORD= # later\n",
        (REPOSITORY / ".env.example").read_text(),
    ],
)
def test_missing_secret_is_named(programs: Path, env: str) -> None:
    add_docker(programs)
    done = check(programs, env)
    assert done.returncode == 1
    assert "MLFLOW_POSTGRES_PASSWORD has no value" in done.stderr


@pytest.mark.parametrize(
    "env",
    [
        "MLFLOW_POSTGRES_PASSWORD=x\n",
        "export MLFLOW_POSTGRES_PASSWORD='a b'\n",
        (REPOSITORY / ".env.example").read_text() + "MLFLOW_POSTGRES_PASSWORD=x\n",
    ],
)
def test_nothing_is_said_when_all_is_there(programs: Path, env: str) -> None:
    add_docker(programs)
    done = check(programs, env)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_store_beside_the_server_needs_its_keys(programs: Path) -> None:
    add_docker(programs)
    lines = [
        "MLFLOW_POSTGRES_PASSWORD=x",
        "COMPOSE_PROFILES=s3",
        "AWS_ACCESS_KEY_ID=key",
        "AWS_SECRET_ACCESS_KEY=secret",
        "MLFLOW_ARTIFACTS_DESTINATION=s3://mlflow/artifacts",
        "MLFLOW_SERVER_S3_ENDPOINT_URL=http://s3:9000",
    ]
    assert check(programs, "\n".join(lines)).returncode == 0
    for line in lines[2:]:
        done = check(programs, "\n".join(one for one in lines if one != line))
        assert done.returncode == 1
        assert line.split("=")[0] in done.stderr


def test_the_last_line_counts(programs: Path) -> None:
    add_docker(programs)
    env = "MLFLOW_POSTGRES_PASSWORD=x\nMLFLOW_POSTGRES_PASSWORD=\n"
    assert check(programs, env).returncode == 1


def test_a_secret_of_the_shell_counts(programs: Path) -> None:
    add_docker(programs)
    assert check(programs, "", MLFLOW_POSTGRES_PASSWORD="x").returncode == 0


def test_make_refuses_without_docker_or_values(tmp_path: Path) -> None:
    """The targets ask the script first: without .env nothing is started."""
    shown = subprocess.run(
        ["make", "-n", "mlflow-up", "mlflow-down"],
        cwd=REPOSITORY,
        env={**os.environ, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    commands = [line for line in shown if "deploy/mlflow/check.sh" in line or "docker" in line]
    assert "check.sh" in commands[0]
    assert " up -d --build --wait" in commands[1]
    assert " down" in commands[-1]
    assert "--volumes" not in commands[-1]
    assert " -v" not in commands[-1]
