"""What of a trained predictor goes into its directory: arrays, manifest, golden products."""

import base64
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from typing import Any, Final

import cv2

from rakuten.errors import ImageError
from rakuten.features.encoder import Picture
from rakuten.imaging import DECODER, decode_image
from rakuten.models.model_directory import Arrays
from rakuten.models.predictor import Predictor, Product
from rakuten.params import TrainParams
from rakuten.text import TEXT_VERSION

GOLDEN_PRODUCTS: Final = 32
_GOLDEN_BYTES: Final = 100_000
_GOLDEN_SIDE: Final = 256
LIBRARIES: Final = ("numpy", "opencv-python-headless", "pillow", "scikit-learn", "scipy")
"""Packages that a model's numbers depend on."""


def model_arrays(predictor: Predictor) -> dict[str, Arrays]:
    """File stem → arrays of a model directory."""
    arrays: dict[str, Arrays] = {
        "fusion": predictor.fusion.get_arrays(),
        "embedding": predictor.embedder.get_arrays(),
    }
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
        "image_encoder": encoder.describe(),
        "decoder": DECODER,
        "libraries": {name: version(name) for name in sorted({*LIBRARIES, *encoder.libraries})},
        "threshold": asdict(predictor.threshold),
        "params": params.model_dump(mode="json"),
    }


def golden_products(predictor: Predictor, products: Sequence[Product]) -> list[dict[str, Any]]:
    """At most 32 evenly spaced products with the probabilities that this model gives them.

    Every fourth goes without its photo, every fourth without its text and the last without
    both, so that each case of the fusion is checked. Photos must be bytes, since golden
    products travel with the model.
    """
    step = max(len(products) // GOLDEN_PRODUCTS, 1)
    spaced = products[::step][: GOLDEN_PRODUCTS - 1]
    chosen = [_golden_case(number, product) for number, product in enumerate(spaced)]
    chosen.append(Product())
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


def _golden_case(number: int, product: Product) -> Product:
    if number % 4 == 3:
        return Product(image=_portable(product.image))
    image = None if number % 4 == 1 else _portable(product.image)
    return Product(product.designation, product.description, image)


def _portable(image: Picture) -> bytes | None:
    """The photo as it is, or a smaller copy of one that is too large to travel."""
    if not isinstance(image, bytes) or len(image) <= _GOLDEN_BYTES:
        return image if isinstance(image, bytes) else None
    try:
        pixels = decode_image(image, _GOLDEN_SIDE)
    except ImageError:
        return None
    _, copy = cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
    return copy.tobytes()
