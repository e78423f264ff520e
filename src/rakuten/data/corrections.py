"""Corrections of people (``data/feedback``): their contract, and which of them can be learned."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from rakuten import catalog
from rakuten.data.make_dataset import Dataset, check_images
from rakuten.errors import ContractError
from rakuten.io import read_csv, sha256_file
from rakuten.text import clean_texts

if TYPE_CHECKING:
    import pandas as pd

COLUMNS: Final = (
    "prediction_id",
    catalog.DESIGNATION,
    catalog.DESCRIPTION,
    "image",
    "image_sha256",
    catalog.LABEL,
    "votes",
    "reviewers",
    "contested",
    "given_at",
    "answered_prdtypecode",
    "confidence",
    "decision",
    "model_name",
    "model_version",
    "model_sha256",
)
"""Columns of ``corrections.csv``: the product, what people say it is, and what was answered."""

REASONS: Final = {
    "bad_id": "prediction_id is not the id of an answer",
    "duplicate_id": "a row with this prediction_id came before",
    "bad_label": "prdtypecode or votes is not a number",
    "no_content": "title, description and photo are all empty or unusable",
    "outvoted": "more people, or the newest word, gave this very product another type",
    "repeated": "another row says the same of this very product, and counts for this one too",
}
"""Why a correction is set aside, worst first; the first that holds is the one reported."""

_ID: Final = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_IMAGE: Final = r"images/[0-9a-f]{64}\.[a-z]{3,4}"
_NO_IMAGE: Final = "images/no-such-image"


@dataclass(frozen=True)
class CorrectionsReport:
    """Counts that add up: ``accepted + sum(rejected) == rows``; and the file's hash."""

    sha256: str
    rows: int
    accepted: int
    rejected: dict[str, int]
    images: dict[str, int]


@dataclass(frozen=True)
class Corrections:
    """Rows as in :class:`rakuten.data.make_dataset.Dataset`: ``merged`` and ``rejected``."""

    merged: "pd.DataFrame"
    rejected: "pd.DataFrame"
    report: CorrectionsReport


def corrections_frame(rows: Sequence[dict[str, Any]]) -> "pd.DataFrame":
    """Rows of ``corrections.csv``, every cell a text; without rows the header alone."""
    import pandas as pd

    return pd.DataFrame(rows, columns=list(COLUMNS), dtype=object).astype(str)


def load_corrections(folder: Path, *, threads: int = 1) -> Corrections:
    """Read ``corrections.csv``, check its rows and photos, and keep one row of each product.

    Rows of one product (the same cleaned text and the same photo) become one, the newest of
    those with the type that most votes name; where as many votes name two types, the newest
    word decides, then the smaller code: the rule for the reviewers of one answer, over several
    answers. ``answers`` says how many rows it stands for.

    Raises:
        DataNotFoundError: there is no such file.
        ContractError: it is not a table with :data:`COLUMNS`.
    """
    path = folder / catalog.CORRECTIONS
    frame = read_csv(path)  # first: it says what is wrong with a file that is not there
    digest = sha256_file(path)
    missing = [name for name in COLUMNS if name not in frame.columns]
    if missing:
        raise ContractError(
            f"{path} lacks {', '.join(missing)}.", hint="write it again: rakuten feedback export"
        )
    _add_content(frame, folder, threads)
    reasons, answers = _judge(frame)
    rows = _as_training_rows(frame, answers)
    accepted = rows[reasons == ""].reset_index(drop=True)
    rejected = rows[reasons != ""].assign(reason=reasons[reasons != ""])
    report = CorrectionsReport(
        sha256=digest,
        rows=len(frame),
        accepted=len(accepted),
        rejected={name: n for name in REASONS if (n := int((reasons == name).sum()))},
        images={
            status: int((frame["image_status"] == status).sum())
            for status in ("ok", "missing", "unreadable")
        },
    )
    return Corrections(accepted, rejected, report)


def add_corrections(dataset: Dataset, corrections: Corrections) -> Dataset:
    """The catalogue's rows and, behind them, the corrections."""
    import pandas as pd

    parts = (dataset.merged, corrections.merged), (dataset.rejected, corrections.rejected)
    merged, rejected = (
        pd.concat([ours, theirs[ours.columns]], ignore_index=True) if len(theirs) else ours
        for ours, theirs in parts
    )
    report = replace(dataset.report, feedback=asdict(corrections.report))
    return Dataset(merged, rejected, report)


def photo_path(raw: Path, feedback: Path, source: str, image_path: str) -> Path:
    """Where the photo of a row of ``merged_train.csv`` lies."""
    return (feedback if source == catalog.CORRECTIONS else raw) / image_path


def _add_content(frame: "pd.DataFrame", folder: Path, threads: int) -> None:
    """Look at the photos, and clean the texts: what the products are."""
    # What people may have edited is never taken for a path of its own.
    frame["image"] = frame["image"].where(frame["image"].str.fullmatch(_IMAGE), "")
    places = [folder / (name or _NO_IMAGE) for name in frame["image"]]
    checks = check_images(places, threads=threads)
    frame["image_status"] = [check.status for check in checks]
    # A photo that is gone still says which product it was.
    known = zip(checks, frame["image_sha256"], strict=True)
    frame["image_sha256"] = [check.sha256 or recorded for check, recorded in known]
    titles, bodies = (
        clean_texts(frame[name].tolist()) for name in (catalog.DESIGNATION, catalog.DESCRIPTION)
    )
    pairs = zip(titles, bodies, strict=True)
    frame["text"] = [f"{title.text}\x1f{body.text}" for title, body in pairs]


def _judge(frame: "pd.DataFrame") -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Why each row is set aside ("" where it is not), and for how many rows it stands."""
    reasons = np.full(len(frame), "", dtype=object)
    answers = np.ones(len(frame), dtype=np.int64)
    label, votes = (frame[name].str.fullmatch(r"\d{1,9}") for name in (catalog.LABEL, "votes"))
    empty = (frame["text"] == "\x1f") & (frame["image_status"] != "ok")
    for reason, holds in (
        ("no_content", empty),
        ("bad_label", ~(label & votes)),
        ("duplicate_id", frame["prediction_id"].duplicated()),
        ("bad_id", ~frame["prediction_id"].str.fullmatch(_ID)),
    ):
        reasons[holds.to_numpy(dtype=bool)] = reason
    good = np.flatnonzero(reasons == "")
    if not len(good):
        return reasons, answers
    said = frame.iloc[good][["prediction_id", "given_at"]].assign(
        product=frame["text"] + "\x1f" + frame["image_sha256"],
        code=frame[catalog.LABEL].iloc[good].astype(int),
        votes=frame["votes"].iloc[good].astype(int),
    )
    by_type = said.groupby(["product", "code"], sort=False).agg(
        total=("votes", "sum"), last=("given_at", "max"), answers=("votes", "size")
    )
    ranked = by_type.reset_index().sort_values(
        ["total", "last", "code"], ascending=[False, False, True], kind="stable"
    )
    winners = ranked.drop_duplicates("product").set_index("product")
    wins = said["code"].to_numpy() == winners["code"].loc[said["product"]].to_numpy()
    newest = said[wins].sort_values(["given_at", "prediction_id"], ascending=False)
    kept = newest.drop_duplicates("product").index
    reasons[good] = np.where(wins, "repeated", "outvoted")
    reasons[kept] = ""
    answers[kept] = winners["answers"].loc[said.loc[kept, "product"]].to_numpy()
    return reasons, answers


def _as_training_rows(frame: "pd.DataFrame", answers: NDArray[np.int64]) -> "pd.DataFrame":
    """The columns that rows of the catalogue have, accepted and rejected."""
    return frame.assign(
        **{
            catalog.INDEX: frame["prediction_id"],
            catalog.PRODUCT_ID: "",
            catalog.IMAGE_ID: "",
            "image_path": frame["image"],
            "source": catalog.CORRECTIONS,
            "answers": answers,
            "reason": "",
        }
    )
