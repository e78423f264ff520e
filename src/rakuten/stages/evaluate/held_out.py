"""The current model on the rows that its training held out."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rakuten import catalog
from rakuten.logs import Progress
from rakuten.models.evaluate import Answers, Evaluation, evaluate_answers
from rakuten.models.evaluate.report import Source
from rakuten.models.model_directory import model_sha256
from rakuten.models.predictor import Prediction, Predictor
from rakuten.settings import ProjectPaths
from rakuten.stages.held_out import answer_held_out, read_held_out
from rakuten.stages.train import read_names

if TYPE_CHECKING:
    import pandas as pd


def evaluate_held_out(
    paths: ProjectPaths,
    *,
    threads: int = 1,
    cache: Path | None = None,
    note: Callable[[str], None] = lambda _: None,
    progress: Progress | None = None,
) -> Evaluation:
    """Answer the held-out rows through the Predictor and evaluate the answers.

    Raises:
        ModelError: the model is absent or altered.
        DataNotFoundError: there are no held-out rows.
        ContractError: the held-out rows are not those of this model, or their photos are not.
    """
    predictor = Predictor.load(paths.model, threads=threads)
    split = predictor.manifest["split"]["fingerprint"]
    table = read_held_out(paths, split)
    predictions = answer_held_out(predictor, paths, table, cache=cache, progress=progress)
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
