"""Stage predict: model and test rows → data/processed/predictions.csv; also scores new files."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from rakuten import catalog
from rakuten.data import schema
from rakuten.errors import DataNotFoundError
from rakuten.features.vector_cache import open_cache
from rakuten.io import write_csv
from rakuten.logs import Progress
from rakuten.models.predict_model import challenge_frame, predict_table, prediction_frame
from rakuten.models.predictor import Predictor
from rakuten.params import PredictParams

Format = Literal["full", "challenge"]


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
    products = schema.read_products(table)
    if images is not None and not images.is_dir():
        raise DataNotFoundError(
            f"There is no image folder {images}.",
            hint=f"it holds files named {catalog.image_name('<imageid>', '<productid>')}",
        )
    with open_cache(cache, predictor.encoder) as known:
        predictions = predict_table(
            replace(predictor, cache=known),
            products,
            images,
            batch_size=params.batch_size,
            alternatives=params.alternatives,
            progress=progress,
        )
    frame = prediction_frame(products, predictions)
    write_csv(output, challenge_frame(frame) if form == "challenge" else frame)
    states = [prediction.image_status for prediction in predictions]
    return PredictOutcome(
        rows=len(predictions),
        automatic=sum(prediction.decision == "auto" for prediction in predictions),
        images={state: states.count(state) for state in ("ok", "missing", "unreadable")},
        output=output,
    )
