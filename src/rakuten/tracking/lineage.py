"""Where a run came from: the commit, uncommitted changes, and hashes of what went in."""

import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rakuten.io import sha256_file
from rakuten.settings import Settings

UNKNOWN: Final = "unknown"
_IGNORED: Final = ":(exclude)dvc.lock"
_MAX_PATCH: Final = 5 * 1024 * 1024


@dataclass(frozen=True)
class GitState:
    """Commit and branch of the project folder; ``patch`` holds what is not committed.

    ``dirty`` is None where git cannot tell; untracked code makes it true. ``dvc.lock`` does
    not count, for the pipeline itself rewrites it.
    """

    commit: str
    branch: str
    dirty: bool | None
    patch: str = ""

    def tags(self) -> dict[str, str]:
        """The state as run tags."""
        dirty = UNKNOWN if self.dirty is None else str(self.dirty).lower()
        return {"git_commit": self.commit, "git_branch": self.branch, "git_dirty": dirty}


def git_state(root: Path, settings: Settings) -> GitState:
    """Ask git; without git or a repository, ``GIT_COMMIT`` and ``GIT_BRANCH`` or "unknown"."""
    commit = _git(root, "rev-parse", "HEAD")
    if commit is None:
        return GitState(settings.git_commit or UNKNOWN, settings.git_branch or UNKNOWN, None)
    branch = _git(root, "rev-parse", "--abbrev-ref", "HEAD") or UNKNOWN
    patch = _git(root, "diff", "--no-ext-diff", "--binary", "HEAD", "--", ".", _IGNORED)
    # Code that git does not know runs all the same, and no patch shows it.
    unknown = _git(root, "ls-files", "--others", "--exclude-standard", "--", "src", "*.py")
    return GitState(
        commit.strip(),
        branch.strip(),
        None if patch is None or unknown is None else bool(patch or unknown),
        (patch or "")[:_MAX_PATCH],
    )


def input_hashes(files: Iterable[Path]) -> dict[str, str]:
    """File name → SHA-256 of each file that exists."""
    return {path.name: sha256_file(path) for path in files if path.is_file()}


def _git(root: Path, *arguments: str) -> str | None:
    git = shutil.which("git")
    if git is None:
        return None
    try:
        done = subprocess.run(
            [git, "-C", str(root), *arguments], capture_output=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else None
