"""The current model on the rows that its training held out."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rakuten import catalog
from rakuten.data.split import fingerprint, text_hash
from rakuten.errors import ContractError, DataNotFoundError
from rakuten.io import read_csv
from rakuten.logs import Progress
from rakuten.models.evaluate import Answers, Evaluation, evaluate_answers
from rakuten.models.evaluate.report import Source
from rakuten.models.model_directory import model_sha256
from rakuten.models.predict_model import predict_table
from rakuten.models.predictor import Prediction, Predictor
from rakuten.settings import ProjectPaths
from rakuten.stages.train import HELD_OUT, read_names
from rakuten.text import clean_text

if TYPE_CHECKING:
    import pandas as pd


def evaluate_held_out(
    paths: ProjectPaths,
    *,
    threads: int = 1,
    note: Callable[[str], None] = lambda _: None,
    progress: Progress | None = None,
) -> Evaluation:
    """Answer the held-out rows through the Predictor and evaluate the answers.

    Raises:
        ModelError: the model is absent or altered.
        DataNotFoundError: there are no held-out rows.
        ContractError: the held-out rows are not those of this model, or their photos are gone.
    """
    predictor = Predictor.load(paths.model, threads=threads)
    split = predictor.manifest["split"]["fingerprint"]
    table = _held_out_rows(paths, split)
    predictions = predict_table(
        predictor, table, paths.raw_file(catalog.IMAGE_TRAIN), progress=progress
    )
    _require_photos(paths, table, predictions)
    note("resampling the scores")
    return evaluate_answers(
        _answers(table, predictions),
        read_names(paths) | {entry.code: entry.name for entry in predictor.types},
        Source(
            kind="held_out",
            model_sha256=model_sha256(paths.model),
            split_fingerprint=split,
            threshold=predictor.threshold.confidence,
            target_precision=predictor.manifest["params"]["decision"]["target_precision"],
        ),
    )


def _held_out_rows(paths: ProjectPaths, split: str) -> "pd.DataFrame":
    path = paths.processed / HELD_OUT
    if not path.is_file():
        raise DataNotFoundError(f"{path} does not exist.", hint="rakuten train, or dvc repro")
    table = read_csv(path)
    if _fingerprint(table, path) != split:
        raise ContractError(
            f"{path} does not hold the held-out rows of {paths.model}: the model may have "
            "learned from some of them.",
            hint="train again (rakuten train), or restore both together (dvc checkout)",
        )
    return table


def _require_photos(
    paths: ProjectPaths, table: "pd.DataFrame", predictions: list[Prediction]
) -> None:
    """Refuse to score without photos that ingest found: that would be another data set."""
    known = (table["image_sha256"] != "").to_numpy()
    found = np.array([prediction.image_status == "ok" for prediction in predictions])
    gone = int((known & ~found).sum())
    if gone:
        raise ContractError(
            f"{gone} of {int(known.sum())} photos of held-out rows are no longer in "
            f"{paths.raw_file(catalog.IMAGE_TRAIN)}.",
            hint="bring them back (rakuten data import, or dvc checkout), or run make pipeline",
        )


def _answers(table: "pd.DataFrame", predictions: list[Prediction]) -> Answers:
    return Answers(
        index=table[catalog.INDEX].tolist(),
        designation=table[catalog.DESIGNATION].tolist(),
        description=table[catalog.DESCRIPTION].tolist(),
        has_image=np.array([p.image_status == "ok" for p in predictions]),
        truth=table[catalog.LABEL].astype(np.int64).to_numpy(),
        predicted=np.array([p.prdtypecode for p in predictions], dtype=np.int64),
        confidence=np.array([p.confidence for p in predictions], dtype=np.float64),
        automatic=np.array([p.decision == "auto" for p in predictions]),
    )


def _fingerprint(table: "pd.DataFrame", path: Path) -> str:
    wanted = (catalog.INDEX, catalog.LABEL, *catalog.PRODUCT_COLUMNS, "image_sha256")
    absent = [name for name in wanted if name not in table.columns]
    if absent:
        raise ContractError(f"{path} lacks {', '.join(absent)}.", hint="rakuten train")
    texts = [
        text_hash(clean_text(designation), clean_text(description))
        for designation, description in zip(
            table[catalog.DESIGNATION], table[catalog.DESCRIPTION], strict=True
        )
    ]
    rows = zip(
        table[catalog.INDEX], table[catalog.LABEL], texts, table["image_sha256"], strict=True
    )
    return fingerprint(list(rows))
