"""Stage features: data/interim → feature table and image vectors in data/processed."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rakuten.errors import ContractError, DataNotFoundError
from rakuten.features.build_features import (
    KEPT,
    feature_manifest,
    image_vectors,
    text_features,
    write_vectors,
)
from rakuten.features.encoder_store import DESCRIPTION, prepare_encoder, save_encoder
from rakuten.features.vector_cache import open_cache
from rakuten.imaging import DECODER
from rakuten.io import read_csv, read_json, sha256_file, write_csv, write_json
from rakuten.logs import Progress
from rakuten.params import FeaturesParams
from rakuten.settings import ProjectPaths
from rakuten.stages.ingest import MERGED
from rakuten.text import TEXT_VERSION

if TYPE_CHECKING:
    import pandas as pd

TABLE = "train_features.csv"
VECTORS = "image_features.npy"
ENCODER = "image_encoder"
MANIFEST = "features_manifest.json"


@dataclass(frozen=True)
class FeaturesOutcome:
    """What the stage wrote."""

    rows: int
    dimension: int
    with_image: int


def run_features(
    paths: ProjectPaths,
    params: FeaturesParams,
    *,
    threads: int = 1,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> FeaturesOutcome:
    """Write feature table, image vectors, encoder, and last the manifest that ties them together.

    Args:
        paths: where things lie.
        params: which encoder.
        threads: threads that decode and encode photos.
        cache: folder of vectors that are kept between runs, or None.
        progress: called with (done, total).

    Raises:
        ConfigurationError: the encoder cannot be made.
        ContractError: an earlier version of this project made ingest's table.
        DataNotFoundError: ingest has not run, or the encoder's weights cannot be had.
        StorageError: the outputs cannot be written.
    """
    merged = read_stage_csv(paths, MERGED)
    if absent := [name for name in KEPT if name not in merged.columns]:
        raise ContractError(
            f"{paths.interim / MERGED} lacks {', '.join(absent)}.", hint="run rakuten ingest again"
        )
    encoder = prepare_encoder(params, paths.root)
    table = text_features(merged)
    write_csv(paths.processed / TABLE, table)
    save_encoder(encoder, paths.processed / ENCODER)
    with open_cache(cache, encoder) as known:
        write_vectors(
            paths.processed / VECTORS,
            image_vectors(
                encoder,
                paths.raw,
                paths.feedback,
                merged,
                threads=threads,
                cache=known,
                progress=progress,
            ),
            rows=len(merged),
            dimension=encoder.dimension,
        )
    manifest = feature_manifest(
        encoder,
        decoder=DECODER,
        text_version=TEXT_VERSION,
        rows=len(merged),
        files={
            name: sha256_file(paths.processed / name)
            for name in (TABLE, VECTORS, f"{ENCODER}/{DESCRIPTION}")
        },
    )
    write_json(paths.processed / MANIFEST, manifest)
    with_image = int((table["image_status"] == "ok").sum())
    return FeaturesOutcome(len(table), encoder.dimension, with_image)


def read_features(
    paths: ProjectPaths,
) -> tuple["pd.DataFrame", NDArray[np.float32], dict[str, Any]]:
    """Feature table, image vectors (a memory map) and manifest of one finished run.

    Raises:
        DataNotFoundError: the features stage has not run to its end.
        ContractError: the files do not belong together.
    """
    path = paths.processed / MANIFEST
    if not path.is_file():
        raise DataNotFoundError(f"{path} does not exist.", hint="rakuten features, or dvc repro")
    manifest = read_json(path)
    for name, expected in manifest["files"].items():
        part = paths.processed / name
        if not part.is_file() or sha256_file(part) != expected:
            raise ContractError(
                f"{part} is not the file that {MANIFEST} describes.",
                hint="run rakuten features again",
            )
    table = read_csv(paths.processed / TABLE)
    vectors = np.load(paths.processed / VECTORS, mmap_mode="r", allow_pickle=False)
    return table, vectors, manifest


def read_stage_csv(paths: ProjectPaths, name: str) -> "pd.DataFrame":
    """Read a table of ``data/interim``.

    Raises:
        DataNotFoundError: ingest has not run.
    """
    path = paths.interim / name
    if not path.is_file():
        raise DataNotFoundError(f"{path} does not exist.", hint="rakuten ingest, or dvc repro")
    return read_csv(path)
