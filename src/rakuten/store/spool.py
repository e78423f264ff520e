"""Records that wait on disk for the database: appended and synced, replayed in order, once."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Final

from rakuten.errors import RecordRefusedError, StoreFullError
from rakuten.logs import get_logger
from rakuten.store.records import PredictionRecord, Record
from rakuten.store.segment import (
    SUFFIX,
    Segment,
    decode_line,
    encode_line,
    held,
    matching_records,
    read_lines,
    replace_lines,
    sync_folder,
)

log = get_logger(__name__)

MAX_BYTES: Final = 1 << 30
SEGMENT_BYTES: Final = 4 << 20
BATCH: Final = 500
_ORPHAN_SECONDS: Final = 600.0

Apply = Callable[[list[Record]], None]
"""Commits records; any number of times the same. Raises RecordRefusedError for a bad one."""


class Spool:
    """A folder of segments (docs/store.md); several processes may share it.

    A process appends to a segment of its own, which it holds locked. What is closed, or left by
    a process that ended, is replayed by whoever comes first.

    Args:
        folder: on a local disk; it is made.
        max_bytes: what all segments together may take.
        segment_bytes: size at which the next one begins; what a killed replay repeats at most.

    Raises:
        StoreFullError: the folder cannot be made.
    """

    def __init__(
        self, folder: Path, max_bytes: int = MAX_BYTES, *, segment_bytes: int = SEGMENT_BYTES
    ) -> None:
        self.folder = folder
        self.max_bytes = max_bytes
        self._segment_bytes = segment_bytes
        self._lock = threading.RLock()
        self._active: Segment | None = None
        self._last_name = 0
        self._others_bytes = 0
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._counts = {path.name: len(read_lines(path)) for path in self._segments()}
            for hidden in folder.glob(f".*{SUFFIX}*"):  # left by a process that was killed
                with suppress(FileNotFoundError):
                    if time.time() - hidden.stat().st_mtime > _ORPHAN_SECONDS:
                        hidden.unlink()
        except OSError as error:
            raise self._full(error) from error
        self._measure()

    @property
    def waiting(self) -> int:
        """Records that this process knows to be in the folder."""
        with self._lock:
            self._measure()
            return sum(self._counts.values())

    @property
    def size(self) -> int:
        """Bytes of all segments in the folder, those of other processes included."""
        with self._lock:
            self._measure()
            return self._others_bytes + (self._active.size if self._active else 0)

    def append(self, records: Sequence[Record]) -> None:
        """Write records; when this returns, they are on disk.

        Raises:
            StoreFullError: there is no room, or the disk refused; none of them counts as kept.
            RecordRefusedError: a record holds what JSON has no word for.
        """
        try:
            content = b"".join(encode_line(record) for record in records)
        except (TypeError, ValueError) as error:
            raise RecordRefusedError(f"A record cannot be spooled: {error}.") from error
        with self._lock:
            if self._active is not None and self._active.size >= self._segment_bytes:
                self.rotate()
            try:
                active = self._active or self._open()
                if self._others_bytes + active.size + len(content) > self.max_bytes:
                    self._measure()  # others may have been replayed meanwhile
                if self._others_bytes + active.size + len(content) > self.max_bytes:
                    raise self._full(None)
                active.append(content)
            except OSError as error:
                self.rotate()
                raise self._full(error) from error
            name = active.path.name
            self._counts[name] = self._counts.get(name, 0) + len(records)

    def rotate(self) -> None:
        """Close the segment that is appended to, so that it can be replayed."""
        with self._lock:
            active, self._active = self._active, None
            if active is None:
                return
            if not active.size:
                with suppress(OSError):
                    active.path.unlink()
            active.close()
            self._measure()

    def is_empty(self) -> bool:
        """Whether nothing waits that this process could replay after :meth:`rotate`."""
        with self._lock:
            if self._active is not None and self._active.size:
                return False
        return not any(self._is_free(path) for path in self._segments())

    def replay(self, apply: Apply) -> int:
        """Hand every closed segment to ``apply``, oldest first; each is removed once it is done.

        Lines that are torn or damaged, and records that are refused, are set aside
        (``*.damaged``, ``*.refused``) and logged.

        Returns:
            How many records were applied.

        Raises:
            StoreError: ``apply`` could not commit; the rest waits for the next call.
        """
        applied = 0
        for path in self._segments():
            with held(path) as mine:
                if mine:
                    applied += self._replay_segment(path, apply)
        return applied

    def find(self, prediction_id: str) -> PredictionRecord | None:
        """The newest prediction of this id that still waits."""
        found = None
        for record in self._records_with(prediction_id):
            if isinstance(record, PredictionRecord) and record.prediction_id == prediction_id:
                found = record
        return found

    def refers_to(self, image_sha256: str, *, besides: str = "") -> bool:
        """Whether a prediction that waits, other than ``besides``, has this photo."""
        return any(
            isinstance(record, PredictionRecord)
            and record.image_sha256 == image_sha256
            and record.prediction_id != besides
            for record in self._records_with(image_sha256)
        )

    def rewrite(self, prediction_id: str, change: Callable[[Record], Record]) -> int:
        """Replace the records of an id in all segments that nobody else holds.

        Returns:
            How many were replaced.

        Raises:
            StoreFullError: the disk refused.
        """
        self.rotate()
        changed = 0
        for path in self._segments():
            with held(path) as mine:
                lines = read_lines(path) if mine else []
                found = {
                    position: record
                    for position, record in matching_records(lines, prediction_id).items()
                    if record.prediction_id == prediction_id
                }
                if not found:
                    continue
                for position, record in found.items():
                    lines[position] = encode_line(change(record))
                try:
                    replace_lines(path, lines)
                except OSError as error:
                    raise self._full(error) from error
                changed += len(found)
        return changed

    def remove_set_aside(self, before: float) -> None:
        """Remove what was set aside before a time (seconds since 1970)."""
        for path in (*self.folder.glob("*.damaged"), *self.folder.glob("*.refused")):
            with suppress(OSError):
                if path.stat().st_mtime < before:
                    path.unlink()

    def _segments(self) -> list[Path]:
        return sorted(path for path in self.folder.glob(f"*{SUFFIX}") if path.name[0] != ".")

    def _is_free(self, path: Path) -> bool:
        with held(path) as mine:
            return mine

    def _open(self) -> Segment:
        # Names sort by time; a clock that went back must not put a new one before an old one.
        newest = max((_number(path) for path in self._segments()), default=0)
        self._last_name = max(time.time_ns(), newest + 1, self._last_name + 1)
        name = f"{self._last_name:020d}{SUFFIX}"
        self._active = Segment(self.folder / name)
        return self._active

    def _measure(self) -> None:
        """What others take, and which segments are still there: they replay too."""
        total, paths = 0, self._segments()
        there = {path.name for path in paths}
        self._counts = {name: count for name, count in self._counts.items() if name in there}
        for path in paths:
            if self._active is None or path != self._active.path:
                with suppress(OSError):
                    total += path.stat().st_size
        self._others_bytes = total

    def _replay_segment(self, path: Path, apply: Apply) -> int:
        lines = read_lines(path)
        good: list[tuple[bytes, Record]] = []
        damaged = []
        for line in lines:
            try:
                good.append((line, decode_line(line)))
            except ValueError:
                damaged.append(line)
        refused = []
        for first, end in pairwise([*range(0, len(good), BATCH), len(good)]):
            refused += self._apply(good[first:end], apply)
        kept = self._set_aside(path, damaged, "damaged") and self._set_aside(
            path, refused, "refused"
        )
        if kept:
            path.unlink(missing_ok=True)
        else:  # no room for a copy: the file itself is set aside
            path.rename(path.with_suffix(".damaged"))
        with suppress(OSError):
            sync_folder(self.folder)
        with self._lock:
            self._counts.pop(path.name, None)
            self._measure()
        return len(good) - len(refused)

    def _apply(self, batch: list[tuple[bytes, Record]], apply: Apply) -> list[bytes]:
        """Apply a batch, one by one if some are refused; returns the lines of those."""
        if not batch:
            return []
        try:
            apply([record for _, record in batch])
        except RecordRefusedError as error:
            if len(batch) > 1:
                middle = len(batch) // 2
                return self._apply(batch[:middle], apply) + self._apply(batch[middle:], apply)
            log.error(
                "the database refuses a record; it is set aside",
                extra={"prediction_id": batch[0][1].prediction_id, "reason": error.message},
            )
            return [batch[0][0]]
        return []

    def _set_aside(self, path: Path, lines: list[bytes], why: str) -> bool:
        if not lines:
            return True
        target = path.with_suffix(f".{why}")
        log.warning(
            "lines of the spool are set aside", extra={"lines": len(lines), "file": str(target)}
        )
        try:
            replace_lines(target, [line.rstrip(b"\n") + b"\n" for line in lines])
        except OSError:
            return False
        return True

    def _records_with(self, words: str) -> Iterator[Record]:
        for path in self._segments():
            yield from matching_records(read_lines(path), words).values()

    def _full(self, error: OSError | None) -> StoreFullError:
        reason = f"more than {self.max_bytes} bytes" if error is None else error.strerror
        return StoreFullError(
            f"The spool {self.folder} takes no more records: {reason}.",
            hint="bring the database back, or make room on this disk",
        )


def _number(path: Path) -> int:
    return int(path.stem) if path.stem.isdigit() else 0
