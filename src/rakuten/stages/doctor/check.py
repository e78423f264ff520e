"""What the checks share: findings, their subject, looks at the disk and at git."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from rakuten.settings import ProjectPaths, Settings

CONNECT_SECONDS: Final = 2
ANSWER_SECONDS: Final = 3


PROBE: Final = "rakuten-preflight"
"""Name of the small artifact that proves that artifacts can be written."""
PROBE_CONTENT: Final = b"written and deleted again by rakuten preflight\n"
_BLOCK: Final = b"\0" * 4096


@dataclass(frozen=True)
class Check:
    """A finding: what was looked at, how it is, and what to do about it.

    ``away`` says of a failed one that nobody answered; without it, it is a refusal.
    """

    name: str
    state: Literal["ok", "warning", "failed", "skipped"]
    detail: str
    hint: str = ""
    away: bool = False


@dataclass
class Subject:
    """The project under examination; ``artifact_root`` is found out on the way.

    ``full`` also hashes the data; ``prove`` also writes a small artifact and deletes it.
    """

    paths: ProjectPaths
    settings: Settings
    shell: Mapping[str, str]
    full: bool = False
    prove: bool = False
    artifact_root: str = ""


@dataclass(frozen=True)
class Store:
    """A place in S3 and the credentials that its configuration names."""

    purpose: str
    bucket: str
    prefix: str = ""
    endpoint: str | None = None
    profile: str | None = None
    key: str | None = None
    secret: str | None = None
    region: str | None = None

    @property
    def url(self) -> str:
        """Where requests go, "" for AWS itself."""
        names = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
        return self.endpoint or next(filter(None, map(os.environ.get, names)), "")


def existing(path: Path) -> Path:
    """The path itself, or the nearest folder above it that exists."""
    found = path.absolute()
    while not os.path.lexists(found):
        found = found.parent
    return found


def unwritable(path: Path) -> str:
    """Why nothing can be written at a path that need not exist yet; "" where it can."""
    folder = existing(path)
    if not folder.is_dir():
        return f"{folder} is not a folder"
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(_BLOCK)  # a full disk still takes the name of a file
            return ""
    except OSError as error:
        return f"{folder}: {error.strerror}"


def git_files(root: Path, *patterns: str) -> list[str]:
    """Files of the git index below some paths; none where there is no repository."""
    git = shutil.which("git")
    if git is None or not patterns:
        return []
    command = [git, "-C", str(root), "ls-files", "-z", "--", *patterns]
    done = subprocess.run(command, capture_output=True, timeout=30, check=False)
    return [name for name in done.stdout.decode("utf-8", "replace").split("\0") if name]
