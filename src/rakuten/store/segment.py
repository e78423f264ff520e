"""One file of the spool: checksummed lines, held by one process at a time."""

import fcntl
import json
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from rakuten.store.records import Record, from_plain, to_plain

SUFFIX: Final = ".spool"
_sync = getattr(os, "fdatasync", os.fsync)


def encode_line(record: Record) -> bytes:
    """A record as one line of ASCII: CRC-32, a space, JSON, a line end."""
    body = json.dumps(to_plain(record), separators=(",", ":"), allow_nan=False).encode("ascii")
    return b"%08x %s\n" % (zlib.crc32(body), body)


def decode_line(line: bytes) -> Record:
    """Undo :func:`encode_line`.

    Raises:
        ValueError: the line is torn or damaged.
    """
    checksum, _, body = line.rstrip(b"\n").partition(b" ")
    if not line.endswith(b"\n") or checksum != b"%08x" % zlib.crc32(body):
        raise ValueError("the line is torn or damaged")
    try:
        return from_plain(json.loads(body))
    except (KeyError, TypeError) as error:
        raise ValueError(f"the line holds no record: {error}") from error


def read_lines(path: Path) -> list[bytes]:
    """Lines of a segment with their ends; none where it is gone by now."""
    try:
        with path.open("rb") as handle:
            return handle.readlines()  # at line feeds only, which JSON escapes
    except FileNotFoundError:
        return []


def matching_records(lines: list[bytes], words: str) -> dict[int, Record]:
    """Sound records that hold some words, by the number of their line."""
    found = {}
    wanted = words.encode("utf-8", "replace")
    for position, line in enumerate(lines):
        if wanted in line:
            with suppress(ValueError):
                found[position] = decode_line(line)
    return found


class Segment:
    """The file that a process appends to; made under another name and locked before it is seen.

    Raises:
        OSError: the file system refused.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        hidden = path.with_name(f".{path.name}")
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND
        self._descriptor = os.open(hidden, flags, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
            hidden.rename(path)
            sync_folder(path.parent)
        except OSError:
            os.close(self._descriptor)
            with suppress(OSError):
                hidden.unlink()
            raise
        self.size = 0

    def append(self, content: bytes) -> None:
        """Write lines and wait for the disk; where that fails, they are cut off again.

        Raises:
            OSError: the file system refused; then leave the segment, for after a failed sync
                nobody knows what the file will hold.
        """
        try:
            written = 0
            while written < len(content):
                written += os.write(self._descriptor, memoryview(content)[written:])
            _sync(self._descriptor)
        except OSError:
            os.ftruncate(self._descriptor, self.size)
            raise
        self.size += len(content)

    def close(self) -> None:
        """Let go of it: from now on it may be replayed, by any process."""
        os.close(self._descriptor)


@contextmanager
def held(path: Path) -> Iterator[bool]:
    """Hold a segment alone; false where it is gone or another process holds it."""
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        yield False
        return
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            # Whoever held it before may have removed or replaced it.
            yield _is_at(descriptor, path)
    finally:
        os.close(descriptor)


def replace_lines(path: Path, lines: list[bytes]) -> None:
    """Put other lines in the place of a segment that is held.

    Raises:
        OSError: the file system refused; the segment is as it was.
    """
    hidden = path.with_name(f".{path.name}.new")
    try:
        with hidden.open("wb") as handle:
            handle.writelines(lines)
            handle.flush()
            os.fsync(handle.fileno())
        hidden.rename(path)
        sync_folder(path.parent)
    finally:
        hidden.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _is_at(descriptor: int, path: Path) -> bool:
    mine = os.fstat(descriptor)
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    return (mine.st_ino, mine.st_dev) == (there.st_ino, there.st_dev)
