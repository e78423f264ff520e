"""What breaks a catalogue as a whole is an error that names it; what breaks a row has a reason."""

from pathlib import Path

import pandas as pd
import pytest

from rakuten.data.schema import (
    ROW_REASONS,
    read_labels,
    read_products,
    row_failures,
    unique_labels,
)
from rakuten.errors import ContractError, DataNotFoundError

X_HEADER = ",designation,description,productid,imageid\n"
Y_HEADER = ",prdtypecode\n"


def write(folder: Path, text: str) -> Path:
    path = folder / "table.csv"
    path.write_text(text, encoding="utf-8")
    return path


def joined(**changes: object) -> pd.DataFrame:
    """Three good rows; a keyword replaces a column."""
    columns: dict[str, object] = {
        "index": ["0", "1", "2"],
        "designation": ["a", "b", "c"],
        "description": ["", "", ""],
        "productid": ["10", "11", "12"],
        "imageid": ["20", "21", "22"],
        "prdtypecode": ["10", "40", "10"],
        "image_status": ["ok", "missing", "unreadable"],
        "clean_designation": ["a", "b", "c"],
        "clean_description": ["", "", ""],
    }
    return pd.DataFrame({**columns, **changes})


# --- products ------------------------------------------------------------------------------


def test_products_are_read_as_text_with_stripped_identifiers(tmp_path: Path) -> None:
    path = write(tmp_path, X_HEADER + '0," null ",NA, 007 ,\t8\n')
    frame = read_products(path)
    assert frame.columns.tolist() == "index designation description productid imageid".split()
    assert frame.to_numpy().tolist() == [["0", " null ", "NA", "007", "8"]]


def test_columns_are_found_by_name_whatever_their_order(tmp_path: Path) -> None:
    path = write(tmp_path, ",imageid,extra,productid,description,designation\n0,4,x,3,d,t\n")
    assert read_products(path).to_numpy().tolist() == [["0", "t", "d", "3", "4"]]


@pytest.mark.parametrize("column", ["designation", "description", "productid", "imageid"])
def test_a_missing_column_is_named(tmp_path: Path, column: str) -> None:
    path = write(tmp_path, X_HEADER.replace(f",{column}", "") + "0,a,b,c\n")
    with pytest.raises(ContractError, match=f"lacks the column {column}") as caught:
        read_products(path)
    assert "the header must be" in (caught.value.hint or "")


def test_several_missing_columns_are_all_named(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="columns productid, imageid"):
        read_products(write(tmp_path, ",designation,description\n0,a,b\n"))


def test_a_table_without_an_index_column_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="lacks the column designation"):
        read_products(write(tmp_path, "designation,description,productid,imageid\na,b,1,2\n"))


def test_blanks_around_column_names_are_accepted(tmp_path: Path) -> None:
    path = write(tmp_path, ", designation ,description , productid,imageid\n0,a,b,1,2\n")
    assert read_products(path).to_numpy().tolist() == [["0", "a", "b", "1", "2"]]


def test_a_second_column_called_index_is_refused(tmp_path: Path) -> None:
    text = ",index,designation,description,productid,imageid\n0,0,a,b,1,2\n"
    with pytest.raises(ContractError, match="several columns named index"):
        read_products(write(tmp_path, text))


def test_a_header_alone_has_no_rows(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="no rows"):
        read_products(write(tmp_path, X_HEADER))


def test_absent_tables_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataNotFoundError, match=r"nowhere\.csv"):
        read_products(tmp_path / "nowhere.csv")
    with pytest.raises(DataNotFoundError, match=r"nowhere\.csv"):
        read_labels(tmp_path / "nowhere.csv")


# --- labels --------------------------------------------------------------------------------


def test_labels_are_read_in_file_order(tmp_path: Path) -> None:
    labels = read_labels(write(tmp_path, Y_HEADER + "5,10\n3, 2583 \n4,40\n"))
    assert labels.to_numpy().tolist() == [["5", "10"], ["3", "2583"], ["4", "40"]]


def test_equal_duplicates_of_a_label_fold_into_the_first(tmp_path: Path) -> None:
    labels = read_labels(write(tmp_path, Y_HEADER + "5,10\n3,40\n5,10\n"))
    assert len(labels) == 3
    assert unique_labels(labels).to_numpy().tolist() == [["5", "10"], ["3", "40"]]


def test_two_different_labels_for_an_index_break_the_contract(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="two different labels to index 5") as caught:
        read_labels(write(tmp_path, Y_HEADER + "5,10\n3,40\n5,40\n"))
    assert caught.value.hint


def test_many_torn_labels_are_counted_and_the_first_named(tmp_path: Path) -> None:
    rows = "".join(f"{index},10\n{index},40\n" for index in range(9))
    with pytest.raises(ContractError, match=r"9 indexes \(0, 1, 2, 3, 4, …\)"):
        read_labels(write(tmp_path, Y_HEADER + rows))


@pytest.mark.parametrize("rows", ["", "0,\n1,\n", "0, \n"])
def test_a_file_without_any_label_breaks_the_contract(tmp_path: Path, rows: str) -> None:
    with pytest.raises(ContractError, match="no labels at all"):
        read_labels(write(tmp_path, Y_HEADER + rows))


def test_a_label_file_without_its_column_names_it(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="lacks the column prdtypecode"):
        read_labels(write(tmp_path, ",label\n0,10\n"))


# --- rows ----------------------------------------------------------------------------------


def test_good_rows_have_no_reason() -> None:
    assert row_failures(joined()).tolist() == ["", "", ""]


@pytest.mark.parametrize(
    ("column", "values", "reason"),
    [
        ("index", ["0", "x", "2"], "bad_index"),
        ("index", ["0", "", "2"], "bad_index"),
        ("index", ["0", "1.0", "2"], "bad_index"),
        ("index", ["0", "9" * 19, "2"], "bad_index"),
        ("prdtypecode", ["10", "", "10"], "no_label"),
        ("prdtypecode", ["10", "-40", "10"], "bad_label"),
        ("prdtypecode", ["10", "40.0", "10"], "bad_label"),
        ("prdtypecode", ["10", "jeux", "10"], "bad_label"),
        ("productid", ["10", "", "12"], "bad_product_id"),
        ("productid", ["10", "../../etc/passwd", "12"], "bad_product_id"),
        ("productid", ["10", "-11", "12"], "bad_product_id"),
        ("productid", ["10", "11\n", "12"], "bad_product_id"),
        ("imageid", ["20", "2e3", "22"], "bad_image_id"),
        ("imageid", ["20", "²", "22"], "bad_image_id"),
        ("clean_designation", ["a", "", "c"], "no_content"),
    ],
)
def test_a_bad_value_rejects_its_row_alone(column: str, values: list[str], reason: str) -> None:
    assert row_failures(joined(**{column: values})).tolist() == ["", reason, ""]


def test_any_of_title_description_and_photo_is_content() -> None:
    empty = ["", "", ""]
    frame = joined(clean_designation=empty, clean_description=["", "text", ""])
    assert row_failures(frame).tolist() == ["", "", "no_content"]


def test_equal_copies_of_an_index_keep_their_first_row() -> None:
    frame = pd.concat([joined(), joined()], ignore_index=True)
    assert row_failures(frame).tolist() == ["", "", "", *["duplicate_index"] * 3]


def test_conflicting_rows_of_an_index_are_all_rejected() -> None:
    frame = pd.concat([joined(), joined().iloc[:1].assign(designation="other")], ignore_index=True)
    found = row_failures(frame).tolist()
    assert found == ["conflicting_index", "", "", "conflicting_index"]


def test_the_worst_reason_is_the_one_reported() -> None:
    frame = joined(
        index=["x", "1", "2"],
        prdtypecode=["", "", "40"],
        productid=["?", "?", "?"],
        clean_designation=["", "", ""],
    )
    assert row_failures(frame).tolist() == ["bad_index", "no_label", "bad_product_id"]


def test_every_reason_explains_itself() -> None:
    assert all(reason and words for reason, words in ROW_REASONS.items())
