"""The only inference path: raw title, description and photo in, calibrated answer out."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from rakuten.errors import ConfigurationError, ModelError
from rakuten.features.encoder import ImageEncoder, Picture, encode_batch
from rakuten.features.encoder_store import restore_encoder
from rakuten.features.rows import TextRow, text_rows
from rakuten.features.vector_cache import VectorCache
from rakuten.features.vectoriser import WeightedRows
from rakuten.models.embedding import Embedder
from rakuten.models.explanation import Explanation, explain
from rakuten.models.feature_row import FeatureRow, Numbers, make_feature_row, rows_or_none
from rakuten.models.fusion import Fusion
from rakuten.models.image_branch import ImageBranch
from rakuten.models.joint_branch import JointBranch
from rakuten.models.model_directory import read_arrays, read_manifest, verify_files
from rakuten.models.text_branch import TextBranch
from rakuten.models.threshold import Threshold
from rakuten.models.timings import Timings
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
    features: FeatureRow


@dataclass(frozen=True)
class Encoded:
    """A batch of products as branches see it.

    ``ngrams`` are the vectoriser's (None without a text branch), ``vectors`` and ``statistics``
    the image encoder's; rows that lack a modality hold zeros and are not ``present``.
    """

    rows: list[TextRow]
    ngrams: WeightedRows | None
    image_status: list[str]
    vectors: NDArray[np.float32]
    statistics: NDArray[np.float32]
    present: dict[str, NDArray[np.bool_]]


@dataclass
class Predictor:
    """A trained model that answers; make one with :meth:`load`."""

    types: list[ProductType]
    text: TextBranch | None
    image: ImageBranch | None
    joint: JointBranch | None
    fusion: Fusion
    embedder: Embedder
    encoder: ImageEncoder
    threshold: Threshold
    manifest: dict[str, Any]
    threads: int = 1
    cache: VectorCache | None = None
    """Vectors of trusted files that stages encode again; never set where anybody uploads."""

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
        encoder = restore_encoder(manifest["image_encoder"], directory)
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
            embedder=Embedder.from_arrays(read_arrays(directory, "embedding")),
            encoder=encoder,
            threshold=Threshold(**threshold),
            manifest=manifest,
            threads=threads,
        )

    def predict(
        self,
        products: Sequence[Product],
        *,
        alternatives: int = 3,
        timings: Timings | None = None,
    ) -> list[Prediction]:
        """Answer for each product, in order; a bad photo is answered from the text and says so.

        Args:
            products: a batch.
            alternatives: further candidates of each answer.
            timings: takes what the phases took.
        """
        if not products:
            return []
        timings = timings or Timings()
        encoded = self.encode(products, timings)
        start = time.perf_counter()
        found = self._answers(encoded, alternatives)
        timings.predict += time.perf_counter() - start
        return found

    def _answers(self, encoded: Encoded, alternatives: int) -> list[Prediction]:
        probabilities = self.probabilities(encoded)
        falling = -probabilities
        order = falling.argsort(axis=1, kind="stable")[:, : alternatives + 1]
        falling.sort(axis=1)
        ranked = -falling[:, : alternatives + 1]
        modalities = self._modalities(encoded)
        automatic = self.threshold.is_automatic(ranked[:, 0]).tolist()
        features = self._features(encoded, modalities, order[:, 0], ranked[:, 0])
        return [
            self._prediction(*row)
            for row in zip(
                order.tolist(), ranked.tolist(), automatic, modalities, features, strict=True
            )
        ]

    def explain(self, product: Product) -> Explanation:
        """Why the answer for a product is what it is: votes of the branches, evidence in words."""
        return explain(self, product)

    def predict_proba(self, products: Sequence[Product]) -> NDArray[np.float64]:
        """Calibrated probabilities of shape (n, classes), columns in the order of ``types``."""
        if not products:
            return np.empty((0, len(self.types)))
        return self.probabilities(self.encode(products))

    def encode(self, products: Sequence[Product], timings: Timings | None = None) -> Encoded:
        """Clean the texts and encode the photos of a batch."""
        timings = timings or Timings()
        start = time.perf_counter()
        rows = text_rows((product.designation, product.description) for product in products)
        documents = [(row.clean_designation, row.clean_description) for row in rows]
        ngrams = None if self.text is None else self.text.vectoriser.weigh(documents)
        timings.vectorise += time.perf_counter() - start
        pictures = [product.image for product in products]
        images = encode_batch(self.encoder, pictures, threads=self.threads, cache=self.cache)
        timings.decode += images.decode_seconds
        timings.encode += images.encode_seconds
        present = {
            "text": np.array([row.has_text for row in rows]),
            "image": np.array([state == "ok" for state in images.status]),
        }
        return Encoded(
            rows=rows,
            ngrams=ngrams,
            image_status=images.status,
            vectors=images.vectors,
            statistics=images.statistics,
            present=present,
        )

    def probabilities(self, encoded: Encoded) -> NDArray[np.float64]:
        """Fused probabilities of an encoded batch, shape (n, classes)."""
        scores = {}
        # Where no product has a photo, no case of the fusion asks for scores of photos.
        pictured = encoded.present["image"].any()
        if self.text is not None and encoded.ngrams is not None:
            scores["text"] = self.text.row_scores(encoded.ngrams)
        if self.image is not None and pictured:
            scores["image"] = self.image.scores(encoded.vectors)
        if self.joint is not None and encoded.ngrams is not None and pictured:
            scores["joint"] = self.joint.scores(encoded.ngrams.matrix, encoded.vectors)
        return self.fusion.probabilities(scores, encoded.present)

    def _modalities(self, encoded: Encoded) -> list[tuple[str, ...]]:
        """What each answer rests on."""
        branches = [branch for branch in ("text", "image") if branch in self.fusion.trained]
        columns = [encoded.present[branch].tolist() for branch in branches]
        return [
            tuple(branch for branch, has in zip(branches, row, strict=True) if has)
            for row in zip(*columns, strict=True)
        ]

    def _features(
        self,
        encoded: Encoded,
        modalities: Sequence[tuple[str, ...]],
        best: NDArray[np.int64],
        confidence: NDArray[np.float64],
    ) -> list[FeatureRow]:
        """The monitoring rows of a batch."""
        text, image = encoded.present["text"], encoded.present["image"]
        statistics = pictured = None
        if image.any():
            statistics = encoded.statistics.astype(np.float64).round(4)
            pictured = self.embedder.embed_images(encoded.vectors)
        embeddings: Iterator[tuple[Numbers, Numbers]] = zip(
            rows_or_none(self.embedder.embed_text(encoded.ngrams), text),
            rows_or_none(pictured, image),
            strict=True,
        )
        answers = zip(modalities, best.tolist(), confidence.tolist(), strict=True)
        parts = zip(
            encoded.rows,
            encoded.image_status,
            rows_or_none(statistics, image),
            embeddings,
            strict=True,
        )
        return [
            make_feature_row(
                *part,
                modalities=used,
                prdtypecode=self.types[position].code,
                confidence=probability,
            )
            for part, (used, position, probability) in zip(parts, answers, strict=True)
        ]

    def _prediction(
        self,
        order: list[int],
        probabilities: list[float],
        automatic: bool,
        modalities: tuple[str, ...],
        features: FeatureRow,
    ) -> Prediction:
        best, *others = (self.types[position] for position in order)
        confidence, *rest = probabilities
        return Prediction(
            prdtypecode=best.code,
            label=best.name,
            confidence=confidence,
            decision="auto" if automatic and modalities else "review",
            alternatives=tuple(
                Alternative(other.code, other.name, probability)
                for other, probability in zip(others, rest, strict=True)
            ),
            modalities=modalities,
            image_status=features["image_status"],
            features=features,
        )
