"""Atomic files, content hashes and the one CSV dialect."""

import csv
import ctypes
import errno
import hashlib
import json
import os
import secrets
import shutil
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rakuten.errors import ContractError, DataNotFoundError, MissingExtraError, StorageError

if TYPE_CHECKING:
    import pandas as pd

_CHUNK = 1 << 20
_ORPHAN_SECONDS = 600.0


def storage_error(error: OSError, path: Path) -> StorageError:
    """Say what the file system refused, where, and what to do."""
    hints = {
        errno.EACCES: f"give this user write permission: chmod u+w '{path.parent}'",
        errno.EPERM: f"give this user write permission: chmod u+w '{path.parent}'",
        errno.EROFS: "the file system is mounted read-only; choose another folder",
        errno.ENOSPC: "free some disk space (df -h) and run the same command again",
        errno.EDQUOT: "free some of the disk quota and run the same command again",
    }
    reason = error.strerror or str(error)
    return StorageError(f"Cannot write {path}: {reason}.", hint=hints.get(error.errno or 0))


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` that takes its place when the block succeeds.

    The content is flushed to disk first, so a reader sees the old file or the whole new
    one; when the block fails, nothing is left behind.

    Raises:
        StorageError: the file system refused.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_orphans(path, "tmp")
        yield temporary
        with temporary.open("rb+") as handle:
            os.fsync(handle.fileno())
        temporary.replace(path)
    except OSError as error:
        raise storage_error(error, path) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically, with a stable layout."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        DataNotFoundError: there is no such file.
        ContractError: it is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataNotFoundError(f"{path} does not exist.") from error
    except ValueError as error:
        raise ContractError(f"{path} is not valid JSON: {error}.") from error


def read_csv(path: Path, *, index: bool = False) -> "pd.DataFrame":
    """Read a CSV file in the project's dialect: UTF-8, every cell text, "NA" and "null" are words.

    Read with the standard library: pandas cuts cells at NUL bytes and shifts columns when
    every row is longer than the header.

    Args:
        path: file to read.
        index: the first column is the challenge's unnamed index; it becomes ``index``.

    Raises:
        DataNotFoundError: there is no such file.
        ContractError: it is empty, not UTF-8, or not a table.
    """
    pd = _pandas()
    with _open_table(path, index=index) as (header, rows):
        return pd.DataFrame(list(rows), columns=header, dtype=object)


def read_csv_chunks(path: Path, *, index: bool = False, rows: int) -> "Iterator[pd.DataFrame]":
    """Read a CSV file as :func:`read_csv` does, ``rows`` rows at a time, at least one frame.

    Raises:
        DataNotFoundError: there is no such file.
        ContractError: it is empty, not UTF-8, or not a table.
    """
    pd = _pandas()
    with _open_table(path, index=index) as (header, found):
        chunk = list(islice(found, rows))
        yield pd.DataFrame(chunk, columns=header, dtype=object)
        while chunk := list(islice(found, rows)):
            yield pd.DataFrame(chunk, columns=header, dtype=object)


def count_rows(path: Path) -> int:
    """Number of rows of a CSV file below its header.

    Raises:
        DataNotFoundError: there is no such file.
        ContractError: it is empty, not UTF-8, or not a table.
    """
    with _open_table(path, index=False) as (_, rows):
        return sum(1 for _ in rows)


def write_csv(path: Path, frame: "pd.DataFrame") -> None:
    """Write a frame atomically in the project's dialect; every text cell is quoted."""
    write_csv_chunks(path, [frame])


def write_csv_chunks(path: Path, frames: "Iterable[pd.DataFrame]") -> None:
    """Write frames of the same columns, one under another, as :func:`write_csv` does."""
    with atomic_path(path) as temporary:
        for number, frame in enumerate(frames):
            frame.to_csv(
                temporary,
                mode="a" if number else "w",
                header=not number,
                index=False,
                encoding="utf-8",
                lineterminator="\n",
                quoting=csv.QUOTE_NONNUMERIC,
            )


def sha256_file(path: Path) -> str:
    """SHA-256 of a file's content, hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as handle:
        while chunk := handle.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def place_file(source: Path, target: Path) -> str:
    """Bring a file to ``target`` by hard link where possible, else by copy; say which."""
    try:
        os.link(source.resolve(), target)  # a hard link of a symlink would be a symlink
    except OSError:
        # Another file system, or one without hard links. copy2 uses a reflink or an
        # in-kernel copy where the platform offers one.
        shutil.copy2(source, target)
        return "copy"
    return "link"


def remove_orphans(path: Path, suffix: str) -> None:
    """Remove ``.NAME.*.suffix`` beside ``path`` that killed processes left, ten minutes old."""
    for orphan in path.parent.glob(f".{path.name}.*.{suffix}"):
        with suppress(OSError):
            if time.time() - orphan.stat().st_mtime > _ORPHAN_SECONDS:
                if orphan.is_dir():
                    shutil.rmtree(orphan)
                else:
                    orphan.unlink()


def swap_directory(staged: Path, target: Path) -> None:
    """Put the finished folder ``staged`` in the place of ``target``; both lie in one parent.

    Where the kernel can exchange two names, nobody ever sees ``target`` absent. Elsewhere a
    kill between two renames leaves its old content in a ``.NAME.old`` folder beside it,
    which :func:`recover_directory` puts back.
    """
    old = _old_name(target)
    try:
        recover_directory(target)
        shutil.rmtree(old, ignore_errors=True)
        if not _exchange(staged, target):
            if target.exists():
                target.rename(old)
            _rename_new(staged, target)
    except OSError as error:
        recover_directory(target)
        raise storage_error(error, target) from error
    except BaseException:  # Ctrl-C between the renames
        recover_directory(target)
        raise
    shutil.rmtree(old, ignore_errors=True)
    shutil.rmtree(staged, ignore_errors=True)  # after an exchange it holds the old content


def recover_directory(target: Path) -> bool:
    """Undo a swap that was killed half-way; true if there was one."""
    old = _old_name(target)
    if old.exists() and not target.exists():
        old.rename(target)
        return True
    return False


def _rename_new(staged: Path, target: Path) -> None:
    try:
        staged.rename(target)
    except OSError:
        # Another writer was first; then there is something to exchange with.
        if not _exchange(staged, target):
            raise


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two names in one step (Linux renameat2); false where it cannot be done."""
    here, exchange = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return False
    return bool(renameat2(here, os.fsencode(one), here, os.fsencode(other), exchange) == 0)


def _old_name(target: Path) -> Path:
    return target.with_name(f".{target.name}.old")


def _pandas() -> Any:
    try:
        import pandas as pd
    except ModuleNotFoundError as error:
        raise MissingExtraError("pandas", "pipeline", "Reading and writing tables") from error
    return pd


@contextmanager
def _open_table(path: Path, *, index: bool) -> Iterator[tuple[list[str], Iterator[list[str]]]]:
    """Header and rows of a CSV file; what is wrong with it becomes an error with its place."""
    csv.field_size_limit(sys.maxsize)
    try:
        with path.open(encoding="utf-8-sig", newline="") as handle:
            reader = csv.reader(handle, strict=True)
            header = [name.strip() for name in next(reader, [])]
            if not header:
                raise ContractError(f"{path} is empty: not even a header line.")
            if index:
                header[0] = "index"
            _require_distinct(header, path)
            yield header, _rows(reader, len(header), path)
    except FileNotFoundError as error:
        raise DataNotFoundError(
            f"{path} does not exist.", hint="check the path; it is read from the current folder"
        ) from error
    except UnicodeDecodeError as error:
        raise _not_utf8(path) from error
    except csv.Error as error:
        raise _not_a_table(path, f"line {reader.line_num}: {error}") from error
    except OSError as error:
        raise StorageError(f"Cannot read {path}: {error.strerror}.") from error


def _rows(reader: Any, width: int, path: Path) -> Iterator[list[str]]:
    for row in reader:
        if len(row) > width:
            raise _not_a_table(
                path, f"line {reader.line_num} has {len(row)} cells, the header has {width}"
            )
        if row:  # some programs leave out trailing empty cells
            yield row + [""] * (width - len(row))


def _require_distinct(header: list[str], path: Path) -> None:
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise ContractError(
            f"{path} has several columns named {', '.join(twice)}.",
            hint="keep one of them; the first column is the index, whatever its name",
        )


def _not_a_table(path: Path, reason: str) -> ContractError:
    return ContractError(
        f"{path} is not a CSV table: {reason}.",
        hint="no line may have more cells than the header; texts with commas need quotes",
    )


def _not_utf8(path: Path) -> ContractError:
    with path.open("rb") as handle:
        for number, line in enumerate(handle, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                byte = line[error.start]
                return ContractError(
                    f"{path} is not UTF-8: byte 0x{byte:02x} in line {number}.",
                    hint=f"convert it: iconv -f WINDOWS-1252 -t UTF-8 '{path}' > utf8.csv",
                )
    return ContractError(f"{path} is not UTF-8.")
