"""A predictions file against labels, joined on the index, with the products it was made from."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from rakuten import catalog
from rakuten.data import schema
from rakuten.data.make_dataset import check_images
from rakuten.errors import ContractError, DataNotFoundError
from rakuten.io import read_csv
from rakuten.logs import Progress
from rakuten.models.evaluate import Answers, Evaluation, evaluate_answers
from rakuten.models.evaluate.report import Source
from rakuten.models.predict_model import table_products

if TYPE_CHECKING:
    import pandas as pd

_NEEDED: Final = (
    catalog.INDEX,
    catalog.PRODUCT_ID,
    catalog.IMAGE_ID,
    catalog.LABEL,
    "label",
    "confidence",
    "decision",
)
_EXPECTED: Final = {
    catalog.LABEL: "prdtypecode is a whole number",
    "confidence": "confidence is a number from 0 to 1, as rakuten predict writes it",
    "decision": "decision is auto or review, as rakuten predict writes it",
}
_CODE: Final = r"\d{1,18}"
_TRUE_LABEL: Final = f"{catalog.LABEL}_true"


def evaluate_predictions(
    predictions: Path,
    labels: Path,
    table: Path,
    images: Path | None,
    names: dict[int, str],
    *,
    threads: int = 1,
    note: Callable[[str], None] = lambda _: None,
    progress: Progress | None = None,
) -> Evaluation:
    """Join predictions, labels and products on the index and evaluate the answers.

    Args:
        predictions: file that predict wrote in its full form.
        labels: CSV file of true labels (index, prdtypecode).
        table: CSV file that the predictions were made from.
        images: folder of its photos, or None where they were made without photos.
        names: names of product types; those in the predictions file go before them.
        threads: threads that decode photos.
        note: told what is going on.
        progress: called with (done, total) while photos are looked at.

    Raises:
        DataNotFoundError: one of the files is absent.
        ContractError: they break their contract or do not belong together.
    """
    answered, truth = _read_predictions(predictions), _read_labels(labels)
    products = _matching_products(answered, predictions, table)
    if images is not None and not images.is_dir():
        raise DataNotFoundError(
            f"There is no image folder {images}.",
            hint="name the folder that the predictions were made with: --images FOLDER",
        )
    joined = answered.merge(truth, on=catalog.INDEX, suffixes=("", "_true"), validate="one_to_one")
    if joined.empty:
        raise ContractError(
            f"{predictions} and {labels} have no index in common.",
            hint="check that the labels are those of the products that were predicted",
        )
    joined = joined.merge(products, on=catalog.INDEX, validate="one_to_one")
    answers = _answers(joined, _usable_photos(joined, images, threads, progress))
    note("resampling the scores")
    return evaluate_answers(
        answers,
        names | dict(zip(answers.predicted.tolist(), joined["label"], strict=True)),
        Source(kind="labels", predictions=str(predictions), labels=str(labels)),
        unlabelled=len(answered) - len(joined),
        unpredicted=len(truth) - len(joined),
    )


def _read_predictions(path: Path) -> "pd.DataFrame":
    if not path.is_file():
        raise DataNotFoundError(f"{path} does not exist.", hint="rakuten predict, or dvc repro")
    frame = read_csv(path)
    absent = [name for name in _NEEDED if name not in frame.columns]
    if absent:
        raise ContractError(
            f"{path} lacks {', '.join(absent)}.",
            hint="evaluate reads the full form (rakuten predict --format full)",
        )
    if frame.empty:
        raise ContractError(f"{path} has a header but no rows.", hint="rakuten predict")
    if frame[catalog.INDEX].duplicated().any():
        twice = frame.loc[frame[catalog.INDEX].duplicated(), catalog.INDEX].iloc[0]
        raise ContractError(
            f"{path} has several rows for index {twice}.",
            hint="labels are joined on the index: predict a table in which it is unique",
        )
    _require(frame, frame[catalog.LABEL].str.fullmatch(_CODE), path, catalog.LABEL)
    _require(frame, frame["confidence"].map(_is_probability), path, "confidence")
    _require(frame, frame["decision"].isin(["auto", "review"]), path, "decision")
    return frame[list(_NEEDED)]


def _read_labels(path: Path) -> "pd.DataFrame":
    labels = schema.unique_labels(schema.read_labels(path))
    _require(labels, labels[catalog.LABEL].str.fullmatch(_CODE), path, catalog.LABEL)
    return labels


def _require(frame: "pd.DataFrame", holds: "pd.Series", path: Path, column: str) -> None:
    bad = frame.loc[~holds.astype(bool)]
    if len(bad):
        raise ContractError(
            f"{path}: {column} of index {bad[catalog.INDEX].iloc[0]} cannot be "
            f"{bad[column].iloc[0]!r}.",
            hint=_EXPECTED[column],
        )


def _is_probability(text: str) -> bool:
    try:
        return 0 <= float(text) <= 1
    except ValueError:
        return False


def _matching_products(answered: "pd.DataFrame", predictions: Path, table: Path) -> "pd.DataFrame":
    """Texts of the products, after checking that the predictions were made from that table."""
    products = schema.read_products(table)
    keys = [catalog.INDEX, catalog.PRODUCT_ID, catalog.IMAGE_ID]
    unknown = ~answered[catalog.INDEX].isin(products[catalog.INDEX])
    if not unknown.any():
        both = answered[keys].merge(products[keys], on=catalog.INDEX, suffixes=("", "_table"))
        differs = np.zeros(len(both), dtype=bool)
        for key in (catalog.PRODUCT_ID, catalog.IMAGE_ID):
            differs |= (both[key] != both[f"{key}_table"]).to_numpy()
        if len(both) == len(answered) and not differs.any():
            return products[[catalog.INDEX, catalog.DESIGNATION, catalog.DESCRIPTION]]
    raise ContractError(
        f"{predictions} was not made from {table}: their products differ.",
        hint="name the table that was predicted: --input FILE, and --images FOLDER for its photos",
    )


def _usable_photos(
    joined: "pd.DataFrame", images: Path | None, threads: int, progress: Progress | None
) -> NDArray[np.bool_]:
    """Which products have a photo that decodes."""
    usable = np.zeros(len(joined), dtype=bool)
    pictures = [product.image for product in table_products(joined, images)]
    rows = [row for row, picture in enumerate(pictures) if isinstance(picture, Path)]
    paths = [picture for picture in pictures if isinstance(picture, Path)]
    checks = check_images(paths, threads=threads, progress=progress)
    usable[rows] = [check.status == "ok" for check in checks]
    return usable


def _answers(joined: "pd.DataFrame", has_image: NDArray[np.bool_]) -> Answers:
    return Answers(
        index=joined[catalog.INDEX].tolist(),
        designation=joined[catalog.DESIGNATION].tolist(),
        description=joined[catalog.DESCRIPTION].tolist(),
        has_image=has_image,
        truth=joined[_TRUE_LABEL].astype(np.int64).to_numpy(),
        predicted=joined[catalog.LABEL].astype(np.int64).to_numpy(),
        confidence=joined["confidence"].astype(np.float64).to_numpy(),
        automatic=(joined["decision"] == "auto").to_numpy(),
    )
