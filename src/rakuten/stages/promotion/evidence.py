"""What a model directory shows on held-out rows, and what it costs to run."""

import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final

import numpy as np
from threadpoolctl import threadpool_limits

from rakuten import catalog
from rakuten.errors import ImageError
from rakuten.imaging import read_image
from rakuten.logs import Progress
from rakuten.models.golden import check_golden
from rakuten.models.paired import Answered
from rakuten.models.predict_model import table_products
from rakuten.models.predictor import Predictor, Product
from rakuten.settings import ProjectPaths
from rakuten.stages.held_out import answer_held_out
from rakuten.tracking.gate import Evidence

if TYPE_CHECKING:
    import pandas as pd

_TIMED: Final = 40
_WARM: Final = 5


def gather_evidence(
    directory: Path,
    paths: ProjectPaths,
    table: "pd.DataFrame",
    *,
    threads: int = 1,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> Evidence:
    """Load a model, check it, let it answer the held-out rows, and time single predictions.

    Raises:
        ModelError: the model is altered, incomplete or of another format.
    """
    predictor = Predictor.load(directory, threads=threads)
    deviation = check_golden(predictor, directory)
    predictions = answer_held_out(predictor, paths, table, cache=cache, progress=progress)
    return Evidence(
        answered=Answered(
            predicted=np.array([p.prdtypecode for p in predictions], dtype=np.int64),
            confidence=np.array([p.confidence for p in predictions], dtype=np.float64),
            automatic=np.array([p.decision == "auto" for p in predictions]),
        ),
        size=sum(path.stat().st_size for path in directory.iterdir()),
        latency=median_latency(predictor, _products(paths, table)),
        golden_deviation=deviation,
    )


def median_latency(predictor: Predictor, products: Sequence[Product]) -> float:
    """Median seconds of one prediction, photo decoded from bytes, after a few to warm up."""
    seconds = []
    with threadpool_limits(limits=1, user_api="blas"):
        for product in [*products[:_WARM], *products]:
            start = time.perf_counter()
            predictor.predict([product])
            seconds.append(time.perf_counter() - start)
    return median(seconds[_WARM:]) if len(seconds) > _WARM else median(seconds)


def _products(paths: ProjectPaths, table: "pd.DataFrame") -> list[Product]:
    spaced = table.iloc[:: max(len(table) // _TIMED, 1)].head(_TIMED)
    images = paths.raw_file(catalog.IMAGE_TRAIN)
    return [
        Product(product.designation, product.description, _bytes(product.image))
        for product in table_products(spaced, images)
    ]


def _bytes(image: object) -> bytes | None:
    try:
        return read_image(image) if isinstance(image, Path) else None
    except ImageError:
        return None
