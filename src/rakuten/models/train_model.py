"""Training core: branches, fusion, threshold and scores; knows no files and no tracking."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from rakuten import catalog
from rakuten.data.split import stratified_folds
from rakuten.errors import ContractError
from rakuten.features.build_features import documents
from rakuten.features.encoder import ImageEncoder
from rakuten.models.embedding import Embedder, fit_image_projection, fit_text_projection
from rakuten.models.evaluate import calibration_error, decision_scores, overall_scores
from rakuten.models.fusion import train_fusion, with_joint
from rakuten.models.image_branch import ImageBranch, fit_image_branch
from rakuten.models.joint_branch import JointBranch, fit_joint_branch
from rakuten.models.predictor import Predictor, ProductType
from rakuten.models.text_branch import TextBranch, fit_text_branch
from rakuten.models.threshold import Threshold, choose_threshold
from rakuten.params import TrainParams

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Trained:
    """A trained model in memory: the predictor, and out-of-fold scores of the training side."""

    predictor: Predictor
    out_of_fold: dict[str, Any]


def fit_model(
    features: "pd.DataFrame",
    vectors: NDArray[np.float32],
    rows: NDArray[np.int64],
    names: Mapping[int, str],
    *,
    encoder: ImageEncoder,
    params: TrainParams,
    weights: NDArray[np.float64] | None = None,
    repeats: NDArray[np.float64] | None = None,
    copy_of: NDArray[np.int64] | None = None,
    threads: int = 1,
    note: Callable[[str], None] = lambda _: None,
) -> Trained:
    """Train every branch that the rows allow, then fusion and threshold from out-of-fold scores.

    Args:
        features: feature table of all accepted rows.
        vectors: their image vectors (may be a memory map), shape (all, dimension).
        rows: positions of the training side in both; the others are never looked at.
        names: product type → name.
        encoder: what made ``vectors``.
        params: the train section of ``params.yaml``.
        weights: how much each row counts in all that learns from labels, shape (n,); None: once.
        repeats: factor of the weight where a branch learns, shape (n,); None: 1.
        copy_of: for each row, that of ``rows`` whose fold it shares, shape (n,); None: its own.
            Whatever a row is predicted by has then seen no copy of it either.
        threads: threads to train with; the result does not depend on it.
        note: called with what is going on.

    Raises:
        ContractError: fewer than two product types, or neither text nor photos to learn from.
    """
    table = features.iloc[rows].reset_index(drop=True)
    codes, positions = np.unique(table[catalog.LABEL].astype(int).to_numpy(), return_inverse=True)
    if len(codes) < 2:
        raise ContractError(
            "The training rows are all of one product type; a classifier needs at least two.",
            hint="check prdtypecode in Y_train.csv and data/interim/rejected.csv",
        )
    folds = stratified_folds(positions, folds=params.folds, seed=params.seed)
    task = _Task(
        documents=documents(table),
        vectors=vectors,
        rows=rows,
        positions=positions,
        folds=folds if copy_of is None else folds[copy_of],
        weights=np.ones(len(rows)) if weights is None else weights,
        repeats=np.ones(len(rows)) if repeats is None else repeats,
        classes=len(codes),
        present={
            "text": ((table["clean_designation"] + table["clean_description"]) != "").to_numpy(),
            "image": (table["image_status"] == "ok").to_numpy(),
        },
        blocks=encoder.blocks,
        params=params,
        threads=threads,
    )
    # One BLAS thread: sums come out the same to the bit, and do not stall on a busy machine.
    with threadpool_limits(limits=1, user_api="blas"):
        text, image, scores = _fit_branches(task, note)
        joint = _fit_joint(task, text, scores, note)
        embedder = _fit_embedder(task, text, image)
        note("fusion and threshold")
        fusion, probabilities = train_fusion(
            scores,
            task.present,
            positions,
            task.folds,
            classes=len(codes),
            params=params.fusion,
            threads=threads,
            weights=task.weights,
        )
    confidence, predicted = probabilities.max(axis=1), probabilities.argmax(axis=1)
    correct = predicted == positions
    threshold = choose_threshold(confidence, correct, params.decision, task.weights)
    predictor = Predictor(
        types=[ProductType(int(code), names.get(int(code), str(code))) for code in codes],
        text=text,
        image=image,
        joint=joint,
        fusion=fusion,
        embedder=embedder,
        encoder=encoder,
        threshold=threshold,
        manifest={},
        threads=threads,
    )
    return Trained(predictor, _out_of_fold_report(task, scores, probabilities, threshold))


@dataclass(frozen=True)
class _Task:
    documents: Sequence[tuple[str, str]]
    vectors: NDArray[np.float32]
    rows: NDArray[np.int64]
    positions: NDArray[np.int64]
    folds: NDArray[np.int64]
    weights: NDArray[np.float64]
    repeats: NDArray[np.float64]
    classes: int
    present: dict[str, NDArray[np.bool_]]
    blocks: tuple[int, ...]
    params: TrainParams
    threads: int

    @property
    def costs(self) -> NDArray[np.float64]:
        """What each row counts where a branch learns."""
        return self.weights * self.repeats


def _fit_branches(
    task: _Task, note: Callable[[str], None]
) -> tuple[TextBranch | None, ImageBranch | None, dict[str, NDArray[np.float64]]]:
    text: TextBranch | None = None
    image: ImageBranch | None = None
    scores: dict[str, NDArray[np.float64]] = {}
    params = task.params
    mine = np.flatnonzero(task.present["text"])
    if len(mine):
        note("text branch")
        text, found = fit_text_branch(
            [task.documents[row] for row in mine.tolist()],
            task.positions[mine],
            task.folds[mine],
            classes=task.classes,
            params=params.text,
            threads=task.threads,
            seed=params.seed,
            weights=task.costs[mine],
        )
        scores["text"] = _spread(found, mine, len(task.rows))
    mine = np.flatnonzero(task.present["image"])
    if len(mine) >= params.image.min_rows:
        note("image branch")
        image, found = fit_image_branch(
            task.vectors,
            task.rows[mine],
            task.positions[mine],
            task.folds[mine],
            classes=task.classes,
            params=params.image,
            seed=params.seed,
            blocks=task.blocks,
            threads=task.threads,
            weights=task.costs[mine],
        )
        scores["image"] = _spread(found, mine, len(task.rows))
    if not scores:
        raise ContractError(
            "There is nothing to learn from: no training row has text, and fewer than "
            f"{params.image.min_rows} have a usable photo.",
            hint="data/interim/ingest_report.json says what was found",
        )
    return text, image, scores


def _fit_joint(
    task: _Task,
    text: TextBranch | None,
    scores: dict[str, NDArray[np.float64]],
    note: Callable[[str], None],
) -> JointBranch | None:
    """Train the joint branch where both others are, and add its scores to theirs."""
    mine = np.flatnonzero(with_joint(task.present)["joint"])
    if text is None or "image" not in scores or len(mine) < task.params.image.min_rows:
        return None
    note("joint branch")
    joint, found = fit_joint_branch(
        text.vectoriser,
        [task.documents[row] for row in mine.tolist()],
        task.vectors,
        task.rows[mine],
        task.positions[mine],
        task.folds[mine],
        classes=task.classes,
        params=task.params.joint,
        seed=task.params.seed,
        threads=task.threads,
        weights=task.costs[mine],
    )
    scores["joint"] = _spread(found, mine, len(task.rows))
    return joint


def _fit_embedder(task: _Task, text: TextBranch | None, image: ImageBranch | None) -> Embedder:
    seed, written = task.params.seed, np.flatnonzero(task.present["text"])
    pictured = task.rows[task.present["image"]]
    return Embedder(
        fit_text_projection(text.vectoriser, task.documents, written, seed=seed) if text else None,
        fit_image_projection(task.vectors, pictured, seed=seed) if image else None,
    )


def _out_of_fold_report(
    task: _Task,
    scores: Mapping[str, NDArray[np.float64]],
    probabilities: NDArray[np.float64],
    threshold: Threshold,
) -> dict[str, Any]:
    truth, confidence = task.positions, probabilities.max(axis=1)
    predicted = probabilities.argmax(axis=1)
    branches = {}
    for name, values in scores.items():
        mine = with_joint(task.present)[name]
        branches[name] = {
            "rows": int(mine.sum()),
            **overall_scores(truth[mine].tolist(), values[mine].argmax(axis=1).tolist()),
        }
    return {
        "rows": len(truth),
        **overall_scores(truth.tolist(), predicted.tolist()),
        "calibration_error": calibration_error(confidence, predicted == truth),
        **decision_scores(truth.tolist(), predicted.tolist(), threshold.is_automatic(confidence)),
        "branches": branches,
    }


def _spread(
    values: NDArray[np.float64], rows: NDArray[np.int64], total: int
) -> NDArray[np.float64]:
    result = np.zeros((total, values.shape[1]))
    result[rows] = values
    return result


if __name__ == "__main__":
    from rakuten.cli.app import run_command

    run_command("train")
