"""The only inference path: raw title, description and photo in, calibrated answer out."""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from rakuten.errors import ConfigurationError, ModelError
from rakuten.features.encoder import ImageEncoder, Picture, create_encoder, encode_stream
from rakuten.features.rows import TextRow, text_row
from rakuten.models.fusion import Fusion
from rakuten.models.image_branch import ImageBranch
from rakuten.models.joint_branch import JointBranch
from rakuten.models.model_directory import GOLDEN, read_arrays, read_manifest, verify_files
from rakuten.models.text_branch import TextBranch
from rakuten.models.threshold import Threshold
from rakuten.params import TextBranchParams
from rakuten.text import TEXT_VERSION

Decision = Literal["auto", "review"]


@dataclass(frozen=True)
class Product:
    """A listing as the seller sent it; ``image`` is the photo's bytes or its trusted local path."""

    designation: str = ""
    description: str = ""
    image: Picture = None


@dataclass(frozen=True)
class ProductType:
    """A product type that the model knows."""

    code: int
    name: str


@dataclass(frozen=True)
class Alternative:
    """One candidate type with its calibrated probability."""

    prdtypecode: int
    label: str
    probability: float


@dataclass(frozen=True)
class Prediction:
    """The answer for one product.

    ``modalities`` are those the answer rests on; ``image_status`` is ok, missing or
    unreadable; ``features`` is the row that monitoring keeps.
    """

    prdtypecode: int
    label: str
    confidence: float
    decision: Decision
    alternatives: tuple[Alternative, ...]
    modalities: tuple[str, ...]
    image_status: str
    features: dict[str, Any]


@dataclass(frozen=True)
class Encoded:
    """A batch of products as branches see it."""

    rows: list[TextRow]
    image_status: list[str]
    vectors: NDArray[np.float32]
    present: dict[str, NDArray[np.bool_]]


@dataclass
class Predictor:
    """A trained model that answers; make one with :meth:`load`."""

    types: list[ProductType]
    text: TextBranch | None
    image: ImageBranch | None
    joint: JointBranch | None
    fusion: Fusion
    encoder: ImageEncoder
    threshold: Threshold
    manifest: dict[str, Any]
    threads: int = 1

    @classmethod
    def load(cls, directory: Path, *, threads: int = 1) -> Self:
        """Load a model directory, refusing files that do not match their hash.

        Raises:
            ModelError: it is absent, altered, or made for another version.
        """
        manifest = read_manifest(directory)
        try:
            verify_files(directory, manifest)
            return cls._build(directory, manifest, threads)
        except (LookupError, TypeError, AttributeError, ValueError, ConfigurationError) as error:
            raise ModelError(
                f"{directory} has an incomplete manifest or arrays: {error!r}."
            ) from error

    @classmethod
    def _build(cls, directory: Path, manifest: dict[str, Any], threads: int) -> Self:
        if manifest["text_version"] != TEXT_VERSION:
            raise ModelError(
                f"{directory} was trained on text form {manifest['text_version']}; "
                f"this version makes form {TEXT_VERSION}.",
                hint="retrain it, or install the version of rakuten-classifier that wrote it",
            )
        encoder = create_encoder(manifest["image_encoder"]["name"])
        if encoder.version != manifest["image_encoder"]["version"]:
            raise ModelError(
                f"{directory} needs image encoder {manifest['image_encoder']}; "
                f"this version has {encoder.name} {encoder.version}."
            )
        branches, threshold = manifest["branches"], manifest["threshold"]
        text = image = joint = None
        if "text" in branches:
            params = TextBranchParams.model_validate(manifest["params"]["text"])
            text = TextBranch.from_arrays(
                read_arrays(directory, "text"), read_arrays(directory, "vectoriser"), params
            )
        if "image" in branches:
            image = ImageBranch.from_arrays(read_arrays(directory, "image"))
        if "joint" in branches:
            joint = JointBranch.from_arrays(read_arrays(directory, "joint"))
        return cls(
            types=[ProductType(entry["code"], entry["name"]) for entry in manifest["classes"]],
            text=text,
            image=image,
            joint=joint,
            fusion=Fusion.from_arrays(read_arrays(directory, "fusion")),
            encoder=encoder,
            threshold=Threshold(**threshold),
            manifest=manifest,
            threads=threads,
        )

    def predict(self, products: Sequence[Product], *, alternatives: int = 3) -> list[Prediction]:
        """Answer for each product, in order; a bad photo is answered from the text and says so."""
        if not products:
            return []
        encoded = self.encode(products)
        probabilities = self.probabilities(encoded)
        order = np.argsort(-probabilities, axis=1, kind="stable")[:, : alternatives + 1]
        confidence = probabilities[np.arange(len(products)), order[:, 0]]
        usable = np.logical_or.reduce(
            [encoded.present[b] for b in ("text", "image") if b in self.fusion.trained]
        )
        automatic = self.threshold.is_automatic(confidence) & usable
        return [
            self._prediction(encoded, row, order[row], probabilities[row], bool(automatic[row]))
            for row in range(len(products))
        ]

    def predict_proba(self, products: Sequence[Product]) -> NDArray[np.float64]:
        """Calibrated probabilities of shape (n, classes), columns in the order of ``types``."""
        if not products:
            return np.empty((0, len(self.types)))
        return self.probabilities(self.encode(products))

    def encode(self, products: Sequence[Product]) -> Encoded:
        """Clean the texts and encode the photos of a batch."""
        rows = [text_row(product.designation, product.description) for product in products]
        pictures = [product.image for product in products]
        chunks = list(encode_stream(self.encoder, pictures, threads=self.threads))
        status = [state for chunk in chunks for state in chunk.status]
        present = {
            "text": np.array([row.has_text for row in rows]),
            "image": np.array([state == "ok" for state in status]),
        }
        return Encoded(rows, status, np.concatenate([c.vectors for c in chunks]), present)

    def probabilities(self, encoded: Encoded) -> NDArray[np.float64]:
        """Fused probabilities of an encoded batch, shape (n, classes)."""
        scores = {}
        if self.text is not None:
            documents = [(row.clean_designation, row.clean_description) for row in encoded.rows]
            scores["text"] = self.text.scores(documents)
        if self.image is not None:
            scores["image"] = self.image.scores(encoded.vectors)
        if self.text is not None and self.joint is not None:
            matrix = self.text.vectoriser.transform(documents)
            scores["joint"] = self.joint.scores(matrix, encoded.vectors)
        return self.fusion.probabilities(scores, encoded.present)

    def _prediction(
        self,
        encoded: Encoded,
        row: int,
        order: NDArray[np.int64],
        probabilities: NDArray[np.float64],
        automatic: bool,
    ) -> Prediction:
        ranked = [
            Alternative(self.types[k].code, self.types[k].name, float(probabilities[k]))
            for k in order
        ]
        best, features = ranked[0], encoded.rows[row].to_dict()
        for column in ("clean_designation", "clean_description"):
            del features[column]
        return Prediction(
            prdtypecode=best.prdtypecode,
            label=best.label,
            confidence=best.probability,
            decision="auto" if automatic else "review",
            alternatives=tuple(ranked[1:]),
            modalities=tuple(b for b in ("text", "image") if self._used(encoded, b, row)),
            image_status=encoded.image_status[row],
            features={**features, "image_status": encoded.image_status[row]},
        )

    def _used(self, encoded: Encoded, branch: str, row: int) -> bool:
        return branch in self.fusion.trained and bool(encoded.present[branch][row])


def check_golden(predictor: Predictor, directory: Path) -> float:
    """Largest deviation of the golden products' probabilities from the expected ones.

    It is 0 where the model was trained and at most 1e-5 where libraries agree; more means
    that this machine's decoder or numerics differ from those the model was made with.

    Raises:
        ModelError: the golden products cannot be read.
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
        expected = np.array([entry["probabilities"] for entry in golden])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{directory / GOLDEN} cannot be read: {error!r}.") from error
    if not products:
        return 0.0
    return float(np.abs(predictor.predict_proba(products) - expected).max())
