"""Ingest joins on the index, sets bad rows aside with a reason, and its counts add up."""

import csv
import io
import random
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from rakuten import catalog
from rakuten.data.make_dataset import Dataset, build_dataset, check_images
from rakuten.errors import ContractError, DataNotFoundError

Row = tuple[str, str, str, str, str]

HTML_ONLY = "<p>&nbsp;</p><br/>"


def photo(form: str = "JPEG") -> bytes:
    buffer = io.BytesIO()
    Image.linear_gradient("L").convert("RGB").save(buffer, form)
    return buffer.getvalue()


def product(number: int, **changes: str) -> Row:
    """A good row of X_train.csv whose photo is ``image_<2n>_product_<1n>.jpg``."""
    row = {
        "index": str(number),
        "designation": f"Produit {number}",
        "description": "",
        "productid": f"1{number}",
        "imageid": f"2{number}",
        **changes,
    }
    return row["index"], row["designation"], row["description"], row["productid"], row["imageid"]


def write_rows(path: Path, header: list[str], rows: list[Any]) -> None:
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(header)
        writer.writerows(rows)


def write_catalogue(
    raw: Path,
    products: list[Row],
    labels: list[tuple[str, str]] | None = None,
    photos: dict[int, bytes] | None = None,
) -> Path:
    """Write a catalogue; by default each product has label 10 or 40 and no photo."""
    raw.mkdir(exist_ok=True)
    if labels is None:
        labels = [(row[0], ("10", "40")[place % 2]) for place, row in enumerate(products)]
    write_rows(raw / catalog.X_TRAIN, ["", *catalog.PRODUCT_COLUMNS], products)
    write_rows(raw / catalog.Y_TRAIN, ["", catalog.LABEL], labels)
    for number, data in (photos or {}).items():
        path = raw / catalog.IMAGE_TRAIN / catalog.image_name(f"2{number}", f"1{number}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return raw


def reasons(dataset: Dataset) -> dict[str, str]:
    """Reason of each rejected row of X_train.csv by its index."""
    rows = dataset.rejected[dataset.rejected["source"] == catalog.X_TRAIN]
    return dict(zip(rows["index"], rows["reason"], strict=True))


def accepted(dataset: Dataset) -> list[str]:
    found: list[str] = dataset.merged["index"].tolist()
    return found


def assert_adds_up(dataset: Dataset) -> None:
    report = dataset.report
    assert report.accepted == len(dataset.merged)
    assert report.accepted + sum(report.rejected.values()) == report.x_rows
    used = report.labels_used + report.duplicate_labels + report.labels_without_product
    assert used == report.y_rows
    assert sum(report.images.values()) == report.x_rows
    assert sum(report.image_problems.values()) == report.images["unreadable"]
    assert sum(report.product_types.values()) == report.accepted
    per_source = dataset.rejected["source"].value_counts().to_dict()
    assert per_source.get(catalog.X_TRAIN, 0) == sum(report.rejected.values())
    assert per_source.get(catalog.Y_TRAIN, 0) == report.labels_without_product


def test_rows_are_joined_on_the_index_not_by_position(tmp_path: Path) -> None:
    products = [product(n) for n in range(30)]
    labels = [(str(n), str(1000 + n % 7)) for n in range(30)]
    plain = build_dataset(write_catalogue(tmp_path / "plain", products, labels))
    random.Random(1).shuffle(labels)
    shuffled = build_dataset(write_catalogue(tmp_path / "shuffled", products, labels))
    assert shuffled.merged.equals(plain.merged)
    assert plain.merged["prdtypecode"].tolist() == [str(1000 + n % 7) for n in range(30)]


def test_products_without_a_label_are_rejected(tmp_path: Path) -> None:
    raw = write_catalogue(tmp_path, [product(n) for n in range(5)], [("0", "10"), ("3", "40")])
    dataset = build_dataset(raw)
    assert accepted(dataset) == ["0", "3"]
    assert reasons(dataset) == {"1": "no_label", "2": "no_label", "4": "no_label"}
    assert_adds_up(dataset)


@pytest.mark.parametrize("bad", [False, True], ids=["no-row-rejected", "a-row-rejected"])
def test_labels_without_a_product_are_kept_among_the_rejected(tmp_path: Path, bad: bool) -> None:
    products = [product(0), product(1, productid="?" if bad else "1")]
    raw = write_catalogue(tmp_path, products, [("0", "10"), ("1", "40"), ("8", "2583"), ("9", "")])
    dataset = build_dataset(raw)
    orphans = dataset.rejected[dataset.rejected["source"] == catalog.Y_TRAIN]
    assert sorted(orphans["index"]) == ["8", "9"]
    assert set(orphans["reason"]) == {"label_without_product"}
    assert dict(zip(orphans["index"], orphans["prdtypecode"], strict=True))["8"] == "2583"
    assert len(dataset.rejected) == 2 + bad
    assert_adds_up(dataset)


def test_an_equal_copy_of_a_row_is_rejected_once(tmp_path: Path) -> None:
    raw = write_catalogue(
        tmp_path, [product(0), product(1), product(0)], [("0", "10"), ("1", "40"), ("0", "10")]
    )
    dataset = build_dataset(raw)
    assert accepted(dataset) == ["0", "1"]
    assert reasons(dataset) == {"0": "duplicate_index"}
    assert dataset.report.duplicate_labels == 1
    assert_adds_up(dataset)


def test_different_rows_of_one_index_are_all_rejected(tmp_path: Path) -> None:
    rows = [product(0), product(1), product(0, designation="Autre")]
    dataset = build_dataset(write_catalogue(tmp_path, rows, [("0", "10"), ("1", "40")]))
    assert accepted(dataset) == ["1"]
    assert dataset.report.rejected == {"conflicting_index": 2}
    assert_adds_up(dataset)


def test_two_labels_for_one_index_break_the_contract(tmp_path: Path) -> None:
    raw = write_catalogue(tmp_path, [product(0)], [("0", "10"), ("0", "40")])
    with pytest.raises(ContractError, match="two different labels to index 0"):
        build_dataset(raw)


def test_no_labels_at_all_break_the_contract(tmp_path: Path) -> None:
    raw = write_catalogue(tmp_path, [product(0), product(1)], [("0", ""), ("1", "")])
    with pytest.raises(ContractError, match="no labels at all"):
        build_dataset(raw)


def test_tables_with_no_index_in_common_break_the_contract(tmp_path: Path) -> None:
    raw = write_catalogue(tmp_path, [product(0)], [("7", "10")])
    with pytest.raises(ContractError, match="no index in common"):
        build_dataset(raw)


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    raw = write_catalogue(tmp_path, [product(0)])
    (raw / catalog.Y_TRAIN).unlink()
    with pytest.raises(DataNotFoundError, match=r"Y_train\.csv"):
        build_dataset(raw)


@pytest.mark.parametrize("title", ["", "   ", HTML_ONLY, "\u200b"], ids=ascii)
def test_an_empty_title_needs_a_description_or_a_photo(tmp_path: Path, title: str) -> None:
    rows = [
        product(0, designation=title),
        product(1, designation=title, description="Une description"),
        product(2, designation=title),
        product(3, designation=title, description=HTML_ONLY),
    ]
    dataset = build_dataset(write_catalogue(tmp_path, rows, photos={2: photo()}))
    assert accepted(dataset) == ["1", "2"]
    assert reasons(dataset) == {"0": "no_content", "3": "no_content"}
    assert_adds_up(dataset)


@pytest.mark.parametrize("title", ["null", "NA", "nan", "None", "0"])
def test_a_title_that_spells_nothing_is_a_title(tmp_path: Path, title: str) -> None:
    dataset = build_dataset(write_catalogue(tmp_path, [product(0, designation=title)]))
    assert dataset.merged["designation"].tolist() == [title]


@pytest.mark.parametrize("column", ["productid", "imageid"])
@pytest.mark.parametrize("value", ["../../etc/passwd", "/etc/passwd", "1/../1", "", "1.0", "-1"])
def test_a_bad_identifier_never_reaches_the_file_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, column: str, value: str
) -> None:
    raw = write_catalogue(tmp_path, [product(0), product(1, **{column: value})])
    touched: list[str] = []
    is_file = Path.is_file

    def watch(self: Path) -> bool:
        touched.append(str(self))
        return is_file(self)

    monkeypatch.setattr(Path, "is_file", watch)
    dataset = build_dataset(raw)
    assert accepted(dataset) == ["0"]
    assert reasons(dataset) == {"1": {"productid": "bad_product_id"}.get(column, "bad_image_id")}
    assert touched
    assert all(Path(path).parent == raw / catalog.IMAGE_TRAIN for path in touched)
    assert not [path for path in touched if value and value in Path(path).name]


def test_photos_are_told_apart_by_what_they_hold(tmp_path: Path) -> None:
    good = photo()
    raw = write_catalogue(
        tmp_path,
        [product(n) for n in range(6)],
        photos={
            0: good,
            2: good[: len(good) // 2],
            3: b"",
            4: b"<html>404 Not Found</html>",
            5: photo("PNG"),
        },
    )
    dataset = build_dataset(raw)
    states = dict(zip(dataset.merged["index"], dataset.merged["image_status"], strict=True))
    assert states == {
        "0": "ok",
        "1": "missing",
        "2": "unreadable",
        "3": "unreadable",
        "4": "unreadable",
        "5": "ok",
    }
    assert dataset.report.images == {"ok": 2, "missing": 1, "unreadable": 3}
    assert dataset.report.image_problems == {"truncated": 1, "empty": 1, "not_an_image": 1}
    assert any("image_23_product_13.jpg: empty" in e for e in dataset.report.image_problem_examples)
    hashes = dict(zip(dataset.merged["index"], dataset.merged["image_sha256"], strict=True))
    assert [index for index, digest in hashes.items() if digest] == ["0", "5"]
    assert_adds_up(dataset)


def test_an_unreadable_photo_is_no_content(tmp_path: Path) -> None:
    rows = [product(0), product(1, designation="")]
    dataset = build_dataset(write_catalogue(tmp_path, rows, photos={1: b"broken"}))
    assert reasons(dataset) == {"1": "no_content"}


def test_a_catalogue_without_an_image_folder_is_accepted(tmp_path: Path) -> None:
    dataset = build_dataset(write_catalogue(tmp_path, [product(0), product(1)]))
    assert not (tmp_path / "images").exists()
    assert dataset.report.images == {"ok": 0, "missing": 2, "unreadable": 0}
    assert dataset.report.accepted == 2


def test_image_paths_are_relative_to_the_catalogue(tmp_path: Path) -> None:
    raw = write_catalogue(tmp_path, [product(0)], photos={0: photo()})
    path = build_dataset(raw).merged["image_path"].item()
    assert path == "images/image_train/image_20_product_10.jpg"
    assert (raw / path).is_file()


def test_when_every_row_is_bad_the_counts_are_told(tmp_path: Path) -> None:
    rows = [product(0, productid="x"), product(1, productid="y"), product(2, designation="")]
    with pytest.raises(ContractError, match="Not one training row") as caught:
        build_dataset(write_catalogue(tmp_path, rows))
    assert "bad_product_id: 2" in caught.value.message
    assert "no_content: 1" in caught.value.message


def test_a_type_seen_once_is_accepted(tmp_path: Path) -> None:
    labels = [("0", "10"), ("1", "10"), ("2", "2905")]
    dataset = build_dataset(write_catalogue(tmp_path, [product(n) for n in range(3)], labels))
    assert dataset.report.product_types == {"10": 2, "2905": 1}


def test_rejected_rows_keep_what_they_said(tmp_path: Path) -> None:
    rows = [product(0), product(1, designation="Été, «été»", imageid="x")]
    rejected = build_dataset(write_catalogue(tmp_path, rows)).rejected
    assert rejected.to_numpy().tolist() == [
        ["1", "X_train.csv", "bad_image_id", "Été, «été»", "", "11", "x", "40", "missing"]
    ]


def test_all_flaws_together_add_up(tmp_path: Path) -> None:
    rows = [
        *[product(n) for n in range(10)],
        product(3),
        product(4, designation="Autre"),
        product(20, designation=HTML_ONLY),
        product(21, productid="x"),
        product(22, imageid="x"),
        product(23, index="zz"),
        product(24),
        product(25),
    ]
    labels = [(str(n), "10") for n in range(10)]
    labels += [("20", "10"), ("21", "10"), ("22", "10"), ("zz", "10"), ("25", "dix")]
    labels += [("3", "10"), ("99", "40")]
    dataset = build_dataset(write_catalogue(tmp_path, rows, labels, {0: photo(), 1: b"?"}))
    assert dataset.report.rejected == {
        "bad_index": 1,
        "conflicting_index": 2,
        "duplicate_index": 1,
        "no_label": 1,
        "bad_label": 1,
        "bad_product_id": 1,
        "bad_image_id": 1,
        "no_content": 1,
    }
    assert_adds_up(dataset)


def test_the_sample_catalogue_adds_up(sample_catalogue: Path) -> None:
    dataset = build_dataset(sample_catalogue, threads=2)
    assert_adds_up(dataset)
    assert dataset.report.images["unreadable"] > 0
    assert dataset.report.images["missing"] > 0
    one_thread = build_dataset(sample_catalogue, threads=1)
    assert one_thread.merged.equals(dataset.merged)
    assert one_thread.rejected.equals(dataset.rejected)
    assert one_thread.report == dataset.report


def test_progress_reaches_the_total(tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    check_images(
        [tmp_path / str(n) for n in range(150)], progress=lambda a, b: calls.append((a, b))
    )
    assert calls[-1] == (150, 150)
    assert [done for done, _ in calls] == sorted(done for done, _ in calls)
