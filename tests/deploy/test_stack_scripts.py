"""`make stack-…` and `make images…` ask Docker for the right thing, or say what is missing."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

OWNER = str(os.getuid() or 1000)
_FAKE_DOCKER = '#!/bin/sh\necho "docker $* [${COMPOSE_PROFILES:-}]"\n'


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of what the targets need, owned by whom the roles run as, with a Docker that tells."""
    folder = tmp_path / "project"
    folder.mkdir()
    for name in ("Makefile", ".env.example", "docker-compose.yml", "docker-compose.mlflow.yml"):
        shutil.copy2(REPOSITORY / name, folder)
    shutil.copytree(REPOSITORY / "deploy", folder / "deploy")
    (tmp_path / "bin").mkdir()
    docker = tmp_path / "bin" / "docker"
    docker.write_text(_FAKE_DOCKER)
    docker.chmod(0o755)
    if os.getuid() == 0:
        os.chown(folder, int(OWNER), int(OWNER))
    return folder


def make(project: Path, *arguments: str, **shell: str) -> subprocess.CompletedProcess[str]:
    path = f"{project.parent / 'bin'}:{os.environ['PATH']}"
    return subprocess.run(
        ["make", "-s", *arguments],
        cwd=project,
        env={"PATH": path, "HOME": str(project), "RAKUTEN_UID": OWNER, **shell},
        capture_output=True,
        text=True,
        check=False,
    )


def test_secrets_are_made_once_without_being_shown(project: Path) -> None:
    first = make(project, "stack-secrets")
    assert first.returncode == 0, first.stderr
    env = (project / ".env").read_text()
    made = dict(re.findall(r"^(\w+)=([0-9a-f]{64})$", env, re.MULTILINE))
    assert len(made) == 6
    assert all(name in first.stdout and value not in first.stdout for name, value in made.items())
    assert (project / ".env").stat().st_mode & 0o777 == 0o600
    token = project / ".rakuten/stack/secrets/rakuten_webhook_token"
    assert token.parent.stat().st_mode & 0o077 == 0
    assert make(project, "stack-secrets").stdout == ""
    assert (project / ".env").read_text() == env


def test_a_chosen_secret_is_kept_and_an_unfinished_line_is_not_spoiled(project: Path) -> None:
    (project / ".env").write_text("GRAFANA_ADMIN_PASSWORD=mine")
    make(project, "stack-secrets")
    assert "GRAFANA_ADMIN_PASSWORD=mine\n" in (project / ".env").read_text()


def test_check_says_nothing_when_all_is_there_and_names_what_is_not(project: Path) -> None:
    assert "there is no .env" in make(project, "stack-check").stderr
    (project / ".env").write_text("A=b\n")
    assert "make stack-secrets makes one" in make(project, "stack-check").stderr
    make(project, "stack-secrets")
    done = make(project, "stack-check")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    other = make(project, "stack-check", RAKUTEN_UID="4711")
    assert other.returncode != 0
    assert f"belongs to user {OWNER} and the roles run as user 4711" in other.stderr
    shutil.rmtree(project / ".rakuten")
    assert "token is missing" in make(project, "stack-check").stderr


def test_the_stack_starts_with_its_profiles_and_stops_with_all(project: Path) -> None:
    make(project, "stack-secrets")
    up = make(project, "stack-up")
    assert up.returncode == 0, up.stderr
    assert "up -d --build --wait" in up.stdout
    assert up.stdout.splitlines()[0].endswith("[api,flows,monitoring]")
    chosen = make(project, "stack-up", "PROFILES=api").stdout.splitlines()[0]
    assert chosen.endswith("[api]")
    down = make(project, "stack-down").stdout
    assert "--profile * down" in down
    assert "volumes" not in down


def test_the_store_with_keys_needs_them(project: Path) -> None:
    make(project, "stack-secrets")
    refused = make(project, "stack-up", "PROFILES=api,s3")
    assert refused.returncode != 0
    assert "AWS_ACCESS_KEY_ID has no value" in refused.stderr


def test_every_role_is_built_scanned_and_pushed_under_one_name(project: Path) -> None:
    names = ("IMAGES=ghcr.io/o/n", "VERSION=1.2.3")
    for target, words in (
        ("images", "build"), ("images-scan", "--exit-code 1"), ("images-push", "push"),
    ):  # fmt: skip
        lines = make(project, target, *names).stdout.splitlines()
        assert [re.findall(r"ghcr\.io/o/n/(\w+):1\.2\.3", line) for line in lines] == [
            ["api"], ["flows"], ["pipeline"]
        ]  # fmt: skip
        assert all(words in line for line in lines)


def test_the_scanner_is_pinned(project: Path) -> None:
    line = make(project, "images-scan").stdout.splitlines()[0]
    assert re.search(r"aquasec/trivy:\d+\.\d+\.\d+@sha256:[0-9a-f]{64} ", line)


def test_a_failed_scan_stops(project: Path) -> None:
    (project.parent / "bin" / "docker").write_text("#!/bin/sh\nexit 1\n")
    assert make(project, "images-scan").returncode != 0


@pytest.mark.parametrize("path", sorted(REPOSITORY.glob("deploy/stack/*.sh")), ids=lambda p: p.name)
def test_shell_scripts_are_plain_and_parse(path: Path) -> None:
    assert path.read_text().startswith("#!/bin/sh\n")
    subprocess.run(["sh", "-n", str(path)], check=True)
