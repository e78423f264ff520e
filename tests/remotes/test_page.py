"""The commands of docs/remotes.md, as they stand there, on real stores."""

from collections.abc import Callable

import pytest

from tests.remotes.conftest import Project, commands, follow
from tests.servers.http_store import HttpStore
from tests.servers.object_store import ObjectStore

pytestmark = pytest.mark.servers

NOTHING_RUNS = "Data and pipelines are up to date."


def second_clone(first: Project, name: str, credentials: list[str]) -> Project:
    """Follow the page in the place of a second person."""
    lines = commands("A second clone", {"ADDRESS": ".", " products": f" ../{name}"})
    clone, enter, setup, *rest = lines
    assert (enter, setup) == (f"cd ../{name}", "make setup")  # the tests' environment is ready
    first.run(clone)
    second = Project(first.root.parent / name, first.environment)
    printed = follow(second, [*credentials, *rest])
    assert NOTHING_RUNS in printed["dvc repro"]
    return second


def secrets_in_git(project: Project, *secrets: str) -> list[str]:
    """Secrets that any commit holds."""
    patches = project.run("git log -p --all -- . ':!src'").stdout
    return [secret for secret in secrets if secret in patches]


def test_catalogue_goes_to_s3_and_comes_back(
    tracked: Project, s3: ObjectStore, copy_of: Callable[[Project], Project]
) -> None:
    project = copy_of(tracked)
    s3.make_bucket("page")
    replaced = {
        "BUCKET": "page",
        "https://ENDPOINT": s3.endpoint,
        "YOUR_KEY_ID": s3.key,
        "YOUR_SECRET": s3.secret,
    }
    lines = commands("A remote in S3", replaced)
    printed = follow(project, lines)
    assert "s3://page" in printed["rakuten doctor"]
    photos = len(list(project.root.glob("data/raw/images/*/*")))
    assert len(s3.objects("page")) > photos

    second = second_clone(project, "second", [line for line in lines if "--local" in line])
    assert second.hashes() == project.hashes()
    assert "data/processed/predictions.csv" in second.hashes()
    assert secrets_in_git(project, s3.secret) == []


def test_catalogue_goes_to_dagshub_and_comes_back(
    tracked: Project, dagshub: HttpStore, copy_of: Callable[[Project], Project]
) -> None:
    project = copy_of(tracked)
    replaced = {
        "https://dagshub.com/USER/REPO.dvc": dagshub.url,
        "user USER": f"user {dagshub.user}",
        "YOUR_TOKEN": dagshub.password,
    }
    lines = commands("A remote at DagsHub", replaced)
    follow(project, lines)
    assert len(dagshub.objects) > len(list(project.root.glob("data/raw/images/*/*")))

    second = second_clone(project, "second", [line for line in lines if "--local" in line])
    assert second.hashes() == project.hashes()
    assert secrets_in_git(project, dagshub.password) == []
