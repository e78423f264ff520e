"""The frozen held-out rows: found by their fingerprint, checked to the photo, answered."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rakuten import catalog
from rakuten.data.split import fingerprint, text_hash
from rakuten.errors import ContractError, DataNotFoundError, ImageError
from rakuten.features.vector_cache import open_cache
from rakuten.imaging import content_hash, read_image
from rakuten.io import read_csv
from rakuten.logs import Progress
from rakuten.models.predict_model import predict_table
from rakuten.models.predictor import Prediction, Predictor
from rakuten.settings import ProjectPaths
from rakuten.stages.train import HELD_OUT
from rakuten.text import clean_texts

if TYPE_CHECKING:
    import pandas as pd


def read_held_out(paths: ProjectPaths, split: str, *, source: Path | None = None) -> "pd.DataFrame":
    """Read the held-out rows of a split, refusing rows or photos that are not exactly those.

    Args:
        paths: the project, for its photos.
        split: fingerprint of the split.
        source: file of the rows [``data/processed/heldout.csv``].

    Raises:
        DataNotFoundError: there are no held-out rows.
        ContractError: the rows are those of another split, or a photo is gone or another one.
    """
    path = source or paths.processed / HELD_OUT
    if not path.is_file():
        raise DataNotFoundError(f"{path} does not exist.", hint="rakuten train, or dvc repro")
    table = read_csv(path)
    if _fingerprint(table, path) != split:
        raise ContractError(
            f"{path} does not hold the held-out rows of split {split[:8]}: a model of that split "
            "may have learned from some of them.",
            hint="restore model and rows together (dvc checkout), or train again (rakuten train)",
        )
    _require_photos(paths, table)
    return table


def answer_held_out(
    predictor: Predictor,
    paths: ProjectPaths,
    table: "pd.DataFrame",
    *,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> list[Prediction]:
    """Answer held-out rows, in order, through the Predictor."""
    with open_cache(cache, predictor.encoder) as known:
        return predict_table(
            replace(predictor, cache=known),
            table,
            paths.raw_file(catalog.IMAGE_TRAIN),
            progress=progress,
        )


def held_out_fingerprint(path: Path) -> str:
    """Fingerprint of a file of held-out rows.

    Raises:
        ContractError: a column is absent.
    """
    return _fingerprint(read_csv(path), path)


def _fingerprint(table: "pd.DataFrame", path: Path) -> str:
    wanted = (catalog.INDEX, catalog.LABEL, *catalog.PRODUCT_COLUMNS, "image_sha256")
    absent = [name for name in wanted if name not in table.columns]
    if absent:
        raise ContractError(f"{path} lacks {', '.join(absent)}.", hint="rakuten train")
    titles = clean_texts(table[catalog.DESIGNATION].tolist())
    bodies = clean_texts(table[catalog.DESCRIPTION].tolist())
    texts = [text_hash(title.text, body.text) for title, body in zip(titles, bodies, strict=True)]
    rows = zip(
        table[catalog.INDEX], table[catalog.LABEL], texts, table["image_sha256"], strict=True
    )
    return fingerprint(list(rows))


def _require_photos(paths: ProjectPaths, table: "pd.DataFrame") -> None:
    """Refuse to score with other photos than those that ingest found: another data set."""
    known = table.loc[table["image_sha256"] != ""]
    pairs = zip(known["image_path"], known["image_sha256"], strict=True)
    gone = sum(_hash(paths.raw / path) != digest for path, digest in pairs)
    if gone:
        raise ContractError(
            f"{gone} of {len(known)} photos of held-out rows are no longer in "
            f"{paths.raw_file(catalog.IMAGE_TRAIN)}, or are other photos.",
            hint="bring them back (rakuten data import, or dvc checkout), or run make pipeline",
        )


def _hash(path: Path) -> str:
    try:
        return content_hash(read_image(path))
    except ImageError:
        return ""
