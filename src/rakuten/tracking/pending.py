"""Run records on disk: written before the tracking server is asked, removed when it has them."""

import fcntl
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from rakuten.errors import RakutenError
from rakuten.io import place_file, read_json, storage_error, write_json

_RECORD: Final = "record.json"
_ABANDONED_SECONDS: Final = 600.0


@dataclass
class RunRecord:
    """Everything that a tracked training run holds, as JSON values and files.

    ``artifacts`` maps an artifact path to a file; ``model`` is a model directory;
    ``dataset`` is {name, source, digest}.
    """

    experiment: str
    run_name: str
    params: dict[str, str]
    metrics: dict[str, float]
    tags: dict[str, str]
    dataset: dict[str, str]
    artifacts: dict[str, str]
    model: str
    record_id: str = field(default_factory=lambda: uuid4().hex)


@dataclass(frozen=True)
class PendingRun:
    """A record that lies on disk with copies of its files."""

    folder: Path
    record: RunRecord

    @contextmanager
    def claimed(self, *, wait: bool = False) -> Iterator[bool]:
        """Hold the record alone; false where it is gone, or held by another process.

        Args:
            wait: wait for the other process to let go of it.

        Raises:
            StorageError: the folder of records cannot be written.
        """
        path = self.folder.with_name(f".{self.folder.name}.lock")
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise storage_error(error, path) from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            os.close(handle)
            yield False
            return
        try:
            # Whoever held it before may have logged and removed the record.
            yield (self.folder / _RECORD).is_file()
        finally:
            if not self.folder.exists():
                path.unlink(missing_ok=True)
            os.close(handle)

    def discard(self) -> None:
        """Forget it, once the tracking server has it."""
        removed = _staged(self.folder)
        try:
            self.folder.rename(removed)  # a kill in between leaves no half of a record
        except OSError:
            removed = self.folder
        shutil.rmtree(removed, ignore_errors=True)

    def attach(self, tags: Mapping[str, str], artifacts: Mapping[str, Path]) -> None:
        """Add tags and files to the record.

        Raises:
            StorageError: the record cannot be written.
        """
        try:
            for name, path in artifacts.items():
                target = self.folder / "artifacts" / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(path, target)
                self.record.artifacts[name] = str(Path("artifacts") / name)
        except OSError as error:
            raise storage_error(error, self.folder) from error
        self.record.tags.update(tags)
        write_json(self.folder / _RECORD, asdict(self.record))


@dataclass(frozen=True)
class Waiting:
    """Records that wait, oldest first, and folder → reason of those that cannot be read."""

    runs: list[PendingRun]
    broken: dict[Path, str]


def keep(record: RunRecord, folder: Path) -> PendingRun:
    """Put a record and its files aside, whole or not at all.

    Raises:
        StorageError: the folder cannot be written.
    """
    target = folder / record.record_id
    staged = _staged(target)
    remove_abandoned(folder)
    try:
        staged.mkdir(parents=True)
        artifacts = {}
        for name, source in record.artifacts.items():
            place = Path("artifacts") / name
            (staged / place).parent.mkdir(parents=True, exist_ok=True)
            place_file(Path(source), staged / place)
            artifacts[name] = str(place)
        (staged / "model").mkdir()
        for path in sorted(Path(record.model).iterdir()):
            place_file(path, staged / "model" / path.name)
        kept = RunRecord(**{**asdict(record), "artifacts": artifacts, "model": "model"})
        write_json(staged / _RECORD, asdict(kept))
        staged.rename(target)
    except OSError as error:
        raise storage_error(error, target) from error
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    return PendingRun(target, kept)


def waiting_runs(folder: Path) -> Waiting:
    """Records that wait, with those that cannot be read set apart."""
    found, broken = [], {}
    for path in folder.glob("*/"):
        if path.name.startswith("."):
            continue  # being written, or being removed
        try:
            values: dict[str, Any] = read_json(path / _RECORD)
            run = PendingRun(path, RunRecord(**values))
            found.append(((path / _RECORD).stat().st_mtime, run))
        except (RakutenError, TypeError, OSError) as error:
            if path.exists():  # else it was logged meanwhile
                broken[path] = getattr(error, "message", str(error)).rstrip(".")
    return Waiting([run for _, run in sorted(found, key=lambda pair: pair[0])], broken)


def pending_runs(folder: Path) -> list[PendingRun]:
    """Records that wait and can be read, oldest first."""
    return waiting_runs(folder).runs


def remove_abandoned(folder: Path) -> None:
    """Remove what processes left that were killed while they wrote or removed a record."""
    for path in folder.glob(".*"):
        with suppress(OSError):  # another process removes it, too
            newest = max(entry.stat().st_mtime for entry in (path, *path.rglob("*")))
            if time.time() - newest < _ABANDONED_SECONDS:
                continue
            if path.is_dir():
                shutil.rmtree(path)
            elif not path.with_name(path.stem[1:]).exists():  # the lock of a record that is gone
                path.unlink()


def _staged(target: Path) -> Path:
    return target.with_name(f".{target.name}")
