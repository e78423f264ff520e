"""Run records on disk: written before the tracking server is asked, removed when it has them."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from rakuten.errors import StorageError
from rakuten.io import place_file, read_json, storage_error, write_json

_RECORD = "record.json"


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

    def discard(self) -> None:
        """Forget it, once the tracking server has it."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def attach(self, tags: Mapping[str, str], artifacts: Mapping[str, Path]) -> None:
        """Add tags and files to the record."""
        for name, path in artifacts.items():
            target = self.folder / "artifacts" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, target)
            self.record.artifacts[name] = str(Path("artifacts") / name)
        self.record.tags.update(tags)
        write_json(self.folder / _RECORD, asdict(self.record))


def keep(record: RunRecord, folder: Path) -> PendingRun:
    """Put a record and its files aside, whole or not at all.

    Raises:
        StorageError: the folder cannot be written.
    """
    target = folder / record.record_id
    staged = folder / f".{record.record_id}"
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
        shutil.rmtree(staged, ignore_errors=True)
        raise storage_error(error, target) from error
    return PendingRun(target, kept)


def pending_runs(folder: Path) -> list[PendingRun]:
    """Records that wait, oldest first.

    Raises:
        StorageError: a record cannot be read.
    """
    found = []
    for path in folder.glob(f"*/{_RECORD}"):
        if path.parent.name.startswith("."):
            continue  # a record that was being written when the process died
        try:
            values: dict[str, Any] = read_json(path)
            found.append((path.stat().st_mtime, PendingRun(path.parent, RunRecord(**values))))
        except (TypeError, json.JSONDecodeError) as error:
            raise StorageError(
                f"{path} is not a run record: {error}.", hint=f"move {path.parent} away"
            ) from error
    return [run for _, run in sorted(found, key=lambda pair: pair[0])]
