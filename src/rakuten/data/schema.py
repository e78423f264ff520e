"""The data contract of the raw files: what breaks it as a whole, what rejects one row."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rakuten import catalog
from rakuten.errors import ContractError, MissingExtraError
from rakuten.io import read_csv, read_csv_chunks

if TYPE_CHECKING:
    import pandas as pd

INTEGER: Final = r"-?\d{1,18}"
IDENTIFIER: Final = r"\d{1,18}"

ROW_REASONS: Final = {
    "bad_index": "the index is not an integer",
    "conflicting_index": "several different rows have this index",
    "duplicate_index": "an equal row with this index came before",
    "no_label": "Y_train.csv has no label for this index",
    "bad_label": "the label is not a non-negative integer",
    "bad_product_id": "productid is not a number, so no photo can be found",
    "bad_image_id": "imageid is not a number, so no photo can be found",
    "no_content": "title, description and photo are all empty or unusable",
}
"""Why one training row is set aside, worst first; the first that holds is the one reported."""


def read_products(path: Path) -> "pd.DataFrame":
    """Read ``X_*.csv``: columns index, designation, description, productid, imageid, all text.

    Raises:
        DataNotFoundError: there is no such file.
        ContractError: a column is missing, or it has no rows.
    """
    frame = _products(read_csv(path, index=True), path)
    if frame.empty:
        raise ContractError(f"{path} has a header but no rows.")
    return frame


def read_product_chunks(path: Path, *, rows: int) -> "Iterator[pd.DataFrame]":
    """Read ``X_*.csv`` as :func:`read_products` does, ``rows`` rows at a time.

    Raises:
        DataNotFoundError: there is no such file.
        ContractError: a column is missing, or it has no rows.
    """
    for number, frame in enumerate(read_csv_chunks(path, index=True, rows=rows)):
        products = _products(frame, path)
        if products.empty and not number:
            raise ContractError(f"{path} has a header but no rows.")
        yield products


def read_labels(path: Path) -> "pd.DataFrame":
    """Read ``Y_*.csv``: columns index and prdtypecode, as text, in file order.

    Equal duplicates are kept; :func:`unique_labels` folds them.

    Raises:
        DataNotFoundError: there is no such file.
        ContractError: a column is missing, there is no label at all, or one index has two.
    """
    frame = read_csv(path, index=True)
    _require_columns(frame, (catalog.LABEL,), path)
    frame = frame[[catalog.INDEX, catalog.LABEL]].apply(lambda column: column.str.strip())
    if not (frame[catalog.LABEL] != "").any():
        raise ContractError(
            f"{path} holds no labels at all.",
            hint="it needs lines of the form index,prdtypecode for the rows of X_train.csv",
        )
    kinds = frame.drop_duplicates().groupby(catalog.INDEX, sort=False).size()
    torn = kinds[kinds > 1].index.tolist()
    if torn:
        raise ContractError(
            f"{path} gives two different labels to {_some(torn, 'index', 'indexes')}.",
            hint="keep one line for each index",
        )
    return frame


def unique_labels(labels: "pd.DataFrame") -> "pd.DataFrame":
    """Fold equal duplicates of an index, keeping file order."""
    return labels.drop_duplicates(subset=catalog.INDEX, keep="first")


def row_failures(frame: "pd.DataFrame") -> "pd.Series":
    """First reason (a key of :data:`ROW_REASONS`) that rejects each row, "" where none does.

    ``frame`` is the product table left-joined with its labels: the columns of
    :func:`read_products`, ``prdtypecode`` (text, NaN where absent) and ``image_status``.
    """
    pd, pa = _pandera()
    schema = _joined_schema(pa)
    reasons = pd.Series("", index=frame.index, dtype=object)
    try:
        schema.validate(frame, lazy=True)
    except pa.errors.SchemaErrors as errors:
        found = errors.failure_cases.dropna(subset=["index"])
        rank = {reason: place for place, reason in enumerate(ROW_REASONS)}
        found = found.assign(rank=found["check"].map(rank)).sort_values("rank", kind="stable")
        worst = found.drop_duplicates(subset="index", keep="first")
        reasons.loc[worst["index"].astype(int)] = worst["check"].to_numpy()
    return reasons


def _joined_schema(pa: Any) -> Any:
    column, check = pa.Column, pa.Check

    def content(frame: Any) -> Any:
        return (
            (frame["clean_designation"] != "")
            | (frame["clean_description"] != "")
            | (frame["image_status"] == "ok")
        )

    def equal_copy(frame: Any) -> Any:
        return ~frame.duplicated(subset=[catalog.INDEX, *catalog.PRODUCT_COLUMNS], keep="first")

    def conflict(frame: Any) -> Any:
        distinct = frame.drop_duplicates(subset=[catalog.INDEX, *catalog.PRODUCT_COLUMNS])
        counts = distinct.groupby(catalog.INDEX, sort=False).size()
        return ~frame[catalog.INDEX].isin(counts[counts > 1].index)

    def rule(function: Any, reason: str) -> Any:
        return check(function, name=reason, error=reason, ignore_na=False)

    return pa.DataFrameSchema(
        {
            catalog.INDEX: column(
                str, rule(lambda s: s.str.fullmatch(INTEGER), "bad_index"), required=True
            ),
            catalog.DESIGNATION: column(str),
            catalog.DESCRIPTION: column(str),
            catalog.PRODUCT_ID: column(
                str, rule(lambda s: s.str.fullmatch(IDENTIFIER), "bad_product_id")
            ),
            catalog.IMAGE_ID: column(
                str, rule(lambda s: s.str.fullmatch(IDENTIFIER), "bad_image_id")
            ),
            catalog.LABEL: column(
                str,
                [
                    rule(lambda s: s != "", "no_label"),
                    rule(lambda s: s.str.fullmatch(r"\d{1,18}|"), "bad_label"),
                ],
            ),
            "image_status": column(str, check.isin(["ok", "missing", "unreadable"])),
        },
        checks=[
            rule(content, "no_content"),
            rule(equal_copy, "duplicate_index"),
            rule(conflict, "conflicting_index"),
        ],
        strict=False,
    )


def _products(frame: "pd.DataFrame", path: Path) -> "pd.DataFrame":
    _require_columns(frame, catalog.PRODUCT_COLUMNS, path)
    frame = frame[[catalog.INDEX, *catalog.PRODUCT_COLUMNS]]
    for column in (catalog.INDEX, catalog.PRODUCT_ID, catalog.IMAGE_ID):
        frame = frame.assign(**{column: frame[column].str.strip()})
    return frame


def _require_columns(frame: "pd.DataFrame", wanted: Sequence[str], path: Path) -> None:
    rest = [str(name) for name in frame.columns[1:]]
    missing = [name for name in wanted if name not in rest]
    if missing:
        raise ContractError(
            f"{path} lacks the column{'s' if len(missing) > 1 else ''} {', '.join(missing)}; "
            f"after the index it has {', '.join(rest) or 'none'}.",
            hint=f"the header must be: ,{','.join(wanted)} (the first column is the index)",
        )


def _some(values: Sequence[object], one: str, many: str) -> str:
    shown = ", ".join(str(value) for value in values[:5])
    if len(values) == 1:
        return f"{one} {shown}"
    return f"{len(values)} {many} ({shown}{', …' if len(values) > 5 else ''})"


def _pandera() -> tuple[Any, Any]:
    try:
        import pandas as pd
        import pandera.pandas as pa
    except ModuleNotFoundError as error:
        raise MissingExtraError("pandera", "pipeline", "Checking a catalogue") from error
    return pd, pa
