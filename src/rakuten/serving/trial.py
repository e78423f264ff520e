"""What a model has to pass before it answers anybody: hashes, golden products, real inferences."""

import math
from pathlib import Path

from rakuten.errors import RakutenError, RefusedModelError
from rakuten.models.golden import check_golden, read_golden
from rakuten.models.model_directory import GOLDEN_TOLERANCE, model_sha256
from rakuten.models.predictor import Predictor, Product


def load_checked(directory: Path, sha256: str, *, threads: int = 1) -> Predictor:
    """Load a model, compare it with its golden products, and have it answer for real.

    What this leaves behind is warm: arrays are converted, tables looked up, code paged in.

    Raises:
        RefusedModelError: artifact (not that model, altered, another format), golden (answers
            otherwise than where it was trained), or inference (does not answer).
        OSError: the disk cannot be read now.
    """
    try:
        found = model_sha256(directory)
        if found != sha256:
            raise RefusedModelError("artifact", f"{directory} holds another model, {found[:8]}….")
        predictor = Predictor.load(directory, threads=threads)
        products, _ = read_golden(directory)
    except RefusedModelError:
        raise
    except RakutenError as error:
        raise RefusedModelError("artifact", error.message) from error
    try:
        deviation = check_golden(predictor, directory)
        for batch in _batches(products):
            for answer in predictor.predict(batch):
                if not 0 < answer.confidence <= 1:
                    raise RefusedModelError("inference", f"It answers with {answer.confidence}.")
    except RefusedModelError:
        raise
    except Exception as error:  # the boundary to whatever a broken model does
        raise RefusedModelError("inference", f"It does not answer: {error!r}.") from error
    if math.isnan(deviation) or deviation > GOLDEN_TOLERANCE:
        raise RefusedModelError(
            "golden",
            f"It answers its golden products {deviation:.1g} off; {GOLDEN_TOLERANCE:g} is allowed.",
        )
    return predictor


def _batches(products: list[Product]) -> list[list[Product]]:
    """All golden products, one with text alone, and one with a photo where any has one."""
    chosen = products or [Product("Console de jeux portable")]
    pictured = next((product for product in chosen if product.image), chosen[0])
    return [chosen, [Product(chosen[0].designation, chosen[0].description)], [pictured]]
