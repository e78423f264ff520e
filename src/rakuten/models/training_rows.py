"""Which rows a model learns from, how much each counts, and which of them are copies."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from rakuten import catalog
from rakuten.data.split import (
    copy_groups,
    fingerprint,
    grouped_split,
    published_split,
    text_hash,
)
from rakuten.errors import ContractError
from rakuten.features.build_features import documents
from rakuten.params import FeedbackParams, SplitParams

if TYPE_CHECKING:
    import pandas as pd

MOST_ANSWERS: Final = 10
"""Corrected answers of one product that count; those beyond say nothing new."""


@dataclass(frozen=True)
class Split:
    """Which rows of the feature table are held out, and how that came about.

    ``rejected_held_out`` are rows of the split's held-out side that ingest rejected.
    """

    held_out: NDArray[np.bool_]
    fingerprint: str
    rejected_held_out: int


@dataclass(frozen=True)
class TrainingRows:
    """The training side.

    Attributes:
        rows: positions in the feature table, ascending, shape (n,).
        weights: how much each counts, shape (n,).
        repeats: how many answers each stands for where a branch learns from it, shape (n,).
        copy_of: for each, a position in ``rows`` that stands for it and its copies, shape (n,);
            rows that have no copy among the corrections stand for themselves.
        feedback: what became of the corrections (:func:`choose_rows`); empty where there are none.
    """

    rows: NDArray[np.int64]
    weights: NDArray[np.float64]
    repeats: NDArray[np.float64]
    copy_of: NDArray[np.int64]
    feedback: dict[str, Any]


def split_rows(features: "pd.DataFrame", labels: "pd.DataFrame", params: SplitParams) -> Split:
    """Split the rows of ``Y_train.csv`` and carry the result over to the accepted rows.

    Corrections have no row in ``Y_train.csv``: whatever they are, the split is the same.

    Args:
        features: feature table of the accepted rows.
        labels: unique rows of ``Y_train.csv`` in file order (index, prdtypecode).
        params: scheme, held-out share and seed.
    """
    texts = [text_hash(*document) for document in documents(features)]
    images = features["image_sha256"].tolist()
    codes = labels[catalog.LABEL].tolist()
    if params.scheme == "grouped":
        place = {index: row for row, index in enumerate(features[catalog.INDEX])}
        # Rows without text are no copies of each other.
        written = (features["clean_designation"] + features["clean_description"]).tolist()
        known = [place.get(index) for index in labels[catalog.INDEX]]
        keys = [
            ("", "") if row is None else (written[row] and f"{texts[row]} {code}", images[row])
            for row, code in zip(known, codes, strict=True)
        ]
        groups = copy_groups(keys)
        mask = grouped_split(codes, groups, test_size=params.test_size, seed=params.seed)
    else:
        mask = published_split(codes, test_size=params.test_size, seed=params.seed)
    chosen = set(labels[catalog.INDEX].to_numpy()[mask])
    held_out = features[catalog.INDEX].isin(chosen).to_numpy()
    rows = zip(features[catalog.INDEX], features[catalog.LABEL], texts, images, strict=True)
    identity = [row for row, out in zip(rows, held_out, strict=True) if out]
    return Split(held_out, fingerprint(identity), len(chosen) - int(held_out.sum()))


def choose_rows(
    features: "pd.DataFrame", held_out: NDArray[np.bool_], params: FeedbackParams
) -> TrainingRows:
    """Join the corrections to the training side of the catalogue.

    A correction whose text or photo is held out is dropped (``held_out``), and one of a type
    that no training row of the catalogue has (``unknown_type``): a model that has met a type
    once or twice, and is scored on none of it, must not answer with it. A catalogue row with
    the same text and the same photo as a correction is ``replaced`` by it. A correction counts
    ``params.weight``. Where a branch learns from it, that is times the answers of this product
    that were corrected so, ten at most; what judges answers (fusion, threshold) takes it once,
    for a product that was seen ten times is one piece of evidence. With weight 0 the corrections
    are left aside (``weight_zero``), and nothing is replaced.

    Args:
        features: feature table, corrections among its rows.
        held_out: which rows are held out, shape (rows,).
        params: what a correction counts.

    Raises:
        ContractError: the table was made by an earlier version of this project.
    """
    if "source" not in features.columns:
        raise ContractError(
            "The feature table is of an earlier version: it does not say where rows come from.",
            hint="run rakuten ingest and rakuten features again, or dvc repro",
        )
    corrected = (features["source"] == catalog.CORRECTIONS).to_numpy()
    if not corrected.any():
        rows = np.flatnonzero(~held_out)
        once = np.ones(len(rows))
        return TrainingRows(rows, once, once, np.arange(len(rows)), {})
    text, image, product = _keys(features)
    known = ~held_out & ~corrected
    types = features[catalog.LABEL]
    hidden = corrected & (_shared(text, held_out) | _shared(image, held_out))
    unknown = corrected & ~hidden & ~types.isin(types[known]).to_numpy()
    left = corrected & ~hidden & ~unknown
    used = left if params.weight > 0 else np.zeros_like(left)
    replaced = known & _shared(product, used)
    rows = np.flatnonzero((known & ~replaced) | used)
    answers = features["answers"].astype(int).clip(upper=MOST_ANSWERS).to_numpy()
    weights = np.where(corrected, params.weight, 1.0)[rows]
    repeats = np.where(corrected, answers, 1)[rows].astype(np.float64)
    near = np.flatnonzero((_shared(text, used) | _shared(image, used))[rows])
    copy_of = np.arange(len(rows))
    pairs = zip(text.iloc[rows[near]], image.iloc[rows[near]], strict=True)
    copy_of[near] = near[copy_groups(list(pairs))]
    found = {
        "rows": int(corrected.sum()),
        "used": int(used.sum()),
        "dropped": {
            "held_out": int(hidden.sum()),
            "unknown_type": int(unknown.sum()),
            "weight_zero": int((left & ~used).sum()),
        },
        "replaced": int(replaced.sum()),
        "weight": params.weight,
    }
    return TrainingRows(rows, weights, repeats, copy_of, found)


def _keys(features: "pd.DataFrame") -> "tuple[pd.Series, pd.Series, pd.Series]":
    """What makes rows copies: text, photo, both; "" where there is none."""
    title, body = features["clean_designation"], features["clean_description"]
    text = (title + "\x1f" + body).where((title != "") | (body != ""), "")
    image = features["image_sha256"]
    return text, image, text + "\x1e" + image


def _shared(keys: "pd.Series", among: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Rows whose key some row of ``among`` has; "" is nobody's."""
    found: NDArray[np.bool_] = (keys.isin(set(keys[among])) & (keys != "")).to_numpy()
    return found
