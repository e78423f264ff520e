"""Verified models on the local disk, and which of them was last confirmed as champion."""

import fcntl
import json
import os
import secrets
import shutil
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from rakuten.errors import ModelError, RakutenError
from rakuten.io import storage_error, swap_directory, write_json
from rakuten.logs import get_logger
from rakuten.models.model_directory import model_sha256, read_manifest, verify_files
from rakuten.serving.model_info import ModelInfo, is_sha256

log = get_logger(__name__)

FOLDER: Final = Path(".rakuten/models")
"""Where the cache lies below the project folder unless told otherwise."""
CONFIRMED: Final = "confirmed.json"
YOUNG_SECONDS: Final = 600.0
_FETCHING: Final = "fetching"
_REMOVING: Final = "removing"


@dataclass(frozen=True)
class Confirmed:
    """The version that the registry last named as champion, when, and the model before it."""

    info: ModelInfo
    at: datetime
    previous: str | None = None


class ModelCache:
    """Model directories by the hash of their manifest; several processes may share a cache.

    An entry appears whole, under its final name, or not at all. It lies on a local disk: locks
    (``flock``) and exchanged names are not dependable on network shares.
    """

    def __init__(self, folder: Path, name: str) -> None:
        # No name of a model leads out of the folder, not even "..".
        self.folder = folder / quote(name, safe="").replace(".", "%2E")

    def path(self, sha256: str) -> Path:
        """Where a model lies, or would.

        Raises:
            ModelError: that is no hash.
        """
        if not is_sha256(sha256):
            raise ModelError(
                f"A model is named by its SHA-256, not by {sha256!r}.",
                hint="register the version with rakuten register, which tags it with its hash",
            )
        return self.folder / sha256

    def holds(self, sha256: str) -> bool:
        """Whether there is an entry; its files are verified by whoever reads them."""
        return self.path(sha256).is_dir()

    @contextmanager
    def reading(self, sha256: str) -> Iterator[Path]:
        """The entry's folder, which nobody prunes until the block ends.

        Raises:
            ModelError: there is no such entry.
        """
        path = self.path(sha256)
        with ExitStack() as stack:
            try:
                fcntl.flock(stack.enter_context(_opened(path)), fcntl.LOCK_SH)
            except OSError as error:
                raise ModelError(f"{path} is not there.", hint="it is fetched again") from error
            yield path

    def fill(self, sha256: str, download: Callable[[Path], Path]) -> Path:
        """Make sure that a verified entry is there; of several processes only one downloads.

        Args:
            sha256: the model.
            download: puts the model below the folder it is given and returns its directory.

        Raises:
            ModelError: what was downloaded is not that model, whole.
            StorageError: the file system refused.
        """
        path = self.path(sha256)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with _locked(self.folder / ".fetch.lock"):
                # Whoever holds the lock is the only one who fetches: the rest was killed.
                self._remove(f".*.{_FETCHING}")
                if not self._is_whole(sha256):
                    self._fetch(path, sha256, download)
        except OSError as error:
            raise storage_error(error, path) from error
        return path

    def discard(self, sha256: str) -> None:
        """Remove an entry that turned out to be damaged, so that it is fetched again."""
        self._withdraw(self.path(sha256))

    def prune(self, keep: Collection[str]) -> list[str]:
        """Remove all entries but those to keep, those that somebody reads, and young ones.

        The champion that was confirmed last and the one before it stay, whoever asks. A young
        entry may be what another process has just fetched.
        """
        confirmed = self.confirmed()
        kept = {*keep, *((confirmed.info.sha256, confirmed.previous) if confirmed else ())}
        self._remove(f".*.{_REMOVING}")
        removed = []
        for path in self.folder.glob("*"):
            if not is_sha256(path.name) or path.name in kept or _is_young(path):
                continue
            if self._withdraw(path, idle=True):
                removed.append(path.name)
        return removed

    def confirmed(self) -> Confirmed | None:
        """The version last confirmed as champion; None where there is no record to go by."""
        path = self.folder / CONFIRMED
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            return _restored(content)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, LookupError, TypeError) as error:
            log.warning("%s is damaged and ignored: %s", path, error)
            return None

    def confirm(self, info: ModelInfo, at: datetime) -> None:
        """Record what the registry said at a time, unless a later answer is recorded already.

        Raises:
            StorageError: the file system refused.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with _locked(self.folder / ".confirmed.lock"):
                before = self.confirmed()
                if before and before.at > at:
                    return
                previous = None
                if before:
                    moved = before.info.sha256 != info.sha256
                    previous = before.info.sha256 if moved else before.previous
                write_json(
                    self.folder / CONFIRMED,
                    {
                        "model": info.to_dict(),
                        "confirmed_at": at.isoformat(),
                        "previous": previous,
                    },
                )
        except OSError as error:
            raise storage_error(error, self.folder / CONFIRMED) from error

    def _fetch(self, path: Path, sha256: str, download: Callable[[Path], Path]) -> None:
        staged = self.folder / f".{sha256}.{secrets.token_hex(4)}.{_FETCHING}"
        staged.mkdir()
        try:
            found = download(staged)
            verify(found, sha256)
            os.utime(found)  # its age counts from here, whatever the store says
            _flush(found)
            swap_directory(found, path)
            _flush_names(self.folder)
        finally:
            shutil.rmtree(staged, ignore_errors=True)

    def _is_whole(self, sha256: str) -> bool:
        try:
            verify(self.path(sha256), sha256)
        except (RakutenError, OSError):
            return False
        return True

    def _withdraw(self, path: Path, *, idle: bool = False) -> bool:
        """Take an entry's name away in one step, then its files; with ``idle`` if none reads it."""
        gone = path.with_name(f".{path.name}.{secrets.token_hex(4)}.{_REMOVING}")
        try:
            with _opened(path) as handle:
                fcntl.flock(handle, fcntl.LOCK_EX | (fcntl.LOCK_NB if idle else 0))
                path.rename(gone)
        except OSError:  # somebody reads it, or was quicker
            return False
        shutil.rmtree(gone, ignore_errors=True)
        return True

    def _remove(self, pattern: str) -> None:
        for path in self.folder.glob(pattern):
            shutil.rmtree(path, ignore_errors=True)


def verify(directory: Path, sha256: str) -> None:
    """Compare a model with the hash that names it, down to every file.

    Raises:
        ModelError: it is absent, another model, altered, or of another format version.
    """
    found = model_sha256(directory)
    if found != sha256:
        raise ModelError(f"{directory} holds the model {found[:8]}…, not {sha256[:8]}….")
    try:
        verify_files(directory, read_manifest(directory))
    except (LookupError, TypeError, AttributeError) as error:
        raise ModelError(f"{directory} has an incomplete manifest: {error!r}.") from error


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield handle
    finally:
        os.close(handle)


def _is_young(path: Path) -> bool:
    try:
        return time.time() - path.stat().st_mtime < YOUNG_SECONDS
    except OSError:  # another process was quicker
        return True


def _restored(content: Any) -> Confirmed:
    info = ModelInfo.from_dict(content["model"])
    previous = content["previous"]
    at = datetime.fromisoformat(content["confirmed_at"])
    if not info.sha256 or at.tzinfo is None or not (previous is None or is_sha256(previous)):
        raise ValueError("it names no model")
    return Confirmed(info, at.astimezone(UTC), previous)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock that ends with the process that holds it, however that ends."""
    with path.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _flush(directory: Path) -> None:
    for path in directory.iterdir():
        with path.open("rb") as handle:
            os.fsync(handle.fileno())
    _flush_names(directory)


def _flush_names(directory: Path) -> None:
    with suppress(OSError), _opened(directory) as handle:
        os.fsync(handle)
