"""What a killed DVC leaves behind and stumbles over later: its table of files in use, its lock."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from rakuten.errors import BusyError, ConfigurationError, MissingExtraError
from rakuten.logs import get_logger

log = get_logger(__name__)

_TABLE: Final = "rwlock"
_GUARD: Final = "rwlock.lock"
_CLOCK_SECONDS: Final = 2.0
_CONFLICT: Final = re.compile(r"^(<{7}|={7}|>{7})", re.MULTILINE)


def clear_leftovers(root: Path) -> list[Path]:
    """Put away what only a killed process can have left; returns what was put away.

    - The table of files in use (``.dvc/tmp/rwlock``), where all that it names are gone. DVC
      forgets a process whose number is free; it takes one that has the number now for the holder,
      and it cannot read a table that was torn when its writer was killed.
    - A ``dvc.lock`` that was torn in the same way goes to ``.rakuten/dvc.lock.torn``; DVC makes
      it anew from its cache of runs, without running a stage again.

    Raises:
        BusyError: another DVC command is just writing the table.
        ConfigurationError: ``dvc.lock`` holds conflict markers of git.
    """
    return [*_clear_table(root / ".dvc" / "tmp"), *_clear_lock(root)]


def _clear_table(folder: Path) -> Iterator[Path]:
    table = folder / _TABLE
    if not table.is_file():
        return
    try:
        from dvc.lock import LockError, make_lock
    except ModuleNotFoundError as error:
        raise MissingExtraError("dvc", "pipeline", "Running the pipeline") from error
    try:
        with make_lock(str(folder / _GUARD), tmp_dir=str(folder)):
            written, holders = table.stat().st_mtime, _holders(table)
            if holders is not None and (not holders or any(_lives(e, written) for e in holders)):
                return
            table.unlink()
    except LockError as error:
        raise BusyError("Another dvc command is writing DVC's table of files in use.") from error
    log.warning("%s named processes that were killed, or was torn; it is removed", table)
    yield table


def _holders(table: Path) -> list[Mapping[str, Any]] | None:
    """Entries of the table, or None where it cannot be read."""
    try:
        content = json.loads(table.read_text(encoding="utf-8"))
        entries = [*content.get("write", {}).values()]
        for readers in content.get("read", {}).values():
            entries += readers
        return [{"pid": int(entry["pid"])} for entry in entries]
    except (ValueError, AttributeError, KeyError, TypeError):
        return None


def _lives(entry: Mapping[str, Any], written: float) -> bool:
    """Whether the process that made an entry still runs: one begun after the table did not."""
    import psutil  # DVC's own

    try:
        return bool(psutil.Process(entry["pid"]).create_time() < written + _CLOCK_SECONDS)
    except psutil.NoSuchProcess:
        return False


def _clear_lock(root: Path) -> Iterator[Path]:
    path = root / "dvc.lock"
    if not path.is_file() or _is_readable(root):
        return
    if _CONFLICT.search(path.read_text(encoding="utf-8", errors="replace")):
        raise ConfigurationError(
            f"{path} holds conflict markers of a git merge.",
            hint="git checkout --ours dvc.lock (or --theirs), git add dvc.lock",
        )
    kept = root / ".rakuten" / "dvc.lock.torn"
    kept.parent.mkdir(exist_ok=True)
    path.replace(kept)
    log.warning("%s was torn when its writer was killed; it is kept as %s", path, kept)
    yield path


def _is_readable(root: Path) -> bool:
    from dvc.dvcfile import Lockfile
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo(str(root)) as repo:
            Lockfile(repo, str(root / "dvc.lock")).load()
    except DvcException:
        return False
    return True
