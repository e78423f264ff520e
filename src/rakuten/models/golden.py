"""Products whose answers are known: they show whether a model answers here as where it was made."""

import base64
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rakuten.errors import ModelError
from rakuten.models.model_directory import GOLDEN
from rakuten.models.predictor import Predictor, Product


def read_golden(directory: Path) -> tuple[list[Product], NDArray[np.float64]]:
    """The golden products of a model and their expected probabilities, shape (n, classes).

    Raises:
        ModelError: they cannot be read.
    """
    try:
        golden = json.loads((directory / GOLDEN).read_text(encoding="utf-8"))
        products = [
            Product(
                entry["designation"],
                entry["description"],
                base64.b64decode(entry["image"]) if entry["image"] else None,
            )
            for entry in golden
        ]
        return products, np.array([entry["probabilities"] for entry in golden])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{directory / GOLDEN} cannot be read: {error!r}.") from error


def check_golden(predictor: Predictor, directory: Path) -> float:
    """Largest deviation of the golden products' probabilities from the expected ones.

    It is 0 where the model was trained and at most 1e-5 where libraries agree; more means
    that this machine's decoder or numerics differ from those the model was made with.

    Raises:
        ModelError: the golden products cannot be read.
    """
    products, expected = read_golden(directory)
    if not products:
        return 0.0
    return float(np.abs(predictor.predict_proba(products) - expected).max())
