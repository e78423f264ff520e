"""Which corrections can be learned, one row a product, every other with its reason."""

import random
from pathlib import Path
from typing import Any

import pytest

from rakuten.data.corrections import (
    COLUMNS,
    Corrections,
    add_corrections,
    corrections_frame,
    load_corrections,
    photo_path,
)
from rakuten.data.make_dataset import Dataset, IngestReport
from rakuten.errors import ContractError, DataNotFoundError
from rakuten.imaging import content_hash
from rakuten.io import write_csv
from tests.data.test_make_dataset import photo

JPEG, PNG = photo(), photo("PNG")


def said(number: int, **changes: Any) -> dict[str, Any]:
    """A row as the export writes it: a product of its own, without a photo."""
    return {
        "prediction_id": f"01a21682-592b-7ff0-8e49-{number:012x}",
        "designation": f"Titre {number}",
        "description": "",
        "image": "",
        "image_sha256": "",
        "prdtypecode": 10,
        "votes": 1,
        "reviewers": 1,
        "contested": 0,
        "given_at": f"2026-11-26T12:{number:02d}:00.000000+00:00",
        "answered_prdtypecode": 40,
        "confidence": 0.5,
        "decision": "review",
        "model_name": "rakuten-classifier",
        "model_version": 1,
        "model_sha256": "a" * 64,
        **changes,
    }


def load(folder: Path, *rows: dict[str, Any], photos: tuple[bytes, ...] = ()) -> Corrections:
    write_csv(folder / "corrections.csv", corrections_frame(rows))
    for content in photos:
        path = folder / image(content)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    return load_corrections(folder, threads=2)


def image(content: bytes) -> str:
    return f"images/{content_hash(content)}.jpg"


def with_photo(content: bytes) -> dict[str, str]:
    return {"image": image(content), "image_sha256": content_hash(content)}


def accepted(found: Corrections) -> list[tuple[int, str, int]]:
    """Number of the row, its type, how many answers it stands for."""
    columns = (found.merged[name] for name in ("index", "prdtypecode", "answers"))
    return [(int(i[-12:], 16), code, int(n)) for i, code, n in zip(*columns, strict=True)]


def test_a_header_alone_is_no_correction(tmp_path: Path) -> None:
    found = load(tmp_path)
    assert found.report.rows == found.report.accepted == len(found.merged) == 0
    assert found.report.rejected == {}


def test_rows_become_training_rows(tmp_path: Path) -> None:
    found = load(tmp_path, said(1, **with_photo(JPEG)), said(2), photos=(JPEG,))
    first, second = found.merged.to_dict("records")
    assert first["index"] == said(1)["prediction_id"]
    assert first["image_path"] == image(JPEG)
    assert (first["image_status"], second["image_status"]) == ("ok", "missing")
    assert (first["productid"], first["imageid"]) == ("", "")
    assert {first["source"], second["source"]} == {"corrections.csv"}
    assert found.report.images == {"ok": 1, "missing": 1, "unreadable": 0}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"prediction_id": "12"}, "bad_id"),
        ({"prediction_id": ""}, "bad_id"),
        ({"prdtypecode": "dix"}, "bad_label"),
        ({"prdtypecode": "-1"}, "bad_label"),
        ({"votes": ""}, "bad_label"),
        ({"designation": "<p></p>"}, "no_content"),
        ({"prediction_id": said(0)["prediction_id"]}, "duplicate_id"),
    ],
)
def test_a_row_that_cannot_be_used_is_set_aside(
    tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    found = load(tmp_path, said(0), said(1, **changes), said(2))
    assert accepted(found) == [(0, "10", 1), (2, "10", 1)]
    assert found.report.rejected == {reason: 1}
    assert found.rejected["reason"].tolist() == [reason]


def test_answers_of_one_product_are_one_row_that_stands_for_all(tmp_path: Path) -> None:
    same = {"designation": "<b>Table</b> basse"}
    found = load(
        tmp_path,
        said(1, **same),
        said(2, designation="TABLE  BASSE"),
        said(3, **same),
        said(4, **same, **with_photo(JPEG)),  # another photo: another product
        said(5, **same, description="chêne"),
        photos=(JPEG,),
    )
    assert accepted(found) == [(3, "10", 3), (4, "10", 1), (5, "10", 1)]
    assert found.report.rejected == {"repeated": 2}


@pytest.mark.parametrize(
    ("rows", "winner", "answers"),
    [
        ([(1, 10, 1), (2, 40, 2)], 40, 1),  # more votes
        ([(1, 10, 1), (2, 10, 1), (3, 40, 1)], 10, 2),  # more votes, over answers
        ([(1, 10, 1), (2, 40, 1)], 40, 1),  # the newest word
        ([(2, 10, 1), (1, 40, 1)], 10, 1),
        ([(1, 40, 1), (1, 10, 1)], 10, 1),  # at the same moment the smaller code
        ([(1, 9, 1), (1, 10, 1)], 9, 1),  # as numbers, not as words
    ],
)
def test_people_who_differ_over_answers_of_a_product_end_by_the_rule(
    tmp_path: Path, rows: list[tuple[int, int, int]], winner: int, answers: int
) -> None:
    made = [
        said(
            place,
            designation="une table",
            given_at=f"2026-11-26T12:{minute:02d}:00.000000+00:00",
            prdtypecode=code,
            votes=votes,
        )
        for place, (minute, code, votes) in enumerate(rows)
    ]
    for seed in range(3):
        random.Random(seed).shuffle(made)
        [(_, code, count)] = accepted(load(tmp_path, *made))
        assert (code, count) == (str(winner), answers)
    rejected = load(tmp_path, *made).report.rejected
    assert rejected.get("repeated", 0) == answers - 1
    assert rejected.get("outvoted", 0) == len(rows) - answers


def test_products_known_by_their_photo_alone_are_kept_apart(tmp_path: Path) -> None:
    bare = {"designation": "", "description": ""}
    found = load(
        tmp_path,
        said(1, **bare, **with_photo(JPEG)),
        said(2, **bare, **with_photo(PNG)),
        photos=(JPEG, PNG),
    )
    assert len(accepted(found)) == 2


def test_a_photo_that_is_gone_still_says_which_product_it_was(tmp_path: Path) -> None:
    found = load(tmp_path, said(1, image="", image_sha256="b" * 64), said(2, image_sha256="c" * 64))
    assert found.merged["image_sha256"].tolist() == ["b" * 64, "c" * 64]
    assert found.merged["image_status"].tolist() == ["missing", "missing"]


@pytest.mark.parametrize("name", ["../secret.jpg", "/etc/passwd", "images/../../secret.jpg", "."])
def test_what_somebody_edited_is_never_taken_for_a_path(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret.jpg").write_bytes(JPEG)
    found = load(tmp_path / "feedback", said(1, image=name))
    assert found.merged["image_status"].tolist() == ["missing"]
    assert found.merged["image_path"].tolist() == [""]


def test_a_table_of_another_form_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataNotFoundError):
        load_corrections(tmp_path)
    frame = corrections_frame([said(1)])
    for missing in COLUMNS:
        write_csv(tmp_path / "corrections.csv", frame.drop(columns=missing))
        with pytest.raises(ContractError, match=missing) as error:
            load_corrections(tmp_path)
        assert "rakuten feedback export" in str(error.value.hint)


def test_counts_add_up_behind_those_of_the_catalogue(tmp_path: Path) -> None:
    columns = [
        *("index", "designation", "description", "productid", "imageid", "prdtypecode"),
        *("image_path", "image_status", "image_sha256", "source", "answers"),
    ]
    found = load(tmp_path, said(1), said(2, designation="Titre 1"), said(3, prdtypecode="x"))
    ours = corrections_frame([]).reindex(columns=columns)
    aside = corrections_frame([]).reindex(
        columns=["index", "source", "reason", *columns[1:6], "image_status"]
    )
    report = IngestReport(0, 0, 0, {}, 0, 0, 0, {}, {})
    whole = add_corrections(Dataset(ours, aside, report), found)
    assert list(whole.merged.columns) == columns
    assert whole.rejected["reason"].tolist() == ["repeated", "bad_label"]
    assert set(whole.rejected["source"]) == {"corrections.csv"}
    counts = whole.report.feedback
    assert counts["accepted"] + sum(counts["rejected"].values()) == counts["rows"] == 3
    assert (whole.report.accepted, whole.report.rejected) == (0, {})


def test_photos_lie_in_the_folder_of_their_source() -> None:
    raw, feedback = Path("raw"), Path("feedback")
    assert photo_path(raw, feedback, "X_train.csv", "images/a.jpg") == raw / "images/a.jpg"
    assert photo_path(raw, feedback, "corrections.csv", "images/a.jpg") == feedback / "images/a.jpg"
