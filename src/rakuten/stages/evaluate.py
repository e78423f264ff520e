"""Scores of a predictions file against labels, joined on the index."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rakuten import catalog
from rakuten.data import schema
from rakuten.errors import ContractError, DataNotFoundError
from rakuten.io import read_csv
from rakuten.models import evaluate


@dataclass(frozen=True)
class Evaluation:
    """Scores over the rows that have both a prediction and a label."""

    rows: int
    unlabelled: int
    unpredicted: int
    scores: dict[str, Any]
    per_class: list[dict[str, Any]]
    confused: list[dict[str, int]]


def run_evaluate(predictions: Path, labels: Path) -> Evaluation:
    """Join predictions with labels on the index and score them.

    Raises:
        DataNotFoundError: one of the files is absent.
        ContractError: they break their contract or have no index in common.
    """
    if not predictions.is_file():
        raise DataNotFoundError(
            f"{predictions} does not exist.", hint="rakuten predict, or dvc repro"
        )
    frame = read_csv(predictions)
    needed = (catalog.INDEX, catalog.LABEL, "label", "confidence", "decision")
    absent = [name for name in needed if name not in frame.columns]
    if absent:
        raise ContractError(
            f"{predictions} lacks {', '.join(absent)}.",
            hint="evaluate reads the full form (rakuten predict --format full)",
        )
    truth = schema.unique_labels(schema.read_labels(labels))
    bad = truth.loc[~truth[catalog.LABEL].str.fullmatch(r"\d{1,18}"), catalog.INDEX].tolist()
    if bad:
        raise ContractError(f"{labels}: the label of index {bad[0]} is not a whole number.")
    if frame[catalog.INDEX].duplicated().any():
        raise ContractError(f"{predictions} has several rows for one index.")
    joined = frame.merge(truth, on=catalog.INDEX, suffixes=("", "_true"), validate="one_to_one")
    if joined.empty:
        raise ContractError(f"{predictions} and {labels} have no index in common.")
    actual = joined[f"{catalog.LABEL}_true"].astype(int).tolist()
    predicted = joined[catalog.LABEL].astype(int).tolist()
    correct = np.array(actual) == np.array(predicted)
    automatic = (joined["decision"] == "auto").to_numpy()
    names = dict(zip(predicted, joined["label"], strict=True))
    return Evaluation(
        rows=len(joined),
        unlabelled=len(frame) - len(joined),
        unpredicted=len(truth) - len(joined),
        scores={
            **evaluate.overall_scores(actual, predicted),
            "calibration_error": evaluate.calibration_error(
                joined["confidence"].astype(float).to_numpy(), correct
            ),
            **evaluate.decision_scores(actual, predicted, automatic),
        },
        per_class=evaluate.per_class_scores(actual, predicted, names),
        confused=evaluate.confused_pairs(actual, predicted),
    )
