"""Ingest core: join products with labels on the index, check photos, set bad rows aside."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rakuten import catalog
from rakuten.data import schema
from rakuten.errors import ContractError, ImageError
from rakuten.imaging import content_hash, decode_image, map_chunks, read_image
from rakuten.logs import Progress
from rakuten.text import clean_texts

if TYPE_CHECKING:
    import pandas as pd

CHECK_SIZE = 64
"""Side in pixels that photos are decoded to when they are checked."""


@dataclass(frozen=True)
class ImageCheck:
    """What is known of one photo: ``status`` ok, missing or unreadable; ``reason`` if not ok."""

    status: str
    reason: str = ""
    sha256: str = ""


@dataclass(frozen=True)
class IngestReport:
    """Counts that add up to the rows read.

    ``accepted + sum(rejected) == x_rows`` and
    ``labels_used + duplicate_labels + labels_without_product == y_rows``. All are of the
    catalogue; ``feedback`` has those of the corrections (:mod:`rakuten.data.corrections`).
    """

    x_rows: int
    y_rows: int
    accepted: int
    rejected: dict[str, int]
    labels_used: int
    duplicate_labels: int
    labels_without_product: int
    images: dict[str, int]
    image_problems: dict[str, int]
    image_problem_examples: list[str] = field(default_factory=list)
    product_types: dict[str, int] = field(default_factory=dict)
    feedback: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The report as plain JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class Dataset:
    """Outcome of ingest: ``merged`` and ``rejected`` hold every training row between them."""

    merged: "pd.DataFrame"
    rejected: "pd.DataFrame"
    report: IngestReport


def check_images(
    paths: list[Path], *, threads: int = 1, progress: Progress | None = None
) -> list[ImageCheck]:
    """Decode every photo at a small scale and hash its bytes; one result a path, in order."""
    results: list[ImageCheck] = []
    for part in map_chunks(lambda chunk: [_check_image(p) for p in chunk], paths, threads=threads):
        results.extend(part)
        if progress:
            progress(len(results), len(paths))
    return results


def build_dataset(raw: Path, *, threads: int = 1, progress: Progress | None = None) -> Dataset:
    """Join, check and sort the training rows of ``raw`` into accepted and rejected ones.

    Raises:
        DataNotFoundError: ``X_train.csv`` or ``Y_train.csv`` is absent.
        ContractError: the files break the contract as a whole, or no row can be accepted.
    """
    products = schema.read_products(raw / catalog.X_TRAIN)
    labels = schema.read_labels(raw / catalog.Y_TRAIN)
    unique = schema.unique_labels(labels)
    known = unique[catalog.INDEX].isin(products[catalog.INDEX])
    if not known.any():
        raise ContractError(
            f"{catalog.X_TRAIN} and {catalog.Y_TRAIN} in {raw} have no index in common.",
            hint="both files need the same unnamed first column; check that they belong together",
        )
    joined = products.merge(unique, on=catalog.INDEX, how="left", validate="many_to_one")
    joined[catalog.LABEL] = joined[catalog.LABEL].fillna("")
    checks = check_images(_image_paths(raw, joined), threads=threads, progress=progress)
    joined["image_path"] = _relative_paths(joined)
    joined["image_status"] = [check.status for check in checks]
    joined["image_sha256"] = [check.sha256 for check in checks]
    for column in (catalog.DESIGNATION, catalog.DESCRIPTION):
        joined[f"clean_{column}"] = [text.text for text in clean_texts(joined[column].tolist())]
    reasons = schema.row_failures(joined)
    joined = joined.drop(columns=["clean_designation", "clean_description"])
    merged = joined[reasons == ""].reset_index(drop=True)
    merged = merged.assign(source=catalog.X_TRAIN, answers=1)
    rejected = _rejected_rows(joined, reasons, unique[~known])
    if merged.empty:
        counts = ", ".join(f"{reason}: {count}" for reason, count in _counts(reasons).items())
        raise ContractError(f"Not one training row of {raw} can be used ({counts}).")
    report = _report(products, labels, unique, known, reasons, checks, joined, merged)
    return Dataset(merged=merged, rejected=rejected, report=report)


def _check_image(path: Path) -> ImageCheck:
    try:
        data = read_image(path)
        decode_image(data, CHECK_SIZE)
    except ImageError as error:
        status = "missing" if error.reason == "missing" else "unreadable"
        return ImageCheck(status=status, reason=error.reason)
    return ImageCheck(status="ok", sha256=content_hash(data))


def _relative_paths(frame: "pd.DataFrame") -> list[str]:
    pairs = zip(frame[catalog.IMAGE_ID], frame[catalog.PRODUCT_ID], strict=True)
    # Only digits reach the file system: an identifier is never taken for a path.
    return [
        f"{catalog.IMAGE_TRAIN}/{catalog.image_name(image_id, product_id)}"
        if image_id.isdecimal() and product_id.isdecimal()
        else ""
        for image_id, product_id in pairs
    ]


def _image_paths(raw: Path, frame: "pd.DataFrame") -> list[Path]:
    missing = raw / catalog.IMAGE_TRAIN / "no-such-image"
    return [raw / path if path else missing for path in _relative_paths(frame)]


def _rejected_rows(
    joined: "pd.DataFrame", reasons: "pd.Series", orphans: "pd.DataFrame"
) -> "pd.DataFrame":
    rows = joined[reasons != ""].assign(source=catalog.X_TRAIN, reason=reasons[reasons != ""])
    extra = orphans.assign(source=catalog.Y_TRAIN, reason="label_without_product")
    rejected = rows.merge(extra, how="outer", sort=False) if len(extra) else rows
    columns = [catalog.INDEX, "source", "reason", *catalog.PRODUCT_COLUMNS, catalog.LABEL]
    return rejected[[*columns, "image_status"]].fillna("")


def _report(
    products: "pd.DataFrame",
    labels: "pd.DataFrame",
    unique: "pd.DataFrame",
    known: "pd.Series",
    reasons: "pd.Series",
    checks: list[ImageCheck],
    joined: "pd.DataFrame",
    merged: "pd.DataFrame",
) -> IngestReport:
    problems = joined["image_status"] == "unreadable"
    why = [check.reason for check in checks if check.status == "unreadable"]
    examples = [
        f"{path}: {reason}"
        for path, reason in zip(joined.loc[problems, "image_path"], why, strict=True)
    ]
    types = merged[catalog.LABEL].value_counts()
    return IngestReport(
        x_rows=len(products),
        y_rows=len(labels),
        accepted=len(merged),
        rejected=_counts(reasons),
        labels_used=int(known.sum()),
        duplicate_labels=len(labels) - len(unique),
        labels_without_product=int((~known).sum()),
        images={
            status: int((joined["image_status"] == status).sum())
            for status in ("ok", "missing", "unreadable")
        },
        image_problems={reason: why.count(reason) for reason in sorted(set(why))},
        image_problem_examples=examples[:20],
        product_types={code: int(types[code]) for code in sorted(types.index, key=int)},
    )


def _counts(reasons: "pd.Series") -> dict[str, int]:
    return {
        reason: int((reasons == reason).sum())
        for reason in schema.ROW_REASONS
        if (reasons == reason).any()
    }


if __name__ == "__main__":
    from rakuten.cli.app import run_command

    run_command("ingest")
