"""The model that answers now, as far as monitoring needs it: its version and its reference."""

import re
import secrets
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from rakuten.errors import ModelError
from rakuten.io import sha256_file, storage_error, swap_directory
from rakuten.models.feature_row import FeatureRow, rows_of_columns
from rakuten.models.model_directory import MANIFEST, model_sha256, read_arrays, read_manifest
from rakuten.models.reference import REFERENCE, read_reference
from rakuten.tracking.registry import CHAMPION, Registry, Version

FOLDER: Final = Path(".rakuten/references")
"""Where references are kept below the project folder: a manifest and a sample of each model."""
KEPT: Final = 5

_FILES: Final = (MANIFEST, f"{REFERENCE}.npz")
_SCRATCH: Final = "fetching-"
_SCRATCH_SECONDS: Final = 3600.0
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class LiveModel:
    """A version with its reference sample; ``held_out_f1`` is its weighted F1 on held-out rows."""

    version: Version
    reference: list[FeatureRow]
    labels: Mapping[int, str]
    held_out_f1: float | None


def find_champion(registry: Registry) -> Version:
    """The version that answers now.

    Raises:
        TrackingError: the registry did not answer.
        ModelError: no version is champion.
    """
    version = registry.by_alias(CHAMPION)
    if version is None:
        raise ModelError(
            f"No version of {registry.name} is champion: there is no traffic of it to check.",
            hint="make one live: rakuten register, then rakuten promote",
        )
    return version


def read_live(registry: Registry, version: Version, folder: Path) -> LiveModel:
    """A version's reference sample and scores, from ``folder`` or else from the artifact store.

    Of a model that is fetched every file is verified; its manifest and its reference are kept
    under the model's hash, and those of the last :data:`KEPT` models stay.

    Raises:
        ModelError: the model is altered, incomplete, or of another format version.
        TrackingError: the artifact store did not answer.
        StorageError: the disk refused.
    """
    sha256 = version.model_sha256
    if not _SHA256.fullmatch(sha256):
        raise ModelError(
            f"{version} does not say which model it is.",
            hint="train and register it again: rakuten register tags it with its hash",
        )
    kept = folder / sha256
    if not _is_whole(kept, sha256):
        _fetch(registry, version, kept)
    manifest = read_manifest(kept)
    try:
        return LiveModel(
            version=version,
            reference=rows_of_columns(read_arrays(kept, REFERENCE)),
            labels={int(one["code"]): str(one["name"]) for one in manifest["classes"]},
            held_out_f1=manifest["scores"]["held_out"].get("weighted_f1"),
        )
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise ModelError(f"The manifest of {version} is incomplete: {error!r}.") from error


def _is_whole(kept: Path, sha256: str) -> bool:
    try:
        expected = read_manifest(kept)["files"][_FILES[1]]
        return model_sha256(kept) == sha256 and sha256_file(kept / _FILES[1]) == expected
    except (ModelError, LookupError, TypeError, OSError):
        return False


def _fetch(registry: Registry, version: Version, kept: Path) -> None:
    staged = kept.with_name(f".{kept.name}.{secrets.token_hex(4)}.staged")
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=_SCRATCH, dir=kept.parent) as scratch:
            directory = registry.download(version, Path(scratch))
            _verify(version, directory)
            staged.mkdir()
            for name in _FILES:
                shutil.copyfile(directory / name, staged / name)
        swap_directory(staged, kept)
        _prune(kept.parent)
    except OSError as error:
        raise storage_error(error, kept) from error
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def _verify(version: Version, directory: Path) -> None:
    try:
        read_reference(directory)  # looks at every file of the model
    except ModelError as error:
        raise ModelError(
            f"The artifact of {version} is damaged: {error.message}",
            hint="make another version live, or train and register it again",
        ) from error


def _prune(folder: Path) -> None:
    """Remove all references but the newest, and what killed processes left."""
    found = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime)
    gone = [path for path in found if _SHA256.fullmatch(path.name)][:-KEPT]
    ended = time.time() - _SCRATCH_SECONDS
    for path in found:
        if path.name.startswith((_SCRATCH, ".")) and path.stat().st_mtime < ended:
            gone.append(path)
    for path in gone:
        shutil.rmtree(path, ignore_errors=True)
