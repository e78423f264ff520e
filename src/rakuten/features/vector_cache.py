"""Vectors of photos that were encoded before, by content: one SQLite file for each encoder.

A photo's vector here is all that is computed from its pixels: the encoder's vector and the
statistics that are watched for drift.

The cache changes how long work takes, never what comes out. So whatever goes wrong with it is
a warning, and the work goes on without it: no photo is lost, and no vector is ever wrong,
because each is checked against a checksum over photo and vector.
"""

import fcntl
import hashlib
import json
import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from rakuten.features.image_statistics import STATISTICS
from rakuten.imaging import DECODER
from rakuten.logs import get_logger

if TYPE_CHECKING:
    from rakuten.features.encoder import ImageEncoder

log = get_logger(__name__)

KEPT: Final = 3
"""Encoders (most recently used first) whose files are kept: enough to go back and forth."""

_NUMBERS: Final = np.dtype("<f4")
_CHECKSUM_BYTES: Final = 8
_WAIT_SECONDS: Final = 30.0
_CORRUPT: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR)
"""Error codes of a file that is of no use; the last means that its tables are not these."""
_SIDE_FILES: Final = ("", "-wal", "-shm")
_SCHEMA: Final = """
    CREATE TABLE IF NOT EXISTS about (identity TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS vectors (
        photo BLOB PRIMARY KEY, vector BLOB NOT NULL, checksum BLOB NOT NULL
    );
"""


@contextmanager
def open_cache(folder: Path | None, encoder: "ImageEncoder") -> "Iterator[VectorCache | None]":
    """Open the cache of an encoder's vectors below ``folder``; None if there is no folder."""
    if folder is None:
        yield None
        return
    cache = VectorCache(folder, encoder_identity(encoder), encoder.row_length)
    try:
        yield cache
    finally:
        cache.close()


def encoder_identity(encoder: "ImageEncoder", *, decoder: str = DECODER) -> str:
    """All that a vector depends on besides the photo, as text."""
    return json.dumps(
        {
            "name": encoder.name,
            "version": encoder.version,
            "dimension": encoder.dimension,
            "decoder": decoder,
            "statistics": STATISTICS,
            "libraries": {name: _installed(name) for name in encoder.libraries},
        },
        sort_keys=True,
    )


class VectorCache:
    """Vectors by the sha256 of a photo's bytes; several threads and processes may share it.

    ``hits`` and ``misses`` count what :meth:`get` was asked.
    """

    def __init__(self, folder: Path, identity: str, length: int) -> None:
        self.hits = self.misses = 0
        name = hashlib.sha256(identity.encode()).hexdigest()[:16]
        self.path = folder / f"vectors-{name}.sqlite"
        self._identity, self._bytes = identity, length * _NUMBERS.itemsize
        self._mutex = Lock()
        self._connection: sqlite3.Connection | None = None
        self._in_use: int | None = None
        self._may_rebuild, self._may_write = True, True
        try:
            folder.mkdir(parents=True, exist_ok=True)
            # Held shared while the cache is in use; whoever deletes files needs it alone.
            self._in_use = os.open(folder / "in_use.lock", os.O_RDWR | os.O_CREAT, 0o666)
            fcntl.flock(self._in_use, fcntl.LOCK_SH)
        except OSError as error:
            self._give_up(error)
            return
        with self._mutex, self._guard():
            self._connect()
        self._prune()

    def get(self, photo: str) -> NDArray[np.float32] | None:
        """Vector of the photo with that sha256, or None if it is not known."""
        with self._mutex:
            content = None
            with self._guard():
                content = self._find(bytes.fromhex(photo))
            if content is None:
                self.misses += 1
                return None
            self.hits += 1
            return np.frombuffer(content, dtype=_NUMBERS)

    def put(self, vectors: Mapping[str, NDArray[np.float32]]) -> None:
        """Keep vectors by their photo's sha256, all in one transaction."""
        rows = []
        for photo, vector in vectors.items():
            key, content = bytes.fromhex(photo), vector.astype(_NUMBERS).tobytes()
            rows.append((key, content, _checksum(key, content)))
        with self._mutex, self._guard():
            if self._connection is not None and self._may_write:
                with _transaction(self._connection):
                    self._connection.executemany(
                        "INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)", rows
                    )

    def close(self) -> None:
        """Let go of the file."""
        with self._mutex:
            self._disconnect()
            if self._in_use is not None:
                os.close(self._in_use)
                self._in_use = None
        log.debug("vector cache", extra={"hits": self.hits, "misses": self.misses})

    def _find(self, key: bytes) -> bytes | None:
        if self._connection is None:
            return None
        row = self._connection.execute(
            "SELECT vector, checksum FROM vectors WHERE photo = ?", (key,)
        ).fetchone()
        if row is None:
            return None
        content, checksum = row
        whole = isinstance(content, bytes) and len(content) == self._bytes
        if not whole or checksum != _checksum(key, content):
            raise _Corrupt("a vector does not match its checksum")
        return bytes(content)

    def _connect(self) -> None:
        connection = sqlite3.connect(
            self.path, timeout=_WAIT_SECONDS, isolation_level=None, check_same_thread=False
        )
        self._connection = connection
        # Readers and one writer at a time do not wait for each other. What a power failure
        # may spoil is found by the checksums: it is not worth waiting for the disk.
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = OFF")
        connection.executescript(_SCHEMA)
        with _transaction(connection):
            known = connection.execute("SELECT identity FROM about").fetchall()
            if not known:
                connection.execute("INSERT INTO about VALUES (?)", (self._identity,))
        if known and known != [(self._identity,)]:
            raise _Corrupt("it names another encoder")
        with suppress(OSError):
            os.utime(self.path)

    def _disconnect(self) -> None:
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None

    @contextmanager
    def _guard(self) -> Iterator[None]:
        """Whatever goes wrong inside is a warning; a corrupt file is made anew."""
        try:
            yield
        except (sqlite3.Error, _Corrupt) as error:
            # Without a code it comes from this class or from a text that is no UTF-8.
            code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
            if code in _CORRUPT:
                self._rebuild(error)
            elif self._may_write and self._is_readable():
                self._may_write = False
                log.warning("vector cache: no more is kept", extra=self._where(error))
            else:
                self._give_up(error)

    def _is_readable(self) -> bool:
        if self._connection is None:
            return False
        try:
            self._connection.execute("SELECT photo FROM vectors LIMIT 1").fetchone()
        except sqlite3.Error:
            return False
        return True

    def _rebuild(self, error: Exception) -> None:
        """Delete a corrupt file and start afresh, unless another process is at it."""
        self._disconnect()
        if not self._may_rebuild or not self._delete([self.path]):
            self._give_up(error)
            return
        self._may_rebuild = False
        log.warning("vector cache: a corrupt file is made anew", extra=self._where(error))
        with self._guard():
            self._connect()

    def _delete(self, paths: list[Path]) -> bool:
        """Delete databases, if no other process uses the cache; say whether it was done."""
        if self._in_use is None:
            return False
        try:
            fcntl.flock(self._in_use, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for path in paths:
                for suffix in _SIDE_FILES:
                    path.with_name(path.name + suffix).unlink(missing_ok=True)
        except OSError:
            return False
        finally:
            with suppress(OSError):
                fcntl.flock(self._in_use, fcntl.LOCK_SH)
        return True

    def _prune(self) -> None:
        """Delete the files of encoders that were not used for the longest time."""
        with suppress(OSError):
            files = sorted(
                self.path.parent.glob("vectors-*.sqlite"), key=lambda file: -file.stat().st_mtime
            )
            old = [file for file in files if file != self.path][KEPT - 1 :]
            if old and self._delete(old):
                log.info("vector cache: old encoders removed", extra={"files": len(old)})

    def _give_up(self, error: Exception) -> None:
        self._disconnect()
        log.warning("vector cache: going on without it", extra=self._where(error))

    def _where(self, error: Exception) -> dict[str, Any]:
        return {"path": str(self.path), "reason": str(error)}


class _Corrupt(Exception):
    """The file is a database, but does not hold what was written."""


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise


def _checksum(photo: bytes, content: bytes) -> bytes:
    return hashlib.blake2b(photo + content, digest_size=_CHECKSUM_BYTES).digest()


def _installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"
