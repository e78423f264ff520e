"""From the prediction store to data/feedback: corrections.csv, and the photos beside it."""

import hashlib
import os
import re
from collections import Counter
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import Any, Final

from rakuten import catalog
from rakuten.data.corrections import corrections_frame
from rakuten.data.raw_folder import locked, staged
from rakuten.errors import StoreError
from rakuten.io import place_file, storage_error, write_csv
from rakuten.logs import Progress, get_logger
from rakuten.stages.feedback_folder import exported_rows
from rakuten.store.corrections import Correction, has_tables, read_corrections
from rakuten.store.database import Database
from rakuten.store.media import Media

log = get_logger(__name__)

IMAGES: Final = "images"
_ENDINGS: Final = {
    b"\xff\xd8": "jpg",
    b"\x89P": "png",
    b"RI": "webp",
    b"GI": "gif",
    b"BM": "bmp",
}
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class ExportOutcome:
    """What was exported; ``rows`` and the counts of ``left_out`` are all that people corrected.

    ``contested`` are rows on which reviewers differ, ``changed`` those where people name another
    type than the model, ``missing_photos`` those whose photo the store no longer has.
    """

    folder: Path
    rows: int
    left_out: dict[str, int]
    contested: int
    changed: int
    photos: int
    missing_photos: int


def export_feedback(
    database: Database, media: Media, folder: Path, *, progress: Progress | None = None
) -> ExportOutcome:
    """Put what people said of answers in the place of ``folder``, all of it or nothing.

    The same content of the store gives the same bytes. Left out, and counted, are answers that
    were erased (``erased``), whose text was never kept (``no_text``), and that are not in the
    database (``no_answer``: feedback may arrive before its answer). Who the reviewers are, and
    what they noted, is not exported.

    Args:
        database: where answers and feedback are.
        media: where photos are.
        folder: ``data/feedback``; reviewers' words there are never more than the store's.
        progress: called with (done, total) photos.

    Raises:
        DatabaseAwayError: nobody answered; the old export stays.
        StoreError: the store refused, or has no tables while there is an export with rows.
        StorageError: the file system refused, or another export is running.
    """
    folder = folder.resolve()
    with locked(folder, "export"):
        found = _read(database, folder)
        whole = [one for one in found if one.state == "whole"]
        with staged(folder) as new:
            names = _export_photos(whole, media, folder, new, progress)
            rows = [_row(one, names) for one in whole]
            write_csv(new / catalog.CORRECTIONS, corrections_frame(rows))
    missing = [row for row in rows if row["image_sha256"] and not row["image"]]
    for row in missing[:20]:
        log.warning("photo %s of %s is gone", row["image_sha256"], row["prediction_id"])
    left_out = Counter(one.state for one in found if one.state != "whole")
    return ExportOutcome(
        folder=folder,
        rows=len(rows),
        left_out={state: left_out[state] for state in ("erased", "no_text", "no_answer")},
        contested=sum(one.truth.contested for one in whole),
        changed=sum(one.truth.prdtypecode != one.answer["prdtypecode"] for one in whole),
        photos=len(names),
        missing_photos=len(missing),
    )


def _read(database: Database, folder: Path) -> list[Correction]:
    """All corrections in the order of their ids; an empty database is no empty store."""
    if not has_tables(database):
        if rows := exported_rows(folder):
            raise StoreError(
                f"{database.shown} has no tables, and {folder} holds {rows} corrections.",
                hint="check DATABASE_URL; to begin anew, delete the folder first",
            )
        return []
    database.migrate()
    return [one for chunk in read_corrections(database) for one in chunk]


def _export_photos(
    corrections: list[Correction],
    media: Media,
    old: Path,
    new: Path,
    progress: Progress | None,
) -> dict[str, str]:
    """Write each photo once, under its hash; returns hash → name of those that are there."""
    wanted = sorted({digest for one in corrections if (digest := one.answer["image_sha256"])})
    names: dict[str, str] = {}
    for done, digest in enumerate(wanted, start=1):
        content = media.get(digest)
        if content is not None and hashlib.sha256(content).hexdigest() == digest:
            names[digest] = f"{IMAGES}/{digest}.{_ENDINGS.get(content[:2], 'bin')}"
            _write_photo(content, old / names[digest], new / names[digest])
        if progress:
            progress(done, len(wanted))
    return names


def _write_photo(content: bytes, old: Path, new: Path) -> None:
    """A photo that was exported before is linked: it takes no space, and DVC knows it."""
    try:
        new.parent.mkdir(parents=True, exist_ok=True)
        if old.is_file() and old.read_bytes() == content:
            place_file(old, new)
            return
        with new.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise storage_error(error, new) from error


def _row(one: Correction, names: dict[str, str]) -> dict[str, Any]:
    answer, truth = one.answer, one.truth
    digest = answer["image_sha256"] or ""
    return {
        "prediction_id": one.prediction_id,
        catalog.DESIGNATION: _writable(answer["designation"]),
        catalog.DESCRIPTION: _writable(answer["description"] or ""),
        "image": names.get(digest, ""),
        "image_sha256": digest,
        catalog.LABEL: truth.prdtypecode,
        "votes": truth.votes,
        "reviewers": truth.reviewers,
        "contested": int(truth.contested),
        "given_at": truth.given_at.astimezone(UTC).isoformat(timespec="microseconds"),
        "answered_prdtypecode": answer["prdtypecode"],
        "confidence": answer["confidence"],
        "decision": answer["decision"],
        "model_name": answer["model_name"],
        "model_version": answer["model_version"],
        "model_sha256": answer["model_sha256"],
    }


def _writable(text: str) -> str:
    """Lone surrogates have no form in UTF-8; the normaliser drops them and their substitute."""
    return _SURROGATE.sub("\x1a", text)
