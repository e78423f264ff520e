"""A project with a catalogue under DVC whose stages ran, to be pushed, cloned and broken."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
import yaml

from rakuten.data.sample import make_sample
from rakuten.io import sha256_file
from rakuten.params import Params
from tests.conftest import REPOSITORY
from tests.servers.http_store import HttpStore, http_store
from tests.servers.object_store import ObjectStore, object_store

ROWS: Final = 220
PAGE: Final = (REPOSITORY / "docs/remotes.md").read_text()


@dataclass(frozen=True)
class Project:
    """A working copy, and the only variables that its commands see."""

    root: Path
    environment: Mapping[str, str]

    def run(self, command: str, *, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a line of shell in the working copy."""
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.root,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert not check or done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done

    def refused(self, command: str) -> str:
        """What a command says that has to fail."""
        done = self.run(command, check=False)
        assert done.returncode != 0, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def hashes(self) -> dict[str, str]:
        """Content of all data, the model and the reports, by path; locks (hidden) left out."""
        places = [self.root / name for name in ("data", "models", "reports")]
        files = sorted(path for place in places for path in place.rglob("[!.]*") if path.is_file())
        return {str(path.relative_to(self.root)): sha256_file(path) for path in files}


def commands(heading: str, replaced: Mapping[str, str] | None = None) -> list[str]:
    """Lines of the page's code blocks below a heading, with what a reader puts into them."""
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = "".join(re.findall(r"```\n(.*?)```", section, re.DOTALL)).splitlines()
    for shown, real in (replaced or {}).items():
        assert any(shown in line for line in lines), f"{shown} is not in '{heading}'"
        lines = [line.replace(shown, real) for line in lines]
    return lines


def follow(project: Project, lines: list[str]) -> dict[str, str]:
    """Run lines one after the other; what each printed."""
    return {line: project.run(line).stdout for line in lines}


@pytest.fixture(scope="session")
def outside(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a person without any settings."""
    home = tmp_path_factory.mktemp("home")
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    kept = {name: os.environ[name] for name in ("PYTHONPATH", "LANG") if name in os.environ}
    return {
        **kept,
        "PATH": programs,
        "HOME": str(home),
        "DVC_SITE_CACHE_DIR": str(home / "dvc"),
        "GIT_AUTHOR_NAME": "a",
        "GIT_AUTHOR_EMAIL": "a@example.com",
        "GIT_COMMITTER_NAME": "a",
        "GIT_COMMITTER_EMAIL": "a@example.com",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "NO_PROXY": "127.0.0.1",
        "RAKUTEN_THREADS": "2",
    }


@pytest.fixture(scope="session")
def tracked(
    quick_params: Params, outside: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Project:
    """The repository with a small catalogue that the page's first commands put under DVC."""
    root = tmp_path_factory.mktemp("first") / "project"
    for name in ("dvc.yaml", ".dvcignore", ".gitignore", ".dvc/config", ".dvc/.gitignore"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(REPOSITORY / name, root / name)
    shutil.copytree(REPOSITORY / "src", root / "src", ignore=shutil.ignore_patterns("__pycache__"))
    make_sample(root / "data/raw", rows=ROWS)
    (root / "params.yaml").write_text(yaml.safe_dump(quick_params.model_dump(mode="json")))
    project = Project(root, outside)
    project.run("git init -q --template= && git add . && git commit -q -m start")
    follow(project, commands("Put the catalogue under DVC"))
    return project


@pytest.fixture(scope="session")
def copy_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Project], Project]:
    """Copy a working copy with its cache."""

    def copy(project: Project) -> Project:
        root = tmp_path_factory.mktemp("copy") / "project"
        shutil.copytree(project.root, root, copy_function=shutil.copy2)
        return Project(root, project.environment)

    return copy


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    with object_store(tmp_path_factory.mktemp("s3")) as store:
        yield store


@pytest.fixture
def dagshub(tmp_path: Path) -> Iterator[HttpStore]:
    with http_store(tmp_path / "store") as store:
        yield store
