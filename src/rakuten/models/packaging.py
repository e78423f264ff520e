"""What of a trained predictor goes into its directory: arrays, manifest, golden products."""

import base64
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from typing import Any, Final

from rakuten.imaging import DECODER
from rakuten.models.model_directory import Arrays
from rakuten.models.predictor import Predictor, Product
from rakuten.params import TrainParams
from rakuten.text import TEXT_VERSION

GOLDEN_PRODUCTS: Final = 32
LIBRARIES: Final = ("numpy", "opencv-python-headless", "pillow", "scikit-learn", "scipy")
"""Packages that a model's numbers depend on."""


def model_arrays(predictor: Predictor) -> dict[str, Arrays]:
    """File stem → arrays of a model directory."""
    arrays: dict[str, Arrays] = {"fusion": predictor.fusion.get_arrays()}
    if predictor.text is not None:
        arrays["text"] = predictor.text.get_arrays()
        arrays["vectoriser"] = predictor.text.vectoriser.get_arrays()
    if predictor.image is not None:
        arrays["image"] = predictor.image.get_arrays()
    if predictor.joint is not None:
        arrays["joint"] = predictor.joint.get_arrays()
    return arrays


def model_manifest(predictor: Predictor, params: TrainParams) -> dict[str, Any]:
    """The part of the manifest that says how to rebuild the predictor."""
    encoder = predictor.encoder
    return {
        "classes": [asdict(entry) for entry in predictor.types],
        "branches": sorted(predictor.fusion.trained),
        "text_version": TEXT_VERSION,
        "image_encoder": {
            "name": encoder.name,
            "version": encoder.version,
            "dimension": encoder.dimension,
        },
        "decoder": DECODER,
        "libraries": {name: version(name) for name in LIBRARIES},
        "threshold": asdict(predictor.threshold),
        "params": params.model_dump(mode="json"),
    }


def golden_products(predictor: Predictor, products: Sequence[Product]) -> list[dict[str, Any]]:
    """Up to 32 evenly spaced products with the probabilities that this model gives them.

    Photos must be bytes, since golden products travel with the model.
    """
    step = max(len(products) // GOLDEN_PRODUCTS, 1)
    chosen = list(products[::step][:GOLDEN_PRODUCTS])
    return [
        {
            "designation": product.designation,
            "description": product.description,
            "image": base64.b64encode(product.image).decode()
            if isinstance(product.image, bytes)
            else None,
            "probabilities": row.tolist(),
        }
        for product, row in zip(chosen, predictor.predict_proba(chosen), strict=True)
    ]
