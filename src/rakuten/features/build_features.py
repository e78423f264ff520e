"""Features core: cleaned text, simple numbers and image vectors of every accepted row."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from rakuten import catalog
from rakuten.data.corrections import photo_path
from rakuten.features.encoder import ImageEncoder, encode_stream
from rakuten.features.rows import TextRow, text_rows
from rakuten.features.vector_cache import VectorCache
from rakuten.io import atomic_path
from rakuten.logs import Progress

if TYPE_CHECKING:
    import pandas as pd

KEPT: Final = (
    catalog.INDEX,
    catalog.PRODUCT_ID,
    catalog.IMAGE_ID,
    catalog.LABEL,
    "image_path",
    "image_status",
    "image_sha256",
    "source",
    "answers",
)
"""Columns of ``merged_train.csv`` that the feature table keeps."""


def text_features(merged: "pd.DataFrame") -> "pd.DataFrame":
    """Feature table of accepted rows: what is kept of them, cleaned text, simple numbers."""
    import pandas as pd

    pairs = zip(merged[catalog.DESIGNATION], merged[catalog.DESCRIPTION], strict=True)
    rows = [row.to_dict() for row in text_rows(pairs)]
    measured = pd.DataFrame(rows, index=merged.index, columns=list(TextRow.__annotations__))
    return pd.concat([merged[list(KEPT)], measured], axis=1)


def image_vectors(
    encoder: ImageEncoder,
    raw: Path,
    feedback: Path,
    merged: "pd.DataFrame",
    *,
    threads: int = 1,
    cache: VectorCache | None = None,
    progress: Progress | None = None,
) -> Iterator[NDArray[np.float32]]:
    """Vectors of the rows' photos, chunk by chunk in row order; zeros where there is no photo.

    Args:
        encoder: what makes them.
        raw: folder that the paths of the catalogue's photos start from.
        feedback: the same for photos of corrections.
        merged: accepted rows.
        threads: chunks that are encoded at the same time.
        cache: vectors that are known from earlier runs.
        progress: called with (done, total).
    """
    rows = zip(merged["source"], merged["image_path"], merged["image_status"], strict=True)
    paths = [
        photo_path(raw, feedback, source, path) if status == "ok" else None
        for source, path, status in rows
    ]
    done = 0
    for encoded in encode_stream(encoder, paths, threads=threads, cache=cache):
        done += len(encoded.status)
        yield encoded.vectors
        if progress:
            progress(done, len(paths))


def write_vectors(
    path: Path, chunks: Iterator[NDArray[np.float32]], *, rows: int, dimension: int
) -> None:
    """Stream vectors into one float32 ``.npy`` file of shape (rows, dimension), atomically."""
    header: dict[str, Any] = {
        "descr": np.lib.format.dtype_to_descr(np.dtype(np.float32)),
        "fortran_order": False,
        "shape": (rows, dimension),
    }
    with atomic_path(path) as temporary, temporary.open("wb") as handle:
        np.lib.format.write_array_header_1_0(handle, header)
        for chunk in chunks:
            handle.write(np.ascontiguousarray(chunk, dtype=np.float32).tobytes())


def feature_manifest(
    encoder: ImageEncoder, *, decoder: str, text_version: str, rows: int, files: dict[str, str]
) -> dict[str, Any]:
    """What made the vectors, and the sha256 of the files that belong together."""
    return {
        "rows": rows,
        "image_encoder": encoder.describe(),
        "decoder": decoder,
        "text_version": text_version,
        "files": files,
    }


def documents(frame: "pd.DataFrame") -> Sequence[tuple[str, str]]:
    """Cleaned (title, description) of each row of a feature table."""
    return list(zip(frame["clean_designation"], frame["clean_description"], strict=True))


if __name__ == "__main__":
    from rakuten.cli.app import run_command

    run_command("features")
