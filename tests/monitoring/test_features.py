"""Rows that are damaged are counted and left out; whole ones become columns."""

import json
from typing import Any

import numpy as np
import pytest

from rakuten.monitoring.features import WATCHED, check_rows, watched_values
from tests.monitoring.material import DIMENSION, changed, make_rows, without_photos

NAN, INFINITE = float("nan"), float("inf")


def test_whole_rows_pass_also_as_json_brings_them_back() -> None:
    rows = make_rows(50, 0)
    checked = check_rows(json.loads(json.dumps(rows)), like=rows)
    assert checked.rows == rows
    assert (checked.corrupt, checked.erased) == (0, 0)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("designation_length", None),
        ("designation_length", -1),
        ("designation_words", "7"),
        ("description_words", 3.5),
        ("designation_length", 2**70),
        ("has_description", 2),
        ("has_markup", True),
        ("digit_share", NAN),
        ("upper_share", 1.5),
        ("confidence", INFINITE),
        ("confidence", None),
        ("language", None),
        ("image_status", "gone"),
        ("image_status", ["ok"]),
        ("modalities", 3),
        ("image_brightness", NAN),
        ("image_sharpness", "20"),
        ("prdtypecode", "10"),
        ("text_embedding", [0.0] * (DIMENSION + 1)),
        ("text_embedding", []),
        ("image_embedding", [NAN] * DIMENSION),
        ("image_embedding", ["a"] * DIMENSION),
        ("image_embedding", "0" * DIMENSION),
        ("text_embedding", [10**400] * DIMENSION),
    ],
)
def test_a_damaged_value_costs_its_row_alone(field: str, value: Any) -> None:
    rows = make_rows(20, 0)
    damaged: Any = {**rows[7], field: value}
    checked = check_rows([*rows[:7], damaged, *rows[8:]], like=rows)
    assert checked.corrupt == 1
    assert checked.rows == [*rows[:7], *rows[8:]]


@pytest.mark.parametrize("row", [None, "row", 3, [], {}, {"confidence": 0.5, "more": 1}])
def test_what_is_no_row_is_corrupt(row: object) -> None:
    checked = check_rows([row, *make_rows(3, 0)])
    assert (len(checked.rows), checked.corrupt, checked.erased) == (3, 1, 0)


def test_a_row_without_one_of_its_fields_is_corrupt() -> None:
    for name in make_rows(1, 0)[0]:
        row = {key: value for key, value in make_rows(1, 0)[0].items() if key != name}
        assert check_rows([row]).corrupt == 1, name


def test_an_erased_row_is_no_damage() -> None:
    kept = {"prdtypecode": 10, "confidence": 0.9, "modalities": "text", "image_status": "ok"}
    checked = check_rows([kept, *make_rows(3, 0)])
    assert (len(checked.rows), checked.corrupt, checked.erased) == (3, 0, 1)


def test_every_watched_column_is_read() -> None:
    values = watched_values(make_rows(30, 0))
    assert list(values) == [watched.name for watched in WATCHED]
    assert values["text_embedding"].shape == (30, DIMENSION)
    assert values["language"].dtype.kind == "U"


def test_photos_are_measured_where_there_is_one() -> None:
    rows = without_photos(make_rows(40, 0, image_status="ok"), 0.25)
    pictured = sum(row["image_embedding"] is not None for row in rows)
    values = watched_values(rows)
    assert len(values["image_brightness"]) == len(values["image_embedding"]) == pictured
    assert values["missing_photo"].sum() == 10
    assert np.isfinite(values["image_white_share"]).all()


def test_descriptions_are_measured_where_there_is_one() -> None:
    rows = make_rows(40, 0)
    described = [row["description_length"] for row in rows if row["has_description"]]
    values = watched_values(rows)
    assert values["description_length"].tolist() == described
    assert len(values["has_description"]) == 40


def test_titles_that_are_empty_and_photos_that_are_broken_are_shares() -> None:
    rows = changed(make_rows(40, 0), 0.1, designation_length=0, image_status="unreadable")
    values = watched_values(rows)
    assert values["no_title"].sum() == values["unreadable_photo"].sum() == 4


def test_no_rows_at_all() -> None:
    assert check_rows([]).rows == []
    assert all(len(values) == 0 for values in watched_values([]).values())
