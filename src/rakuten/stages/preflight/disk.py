"""What a stage will write to disk, estimated from the sizes of its inputs, and whether it fits."""

import configparser
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rakuten import catalog
from rakuten.errors import ContractError
from rakuten.io import read_json
from rakuten.params import FeaturesParams
from rakuten.settings import ProjectPaths, Settings
from rakuten.stages.doctor.check import Check, existing, unwritable
from rakuten.stages.features import ENCODER, MANIFEST, VECTORS
from rakuten.stages.ingest import MERGED, REPORT

MIB: Final = 1 << 20
RESERVE: Final = 64 * MIB
"""Left free beyond the estimate: logs, databases, and what other programs write meanwhile."""

_CHECKED_ROW: Final = 200
"""Bytes that ingest adds to a row: path, status and hash of its photo, quotes."""
_PREDICTED_ROW: Final = 400
"""Bytes of a row of predictions with three alternatives."""
_LARGE_MODEL: Final = 96 * MIB
"""A model of a full-size catalogue at the committed parameters, without its encoder's files."""
_SMALL_MODEL: Final = 8 * MIB
"""What a model holds however little it has learned from."""
_NETWORK_NUMBERS: Final = 1024
_NETWORK_FILE: Final = 128 * MIB
"""A pretrained network that has not been used yet."""


@dataclass(frozen=True)
class Need:
    """Bytes that will be written below a folder, which need not exist yet."""

    folder: Path
    size: int


def ingest_needs(paths: ProjectPaths) -> list[Need]:
    """Tables of ``data/interim``."""
    return _outputs(paths, Need(paths.interim, _merged_size(paths)))


def features_needs(paths: ProjectPaths, params: FeaturesParams, cache: Path | None) -> list[Need]:
    """Feature table, image vectors and encoder, and vectors that are kept for the next run."""
    numbers, encoder = _encoder_size(paths, params)
    vectors = _rows(paths) * numbers * 4
    outputs = Need(paths.processed, 2 * _merged_size(paths) + vectors + encoder)
    kept = [Need(cache, max(0, vectors - _size(cache)))] if cache else []
    return [*_outputs(paths, outputs), *kept]


def train_needs(paths: ProjectPaths, params: FeaturesParams, settings: Settings) -> list[Need]:
    """Model, held-out rows, the copy in a waiting run, and what MLflow copies of it."""
    model = _size(paths.model) or _new_model_size(paths, params)
    return [
        *_outputs(paths, Need(paths.model.parent, model)),
        *_outputs(paths, Need(paths.processed, _merged_size(paths))),
        Need(paths.pending_runs, model),  # mostly a hard link, but not between file systems
        Need(Path(tempfile.gettempdir()), model),
        *_tracking_needs(paths, settings, model),
    ]


def predict_needs(paths: ProjectPaths, table: Path, output: Path) -> list[Need]:
    """The predictions file."""
    need = Need(output.parent, _lines(table) * _PREDICTED_ROW)
    return _outputs(paths, need) if output == paths.predictions else [need]


def disk_checks(what: str, needs: Iterable[Need]) -> Iterator[Check]:
    """Compare what is needed with what is free, disk by disk, and try each folder."""
    places: dict[int, list[Need]] = {}
    for need in needs:
        places.setdefault(existing(need.folder).stat().st_dev, []).append(need)
    for on_disk in places.values():
        needed = sum(need.size for need in on_disk)
        folder = max(on_disk, key=lambda need: need.size).folder
        disk = shutil.disk_usage(existing(folder))
        detail = (
            f"{what} needs about {_mib(needed)} MiB on the disk of {folder.absolute()} and "
            f"{_mib(RESERVE)} MiB in reserve; {disk.free // MIB} MiB are free"
        )
        if disk.total and disk.free < needed + RESERVE:  # /proc and the like have no size
            hint = "free some: dvc gc -w drops outputs of earlier runs; df -h shows the disks"
            yield Check("disk", "failed", detail, hint)
            continue
        yield Check("disk", "ok", detail)
        yield from _folder_checks(sorted({need.folder for need in on_disk}))


def _folder_checks(folders: list[Path]) -> Iterator[Check]:
    for folder in folders:
        reason = unwritable(folder)
        if reason:
            blocked = "not a folder" in reason
            hint = f"chmod -R u+w '{folder}', or chown it to this user"
            hint = "move that file away" if blocked else hint
            yield Check("disk", "failed", f"{folder} cannot be written: {reason}", hint)


def _tracking_needs(paths: ProjectPaths, settings: Settings, model: int) -> list[Need]:
    """What an embedded tracking store writes on this machine; a server's disk is its own."""
    uri = settings.tracking_uri(paths.root)
    if not uri.startswith("sqlite:///"):
        return []
    database = Need(Path(uri.removeprefix("sqlite:///").partition("?")[0]).parent, MIB)
    if settings.mlflow_tracking_uri:
        return [database]
    return [database, Need(paths.root / "mlartifacts", model)]


def _mib(size: int) -> int:
    return -(-size // MIB)


def _outputs(paths: ProjectPaths, need: Need) -> list[Need]:
    """An output of the pipeline, and its copy in DVC's cache where DVC cannot link."""
    folder = paths.root / ".dvc"
    config = configparser.ConfigParser(interpolation=None, strict=False)
    with suppress(configparser.Error, OSError, UnicodeDecodeError):
        config.read([folder / "config", folder / "config.local"], encoding="utf-8")
    types = config.get("cache", "type", fallback="reflink,copy")
    if not folder.is_dir() or "link" in types.replace("reflink", ""):
        return [need]
    return [need, Need(folder / config.get("cache", "dir", fallback="cache"), need.size)]


def _merged_size(paths: ProjectPaths) -> int:
    known = _size(paths.interim / MERGED)
    raw = (paths.raw_file(name) for name in (catalog.X_TRAIN, catalog.Y_TRAIN))
    return known or sum(map(_size, raw)) + _lines(paths.raw_file(catalog.X_TRAIN)) * _CHECKED_ROW


def _rows(paths: ProjectPaths) -> int:
    with suppress(ContractError, KeyError, TypeError, ValueError):
        return int(read_json(paths.interim / REPORT)["accepted"])
    return _lines(paths.raw_file(catalog.X_TRAIN))


def _lines(path: Path) -> int:
    """Lines of a table: no fewer than its rows, and many times quicker to count."""
    if not path.is_file():
        return 0
    with path.open("rb") as handle:
        return sum(block.count(b"\n") for block in iter(lambda: handle.read(MIB), b""))


def _size(path: Path) -> int:
    """Bytes of a file, or of all files in a folder; none where there is nothing."""
    if path.is_dir():
        files = (Path(at, name) for at, _, names in os.walk(path) for name in names)
        return sum(file.lstat().st_size for file in files)
    return path.stat().st_size if path.is_file() else 0


def _encoder_size(paths: ProjectPaths, params: FeaturesParams) -> tuple[int, int]:
    """Numbers of a vector, and bytes of the encoder's own files."""
    if params.image_encoder != "onnx":
        from rakuten.features.encoder import create_encoder

        return create_encoder(params.image_encoder).row_length, 0
    numbers = 0
    with suppress(ContractError, KeyError, TypeError, ValueError):
        numbers = int(read_json(paths.processed / MANIFEST)["image_encoder"]["dimension"])
    known = _size(paths.root / Path(params.onnx.path).expanduser()) if params.onnx.path else 0
    file = known or _size(paths.processed / ENCODER) or _NETWORK_FILE
    return max(numbers, _NETWORK_NUMBERS), file


def _new_model_size(paths: ProjectPaths, params: FeaturesParams) -> int:
    """No more than a large model, nor than what it learns from."""
    numbers, encoder = _encoder_size(paths, params)
    vectors = _size(paths.processed / VECTORS) or _rows(paths) * numbers * 4
    return min(_LARGE_MODEL, _SMALL_MODEL + vectors + _merged_size(paths)) + encoder
