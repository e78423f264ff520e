"""A store that refuses, or goes away: nothing is lost, and the doctor says what it is."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from rakuten.settings import ProjectPaths
from tests.remotes.conftest import Project
from tests.servers.http_store import HttpStore
from tests.servers.object_store import ObjectStore
from tests.stages.doctor.conftest import examine, only

pytestmark = pytest.mark.servers


@pytest.fixture(scope="module")
def project(tracked: Project, copy_of: Callable[[Project], Project]) -> Project:
    """A working copy for all tests here: none of them changes more than its configuration."""
    return copy_of(tracked)


def configure(project: Project, *, shared: dict[str, str], local: dict[str, str]) -> None:
    """Give a working copy one remote; only ``shared`` would be in git."""
    for name, options in (("config", shared), ("config.local", local)):
        lines = [f"    {option} = {value}" for option, value in options.items()]
        text = "\n".join(["[core]\n    remote = store", "['remote \"store\"']", *lines, ""])
        (project.root / ".dvc" / name).write_text(text)


def use_s3(project: Project, store: ObjectStore, bucket: str, **keys: str) -> None:
    pair = {"access_key_id": store.key, "secret_access_key": store.secret}
    place = {"url": f"s3://{bucket}/dvc", "endpointurl": store.endpoint}
    configure(project, shared=place, local={**pair, **keys})


def use_http(project: Project, store: HttpStore, password: str) -> None:
    pair = {"auth": "basic", "user": store.user, "password": password}
    configure(project, shared={"url": store.url}, local=pair)


@pytest.mark.parametrize(
    ("bucket", "keys", "dvc_says", "doctor_says"),
    [
        ("absent", {}, "NoSuchBucket", "has no such bucket"),
        ("refusing", {"secret_access_key": "wrong"}, "Forbidden", "refuses the secret key"),
        ("refusing", {"access_key_id": "unknown"}, "Forbidden", "does not know the access key id"),
    ],
)
def test_s3_that_refuses_gets_nothing_and_the_doctor_says_why(
    project: Project,
    s3: ObjectStore,
    bucket: str,
    keys: dict[str, str],
    dvc_says: str,
    doctor_says: str,
) -> None:
    (s3.folder / "refusing").mkdir(exist_ok=True)
    use_s3(project, s3, bucket, **keys)
    before = project.hashes()
    assert dvc_says in project.refused("dvc push")
    assert project.hashes() == before
    assert list((s3.folder / "refusing").iterdir()) == []
    assert not (s3.folder / "absent").exists()
    found = only(examine(ProjectPaths(project.root))["s3"], "failed")
    assert doctor_says in found.detail
    assert s3.secret not in f"{found}"


def test_wrong_password_writes_nothing_and_brings_nothing(
    project: Project, dagshub: HttpStore
) -> None:
    use_http(project, dagshub, "mistyped")
    before = project.hashes()
    assert "401" in project.refused("dvc push")
    assert dagshub.objects == {}
    assert project.hashes() == before
    found = only(examine(ProjectPaths(project.root))["remote"], "failed")
    assert "refuses user and password (401)" in found.detail
    assert "mistyped" not in f"{found}"

    use_http(project, dagshub, dagshub.password)
    project.run("dvc push -q")
    project.run("git clone -q . ../refused")
    second = Project(project.root.parent / "refused", project.environment)
    use_http(second, dagshub, "mistyped")
    assert "failed to pull" in second.refused("dvc pull")
    assert not (second.root / "data/raw").exists()


def test_push_that_was_killed_goes_on(
    project: Project, s3: ObjectStore, tmp_path_factory: pytest.TempPathFactory
) -> None:
    s3.make_bucket("killed")
    use_s3(project, s3, "killed")
    command = ["dvc", "push", "-q", "--jobs", "1"]
    push = subprocess.Popen(command, cwd=project.root, env=project.environment)
    deadline = time.monotonic() + 60
    # Looked up on the store's disk: asking the store would take longer than the push.
    while _files(s3.folder / "killed") < 5 and time.monotonic() < deadline:
        time.sleep(0.001)
    push.send_signal(signal.SIGKILL)
    assert push.wait() == -signal.SIGKILL
    part = len(s3.objects("killed"))
    project.run("dvc push -q")
    assert 5 <= part < len(s3.objects("killed"))
    assert "up to date" in project.run("dvc push").stdout

    second = Project(tmp_path_factory.mktemp("second") / "clone", project.environment)
    project.run(f"git clone -q . '{second.root}'")
    shutil.copytree(
        project.root / ".dvc",
        second.root / ".dvc",
        dirs_exist_ok=True,
        ignore=shutil.ignore_patterns("cache", "tmp"),
    )
    second.run("dvc pull -q")
    assert second.hashes() == project.hashes()


def _files(folder: Path) -> int:
    return sum(len(names) for _, _, names in os.walk(folder))
