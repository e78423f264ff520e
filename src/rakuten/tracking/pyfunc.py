"""The model as an MLflow pyfunc: a loader over the model directory, no pickle.

MLflow imports this module by name from the code saved with the model, so it loads where
the project is not installed.
"""

import io
import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from PIL import Image

import rakuten
from rakuten import catalog
from rakuten.models.model_directory import read_manifest
from rakuten.models.predict_model import prediction_frame
from rakuten.models.predictor import Predictor, Product

LOADER: Final = "rakuten.tracking.pyfunc"
IMAGE: Final = "image"

_SHIPPED: Final = (
    "*.py",
    "kernel/*.py",
    "kernel/_kernel.*",
    "features/*.py",
    "models/*.py",
    "tracking/__init__.py",
    "tracking/pyfunc.py",
)
"""What of the package goes along with a model; each file is an upload of its own."""

_REQUIREMENTS: Final = (
    "mlflow",
    "numpy",
    "opencv-python-headless",
    "pandas",
    "pillow",
    "pydantic",
    "pydantic-settings",
    "pyyaml",
    "scikit-learn",
    "scipy",
)


class PyfuncPredictor:
    """What ``mlflow.pyfunc.load_model`` returns inside its wrapper."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor

    def predict(self, model_input: Any, params: dict[str, Any] | None = None) -> Any:
        """Answer for each row of a frame with designation, description and image (bytes).

        Returns:
            A frame with prdtypecode, label, confidence, decision and alternatives (JSON).
        """
        top = int((params or {}).get("alternatives", 3))
        frame = model_input.reset_index(drop=True)
        products = [
            Product(_text(row, catalog.DESIGNATION), _text(row, catalog.DESCRIPTION), _image(row))
            for row in frame.to_dict(orient="records")
        ]
        keys = dict.fromkeys((catalog.INDEX, catalog.PRODUCT_ID, catalog.IMAGE_ID), "")
        answers = prediction_frame(
            frame.assign(**keys), self._predictor.predict(products, alternatives=top)
        )
        return answers.drop(columns=list(keys))


def _load_pyfunc(path: str) -> PyfuncPredictor:
    return PyfuncPredictor(Predictor.load(Path(path)))


def copy_code(folder: Path) -> Path:
    """Copy the modules that answering needs, and no others, into a folder; return the package."""
    source = Path(rakuten.__file__).parent
    package = folder / source.name
    for pattern in _SHIPPED:
        for path in source.glob(pattern):
            target = package / path.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, target)
    return package


def requirements(model: Path) -> list[str]:
    """Pinned packages that a saved model needs; those of its manifest as it was trained."""
    pins = {name: version(name) for name in _REQUIREMENTS} | read_manifest(model)["libraries"]
    return [f"{name}=={pin}" for name, pin in sorted(pins.items())]


def signature() -> Any:
    """Input and output columns; description and image may be left out."""
    from mlflow.models import ModelSignature
    from mlflow.types.schema import ColSpec, ParamSchema, ParamSpec, Schema

    return ModelSignature(
        inputs=Schema(
            [
                ColSpec("string", catalog.DESIGNATION),
                ColSpec("string", catalog.DESCRIPTION, required=False),
                ColSpec("binary", IMAGE, required=False),
            ]
        ),
        outputs=Schema(
            [
                ColSpec("long", catalog.LABEL),
                ColSpec("string", "label"),
                ColSpec("double", "confidence"),
                ColSpec("string", "decision"),
                ColSpec("string", "alternatives"),
            ]
        ),
        params=ParamSchema([ParamSpec("alternatives", "long", 3)]),
    )


def input_example() -> Any:
    """A one-row frame in the form of the signature, with a plain grey photo."""
    import pandas as pd

    photo = io.BytesIO()
    Image.new("RGB", (64, 64), (128, 128, 128)).save(photo, "JPEG")
    row = {
        catalog.DESIGNATION: "Console de jeux portable 32 Go",
        catalog.DESCRIPTION: "Vendue avec deux manettes.",
        IMAGE: photo.getvalue(),
    }
    return pd.DataFrame([row])


def _text(row: dict[Any, Any], name: str) -> str:
    value = row.get(name)
    return value if isinstance(value, str) else ""


def _image(row: dict[Any, Any]) -> bytes | None:
    value = row.get(IMAGE)
    return bytes(value) if isinstance(value, bytes | bytearray) and value else None
