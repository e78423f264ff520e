"""Stage train: features → model directory, held-out rows, reports, and one tracked run."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rakuten import catalog
from rakuten.data import schema
from rakuten.errors import ContractError, ImageError, ModelError
from rakuten.features.encoder_store import load_encoder
from rakuten.features.vector_cache import open_cache
from rakuten.imaging import read_image
from rakuten.io import atomic_path, read_json, write_csv, write_json
from rakuten.logs import Progress
from rakuten.models import evaluate
from rakuten.models.golden import check_golden
from rakuten.models.model_directory import Arrays, model_sha256, write_model
from rakuten.models.packaging import GOLDEN_PRODUCTS, golden_products, model_arrays, model_manifest
from rakuten.models.predict_model import predict_table
from rakuten.models.predictor import Prediction, Predictor, Product
from rakuten.models.reference import REFERENCE, reference_arrays
from rakuten.models.train_model import fit_model
from rakuten.models.training_rows import Split, TrainingRows, choose_rows, split_rows
from rakuten.params import Params
from rakuten.settings import ProjectPaths
from rakuten.stages.features import ENCODER, read_features, read_stage_csv
from rakuten.stages.ingest import MERGED

if TYPE_CHECKING:
    import pandas as pd

HELD_OUT = "heldout.csv"
METRICS = "metrics.json"
PER_CLASS = "per_class.csv"
CONFUSION = "confusion.csv"
CONFUSION_PICTURE = "confusion_matrix.png"

GOLDEN_TOLERANCE = 1e-6


@dataclass(frozen=True)
class TrainOutcome:
    """What training wrote: the scores (as in ``metrics.json``) and the identity of the model."""

    metrics: dict[str, Any]
    model_sha256: str
    split_fingerprint: str
    model: Path


def run_train(
    paths: ProjectPaths,
    params: Params,
    *,
    threads: int = 1,
    cache: Path | None = None,
    note: Callable[[str], None] = lambda _: None,
    progress: Progress | None = None,
) -> TrainOutcome:
    """Train on the training side, score the held-out rows, write the model and check it as saved.

    Raises:
        DataNotFoundError: an earlier stage has not run.
        ContractError: the features do not belong together or are not enough to learn from.
        ModelError: the saved model does not answer as the trained one did.
        StorageError: the outputs cannot be written.
    """
    features, vectors, _ = read_features(paths)
    labels = schema.unique_labels(schema.read_labels(paths.raw_file(catalog.Y_TRAIN)))
    split = split_rows(features, labels, params.split)
    chosen = choose_rows(features, split.held_out, params.feedback)
    names = read_names(paths)
    trained = fit_model(
        features,
        vectors,
        chosen.rows,
        names,
        encoder=load_encoder(paths.processed / ENCODER),
        params=params.train,
        weights=chosen.weights,
        repeats=chosen.repeats,
        copy_of=chosen.copy_of,
        threads=threads,
        note=note,
    )
    held_out = _held_out_rows(read_stage_csv(paths, MERGED), features, split)
    note("scoring held-out rows")
    predictor = trained.predictor
    with open_cache(cache, predictor.encoder) as known:
        predictions = predict_table(
            replace(predictor, cache=known),
            held_out,
            paths.raw_file(catalog.IMAGE_TRAIN),
            progress=progress,
        )
    metrics = {
        "held_out": held_out_scores(held_out, predictions),
        "out_of_fold": trained.out_of_fold,
        "threshold": asdict(predictor.threshold),
    }
    write_csv(paths.processed / HELD_OUT, held_out)
    reference = reference_arrays([p.features for p in predictions], seed=params.train.seed)
    about = {
        **model_manifest(predictor, params.train),
        "split": {
            **params.split.model_dump(mode="json"),
            "fingerprint": split.fingerprint,
            "held_out_rows": len(held_out),
            "held_out_rejected": split.rejected_held_out,
        },
        "scores": metrics,
        "reference": {"rows": len(reference["confidence"]), "source": "held-out rows"},
        **_used_feedback(chosen),
    }
    golden = golden_products(predictor, _golden_candidates(held_out, paths.raw))
    arrays = {**model_arrays(predictor), REFERENCE: reference}
    _save(paths.model, arrays, golden, about, predictor.encoder.files(), threads=threads)
    if chosen.feedback:
        metrics = {**metrics, "feedback": chosen.feedback}
    _write_reports(paths.reports, metrics, held_out, predictions, names)
    return TrainOutcome(metrics, model_sha256(paths.model), split.fingerprint, paths.model)


def held_out_scores(held_out: "pd.DataFrame", predictions: list[Prediction]) -> dict[str, Any]:
    """Scores of predictions on labelled rows."""
    truth = held_out[catalog.LABEL].astype(int).tolist()
    predicted = [prediction.prdtypecode for prediction in predictions]
    confidence = np.array([prediction.confidence for prediction in predictions])
    automatic = np.array([prediction.decision == "auto" for prediction in predictions])
    correct = np.array(truth) == np.array(predicted)
    return {
        "rows": len(truth),
        **evaluate.overall_scores(truth, predicted),
        "calibration_error": evaluate.calibration_error(confidence, correct),
        **evaluate.decision_scores(truth, predicted, automatic),
    }


def _used_feedback(chosen: TrainingRows) -> dict[str, Any]:
    """What the manifest says of corrections; a model that used none is the same without them."""
    if not chosen.feedback.get("used"):
        return {}
    return {"feedback": {name: chosen.feedback[name] for name in ("used", "replaced", "weight")}}


def read_names(paths: ProjectPaths) -> dict[int, str]:
    """Names of product types: ``product_types.json`` of the catalogue over the built-in list.

    Raises:
        ContractError: the file is not a JSON object of code → name.
    """
    path = paths.raw_file(catalog.PRODUCT_TYPES_FILE)
    names = dict(catalog.PRODUCT_TYPES)
    if path.is_file():
        found = read_json(path)
        try:
            names.update({int(code): str(name) for code, name in found.items()})
        except (AttributeError, ValueError) as error:
            raise ContractError(
                f"{path} must be a JSON object of code and name.", hint='{"10": "livres", …}'
            ) from error
    return names


def _held_out_rows(
    merged: "pd.DataFrame", features: "pd.DataFrame", split: Split
) -> "pd.DataFrame":
    if not merged[catalog.INDEX].equals(features[catalog.INDEX]):
        raise ContractError(
            "data/interim and data/processed hold different rows.",
            hint="run rakuten features again",
        )
    columns = [catalog.INDEX, *catalog.PRODUCT_COLUMNS, "image_path", "image_sha256", catalog.LABEL]
    return merged.loc[split.held_out, columns].reset_index(drop=True)


def _save(
    directory: Path,
    arrays: dict[str, Arrays],
    golden: list[dict[str, Any]],
    manifest: dict[str, Any],
    files: Mapping[str, Path],
    *,
    threads: int,
) -> None:
    """Write the model, load it again, and compare its answers."""
    write_model(directory, arrays, golden, manifest, files)
    deviation = check_golden(Predictor.load(directory, threads=threads), directory)
    if not deviation <= GOLDEN_TOLERANCE:
        raise ModelError(f"{directory} answers its golden products {deviation:.2g} off as saved.")


def _golden_candidates(table: "pd.DataFrame", raw: Path) -> list[Product]:
    spaced = table.iloc[:: max(len(table) // GOLDEN_PRODUCTS, 1)]
    columns = (spaced[name] for name in (catalog.DESIGNATION, catalog.DESCRIPTION, "image_path"))
    return [
        Product(designation, description, _bytes(raw / path))
        for designation, description, path in zip(*columns, strict=True)
    ]


def _bytes(path: Path) -> bytes | None:
    try:
        return read_image(path)
    except ImageError:
        return None


def _write_reports(
    folder: Path,
    metrics: dict[str, Any],
    held_out: "pd.DataFrame",
    predictions: list[Prediction],
    names: dict[int, str],
) -> None:
    import pandas as pd

    truth = held_out[catalog.LABEL].astype(int).tolist()
    predicted = [prediction.prdtypecode for prediction in predictions]
    write_json(folder / METRICS, metrics)
    write_csv(folder / PER_CLASS, pd.DataFrame(evaluate.per_class_scores(truth, predicted, names)))
    write_csv(folder / CONFUSION, pd.DataFrame({"actual": truth, "predicted": predicted}))
    figure = evaluate.draw_confusion(truth, predicted, names)
    with atomic_path(folder / CONFUSION_PICTURE) as temporary:
        figure.savefig(temporary, format="png", dpi=110)
