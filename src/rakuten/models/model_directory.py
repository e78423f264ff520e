"""The model directory: a manifest with hashes beside plain arrays, written whole or not at all."""

import json
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rakuten.errors import ModelError
from rakuten.io import remove_orphans, sha256_file, storage_error, swap_directory, write_json

FORMAT_VERSION: Final = 2
MANIFEST: Final = "manifest.json"
GOLDEN: Final = "golden.json"
GOLDEN_TOLERANCE: Final = 1e-3
"""Golden products may be this far off: other processors round otherwise, other models do not."""

Arrays = Mapping[str, NDArray[Any]]


def write_model(
    directory: Path,
    arrays: Mapping[str, Arrays],
    golden: Any,
    manifest: dict[str, Any],
    files: Mapping[str, Path] | None = None,
) -> None:
    """Write a model beside its place and swap it in.

    Args:
        directory: where the model goes; an older one there is replaced as a whole.
        arrays: file stem → arrays, one ``.npz`` each.
        golden: golden products with their expected probabilities, as JSON values.
        manifest: everything but ``format_version`` and ``files``, which are added here.
        files: file name → a file to copy, for what is no array.
    """
    remove_orphans(directory, "staged")
    staged = directory.with_name(f".{directory.name}.{secrets.token_hex(4)}.staged")
    try:
        staged.mkdir(parents=True)
        for stem, values in arrays.items():
            np.savez_compressed(staged / f"{stem}.npz", allow_pickle=False, **dict(values))
        for name, source in (files or {}).items():
            shutil.copyfile(source, staged / name)
        write_json(staged / GOLDEN, golden)
        hashes = {path.name: sha256_file(path) for path in sorted(staged.iterdir())}
        header = {"format_version": FORMAT_VERSION, "files": hashes}
        write_json(staged / MANIFEST, {**header, **manifest})
        swap_directory(staged, directory)
    except OSError as error:
        raise storage_error(error, staged) from error
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def read_manifest(directory: Path) -> dict[str, Any]:
    """Read and check a manifest.

    Raises:
        ModelError: there is none, it is not JSON, or it has another format version.
    """
    path = directory / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise _no_model(directory) from error
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read: {error}.") from error
    version = manifest.get("format_version") if isinstance(manifest, dict) else None
    if version != FORMAT_VERSION:
        raise ModelError(
            f"{directory} has model format {version}; this version reads format {FORMAT_VERSION}.",
            hint="retrain it, or install the version of rakuten-classifier that wrote it",
        )
    return dict(manifest)


def verify_files(directory: Path, manifest: Mapping[str, Any]) -> None:
    """Compare every file with the manifest's hash.

    Raises:
        ModelError: a file is absent, altered or unknown.
    """
    unknown = sorted({path.name for path in directory.iterdir()} - {MANIFEST, *manifest["files"]})
    if unknown:
        raise ModelError(
            f"{directory} holds {unknown[0]}, which {MANIFEST} does not vouch for.",
            hint="restore the model (dvc checkout) or retrain it",
        )
    for name, expected in manifest["files"].items():
        path = directory / Path(name).name
        if not path.is_file():
            raise ModelError(f"{directory} lacks the file {name}.", hint="restore or retrain it")
        if sha256_file(path) != expected:
            raise ModelError(
                f"{path} does not match its hash in {MANIFEST}: it was altered or cut short.",
                hint="restore the model (dvc checkout) or retrain it",
            )


def read_arrays(directory: Path, stem: str) -> dict[str, NDArray[Any]]:
    """Read one ``.npz`` without pickle.

    Raises:
        ModelError: it is not a file of plain arrays.
    """
    path = directory / f"{stem}.npz"
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except Exception as error:  # the boundary to damaged archives: zlib, tokenize, zipfile, numpy
        raise ModelError(f"{path} cannot be read as plain arrays: {error}.") from error


def model_sha256(directory: Path) -> str:
    """Identity of a model: the hash of its manifest, which holds every other file's hash."""
    path = directory / MANIFEST
    if not path.is_file():
        raise _no_model(directory)
    return sha256_file(path)


def _no_model(directory: Path) -> ModelError:
    return ModelError(
        f"There is no model in {directory}.", hint="train one: rakuten train, or make pipeline"
    )
