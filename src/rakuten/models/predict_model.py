"""Prediction core: one answer for every row of a product table, however bad the row."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from threadpoolctl import threadpool_limits

from rakuten import catalog
from rakuten.logs import Progress
from rakuten.models.predictor import Prediction, Predictor, Product

if TYPE_CHECKING:
    import pandas as pd

PREDICTION_COLUMNS: Final = (
    catalog.INDEX,
    catalog.PRODUCT_ID,
    catalog.IMAGE_ID,
    catalog.LABEL,
    "label",
    "confidence",
    "decision",
    "alternatives",
)


def table_products(table: "pd.DataFrame", images: Path | None) -> Iterator[Product]:
    """Products of a table in the challenge's columns; photos are looked up below ``images``."""
    columns = (table[name] for name in catalog.PRODUCT_COLUMNS)
    for designation, description, product_id, image_id in zip(*columns, strict=True):
        # Only digits reach the file system: an identifier is never taken for a path.
        findable = images is not None and product_id.isdecimal() and image_id.isdecimal()
        path = catalog.image_path(images, image_id, product_id) if images and findable else None
        yield Product(designation, description, path)


def predict_table(
    predictor: Predictor,
    table: "pd.DataFrame",
    images: Path | None,
    *,
    batch_size: int = 256,
    alternatives: int = 3,
    progress: Progress | None = None,
) -> list[Prediction]:
    """Predict every row, in order, a batch at a time."""
    products = list(table_products(table, images))
    predictions: list[Prediction] = []
    # One BLAS thread: several stall each other wherever anything else runs on the machine.
    with threadpool_limits(limits=1, user_api="blas"):
        for start in range(0, len(products), batch_size):
            batch = products[start : start + batch_size]
            predictions += predictor.predict(batch, alternatives=alternatives)
            if progress:
                progress(len(predictions), len(products))
    return predictions


def prediction_frame(table: "pd.DataFrame", predictions: list[Prediction]) -> "pd.DataFrame":
    """The contract's table: one row per row of ``table``, in its order."""
    kept = table[[catalog.INDEX, catalog.PRODUCT_ID, catalog.IMAGE_ID]].reset_index(drop=True)
    return kept.assign(
        prdtypecode=[p.prdtypecode for p in predictions],
        label=[p.label for p in predictions],
        confidence=[round(p.confidence, 8) for p in predictions],
        decision=[p.decision for p in predictions],
        alternatives=[_alternatives(p) for p in predictions],
    )[list(PREDICTION_COLUMNS)]


def _alternatives(prediction: Prediction) -> str:
    found = [
        {
            "prdtypecode": other.prdtypecode,
            "label": other.label,
            "probability": round(other.probability, 8),
        }
        for other in prediction.alternatives
    ]
    return json.dumps(found, ensure_ascii=False)


def challenge_frame(predictions: "pd.DataFrame") -> "pd.DataFrame":
    """The challenge's submission form: the unnamed index and prdtypecode."""
    return predictions[[catalog.INDEX, catalog.LABEL]].rename(columns={catalog.INDEX: ""})


if __name__ == "__main__":
    from rakuten.cli.app import run_command

    run_command("predict")
