"""Stage predict: model and test rows → data/processed/predictions.csv; also scores new files."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from rakuten import catalog
from rakuten.data import schema
from rakuten.errors import DataNotFoundError
from rakuten.features.vector_cache import open_cache
from rakuten.io import count_rows, write_csv_chunks
from rakuten.logs import Progress
from rakuten.models.predict_model import challenge_frame, predict_table, prediction_frame
from rakuten.models.predictor import Predictor
from rakuten.params import PredictParams

if TYPE_CHECKING:
    import pandas as pd

Format = Literal["full", "challenge"]

_BATCHES: Final = 16
"""Batches that are read, predicted and written at a time."""


@dataclass(frozen=True)
class PredictOutcome:
    """What was predicted and where it is."""

    rows: int
    automatic: int
    images: dict[str, int]
    output: Path


def run_predict(
    model: Path,
    table: Path,
    images: Path | None,
    output: Path,
    params: PredictParams,
    *,
    form: Format = "full",
    threads: int = 1,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> PredictOutcome:
    """Predict every row of a table in the challenge's form and write one row for each.

    Args:
        model: model directory.
        table: CSV file with the columns of ``X_test.csv``.
        images: folder of its photos, or None for text alone.
        output: CSV file to write.
        params: batch size and number of alternatives.
        form: full, or the challenge's submission form.
        threads: threads that decode photos.
        cache: folder of vectors that are kept between runs, or None.
        progress: called with (done, total).

    Raises:
        ModelError: the model is absent or altered.
        DataNotFoundError: the table or the image folder is absent.
        ContractError: the table lacks a column.
        StorageError: the output cannot be written.
    """
    predictor = Predictor.load(model, threads=threads)
    if images is not None and not images.is_dir():
        raise DataNotFoundError(
            f"There is no image folder {images}.",
            hint=f"it holds files named {catalog.image_name('<imageid>', '<productid>')}",
        )
    tally: Counter[str] = Counter()
    with open_cache(cache, predictor.encoder) as known:
        batches = _answers(replace(predictor, cache=known), table, images, params, tally, progress)
        frames = map(challenge_frame, batches) if form == "challenge" else batches
        write_csv_chunks(output, frames)
    return PredictOutcome(
        rows=tally["rows"],
        automatic=tally["auto"],
        images={state: tally[state] for state in ("ok", "missing", "unreadable")},
        output=output,
    )


def _answers(
    predictor: Predictor,
    table: Path,
    images: Path | None,
    params: PredictParams,
    tally: Counter[str],
    progress: Progress | None,
) -> Iterator["pd.DataFrame"]:
    """Predict a table a few batches at a time, so that memory does not grow with its rows."""
    total = count_rows(table) if progress else 0
    for products in schema.read_product_chunks(table, rows=_BATCHES * params.batch_size):
        predictions = predict_table(
            predictor,
            products,
            images,
            batch_size=params.batch_size,
            alternatives=params.alternatives,
        )
        tally["rows"] += len(predictions)
        tally.update(prediction.decision for prediction in predictions)
        tally.update(prediction.image_status for prediction in predictions)
        if progress:
            progress(tally["rows"], total)
        yield prediction_frame(products, predictions)
