"""Photos by the hash of their bytes, in a folder or in S3."""

import hashlib
import os
import re
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Protocol

from rakuten.errors import ConfigurationError, MissingExtraError, StoreError
from rakuten.io import storage_error
from rakuten.store.segment import sync_folder

_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_CONNECT_SECONDS: Final = 2
_READ_SECONDS: Final = 5


class Media(Protocol):
    """A place of photos.

    A photo that two predictions share is one object. To be safe from an erasure that runs at
    the same moment, call :meth:`put` before the record is submitted and :meth:`ensure` once it
    is kept.
    """

    def put(self, content: bytes) -> str:
        """Keep a photo durably; returns its sha256."""

    def ensure(self, content: bytes) -> str:
        """Put a photo unless it is there."""

    def get(self, sha256: str) -> bytes | None:
        """Bytes of a photo; None where the place is up and lacks it."""

    def delete(self, sha256: str) -> None:
        """Remove a photo, if it is there."""


def open_media(place: str) -> Media:
    """The place that a setting names: ``s3://bucket/prefix`` or a folder.

    Raises:
        ConfigurationError: it names neither.
    """
    return S3Media(place) if place.startswith("s3://") else FolderMedia(Path(place))


class FolderMedia:
    """Photos in a folder, spread over 256 sub-folders."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, content: bytes) -> str:
        """Keep a photo durably; returns its sha256.

        Raises:
            StorageError: the file system refused.
        """
        sha256 = hashlib.sha256(content).hexdigest()
        path = self._path(sha256)
        if not path.exists():  # names come into being with their whole content
            try:
                self._write(path, content)
            except OSError as error:
                raise storage_error(error, path) from error
        return sha256

    def _write(self, path: Path, content: bytes) -> None:
        """Two waits for the disk: for the bytes, and for the name."""
        if not path.parent.is_dir():
            path.parent.mkdir(parents=True, exist_ok=True)
            sync_folder(path.parent.parent)
        temporary = path.with_name(f".{secrets.token_hex(8)}.tmp")
        try:
            with temporary.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)

    def ensure(self, content: bytes) -> str:
        """Put a photo unless it is there."""
        return self.put(content)

    def get(self, sha256: str) -> bytes | None:
        """Bytes of a photo; None where there is none.

        Raises:
            StoreError: it cannot be read.
        """
        if not _SHA256.fullmatch(sha256):
            return None
        try:
            return self._path(sha256).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreError(f"Photo {sha256} cannot be read: {error.strerror}.") from error

    def delete(self, sha256: str) -> None:
        """Remove a photo, if it is there.

        Raises:
            StoreError: the file system refused.
        """
        if not _SHA256.fullmatch(sha256):
            return
        path = self._path(sha256)
        try:
            path.unlink(missing_ok=True)
            with suppress(FileNotFoundError):
                sync_folder(path.parent)
        except OSError as error:
            raise StoreError(f"Photo {sha256} cannot be removed: {error.strerror}.") from error

    def _path(self, sha256: str) -> Path:
        return self._folder / sha256[:2] / sha256


class S3Media:
    """Photos in an S3 bucket; credentials and endpoint come from the environment (AWS_*).

    Raises:
        ConfigurationError: the URL has another form.
        MissingExtraError: boto3 is not installed.
    """

    def __init__(self, url: str) -> None:
        found = re.fullmatch(r"s3://([^/]+)/?(.*?)/?", url)
        if found is None:
            raise ConfigurationError(f"{url} is no place in S3.", hint="s3://bucket/prefix")
        self._bucket, self._prefix = found.groups()
        self.url = url
        self._client = _s3_client()

    def put(self, content: bytes) -> str:
        """Keep a photo durably; returns its sha256.

        Raises:
            StoreError: S3 did not answer, or refused.
        """
        sha256 = hashlib.sha256(content).hexdigest()
        self._call("put_object", sha256, Body=content)
        return sha256

    def ensure(self, content: bytes) -> str:
        """Put a photo unless it is there.

        Raises:
            StoreError: S3 did not answer, or refused.
        """
        sha256 = hashlib.sha256(content).hexdigest()
        return sha256 if self._call("head_object", sha256) is not None else self.put(content)

    def get(self, sha256: str) -> bytes | None:
        """Bytes of a photo; None where S3 answers that there is none.

        Raises:
            StoreError: S3 did not answer, or refused.
        """
        answer = self._call("get_object", sha256) if _SHA256.fullmatch(sha256) else None
        if answer is None:
            return None
        try:
            content: bytes = answer["Body"].read()
        except Exception as error:  # urllib3's and botocore's own, while the body comes
            raise self._error(sha256, error) from error
        if hashlib.sha256(content).hexdigest() != sha256:
            raise StoreError(f"Photo {sha256} in {self.url} is not what was put there.")
        return content

    def delete(self, sha256: str) -> None:
        """Remove a photo, if it is there.

        Raises:
            StoreError: S3 did not answer, or refused.
        """
        if _SHA256.fullmatch(sha256):
            self._call("delete_object", sha256)

    def _call(self, operation: str, sha256: str, **arguments: Any) -> Any:
        """What S3 answers; None where it has no such object."""
        from botocore.exceptions import BotoCoreError, ClientError

        key = f"{self._prefix}/{sha256[:2]}/{sha256}".lstrip("/")
        try:
            return getattr(self._client, operation)(Bucket=self._bucket, Key=key, **arguments)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in ("NoSuchKey", "404"):
                return None
            raise self._error(sha256, error) from error
        except BotoCoreError as error:
            raise self._error(sha256, error) from error

    def _error(self, sha256: str, error: Exception) -> StoreError:
        return StoreError(
            f"Photo {sha256} in {self.url}: {error}.",
            hint="check the bucket, AWS_ENDPOINT_URL and the keys: rakuten doctor",
        )


def _s3_client() -> Any:
    try:
        from boto3.session import Session
        from botocore.config import Config
    except ModuleNotFoundError as error:
        raise MissingExtraError("boto3", "serve", "Keeping photos in S3") from error
    return Session().client(  # the default one is shared with whoever else uses boto3
        "s3",
        config=Config(
            connect_timeout=_CONNECT_SECONDS,
            read_timeout=_READ_SECONDS,
            retries={"total_max_attempts": 2},
            # Stores other than AWS's do not know the newer checksums.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )
