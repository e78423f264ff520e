"""A predictions file against labels: what is joined, and what is refused."""

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from rakuten.errors import ContractError, DataNotFoundError
from rakuten.models.evaluate import Evaluation
from rakuten.stages.evaluate import evaluate_predictions

TEXT = ["", "designation", "description", "productid", "imageid"]
HEADER = ["index", "productid", "imageid", "prdtypecode", "label", "confidence", "decision"]


@dataclass
class Files:
    """The three files of an evaluation and a photo folder, which a test spoils."""

    folder: Path

    def write(self, name: str, rows: list[list[str]]) -> Path:
        path = self.folder / name
        with path.open("w", encoding="utf-8", newline="") as handle:
            csv.writer(handle, lineterminator="\n").writerows(rows)
        return path

    def read(self, name: str) -> list[list[str]]:
        with (self.folder / name).open(encoding="utf-8", newline="") as handle:
            return list(csv.reader(handle))

    def change(self, name: str, spoil: Callable[[list[list[str]]], object]) -> None:
        rows = self.read(name)
        spoil(rows)
        self.write(name, rows)

    def evaluate(self, *, images: bool = True, names: dict[int, str] | None = None) -> Evaluation:
        return evaluate_predictions(
            self.folder / "predictions.csv",
            self.folder / "labels.csv",
            self.folder / "table.csv",
            self.folder / "photos" if images else None,
            names or {},
        )


@pytest.fixture
def files(tmp_path: Path) -> Files:
    made = Files(tmp_path)
    products = [[str(7 * k), f"Jeu de société {k}", "", str(k), str(k + 50)] for k in range(6)]
    answers = ["10", "10", "40", "40", "40", "50"]
    made.write("table.csv", [TEXT, *products])
    decisions = ["auto" if code == "40" else "review" for code in answers]
    predictions = [
        [product[0], *product[3:], code, f"type {code}", "0.75", decision]
        for product, code, decision in zip(products, answers, decisions, strict=True)
    ]
    made.write("predictions.csv", [HEADER, *predictions])
    truth = ["10", "40", "40", "40", "10", "60"]
    labels = [[p[0], code] for p, code in zip(products, truth, strict=True)]
    made.write("labels.csv", [["", "prdtypecode"], *labels[::-1]])
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (40, 40), "red").save(tmp_path / "photos/image_50_product_0.jpg")
    (tmp_path / "photos/image_51_product_1.jpg").write_text("not a photo")
    return made


def test_labels_are_joined_on_the_index_whatever_their_order(files: Files) -> None:
    found = files.evaluate(names={60: "six", 10: "another"})
    assert (found.rows, found.unlabelled, found.unpredicted) == (6, 0, 0)
    assert found.scores["accuracy"] == pytest.approx(3 / 6)
    assert (found.automatic.count, found.automatic.correct) == (3, 2)
    assert [(p.actual, p.predicted) for p in found.confused] == [(10, 40), (40, 10), (60, 50)]
    assert found.confused[0].examples[0].designation == "Jeu de société 4"
    assert found.confused[0].examples[0].index == "28"
    labels = {scores.prdtypecode: scores.label for scores in found.per_class}
    assert labels == {10: "type 10", 40: "type 40", 50: "type 50", 60: "six"}
    assert found.never_predicted == [60]


def test_a_photo_counts_where_it_decodes(files: Files) -> None:
    rows = {(s.dimension, s.name): s.rows for s in files.evaluate().slices}
    assert rows["content", "text and photo"] == 1
    assert rows["content", "text only"] == 5
    rows = {(s.dimension, s.name): s.rows for s in files.evaluate(images=False).slices}
    assert rows["content", "text only"] == 6


def test_rows_without_a_partner_are_counted(files: Files) -> None:
    files.change("labels.csv", lambda rows: rows.__setitem__(1, ["999", "10"]))
    files.change("predictions.csv", lambda rows: rows.pop(1))
    found = files.evaluate()
    assert (found.rows, found.unlabelled, found.unpredicted) == (4, 1, 2)


def _cell(row: int, column: int, value: str) -> Callable[[list[list[str]]], object]:
    return lambda rows: rows[row].__setitem__(column, value)


@pytest.mark.parametrize(
    ("name", "spoil", "message"),
    [
        ("labels.csv", _cell(0, 1, "category"), "lacks the column prdtypecode"),
        ("labels.csv", _cell(2, 1, "toys"), "prdtypecode of index 28 cannot be 'toys'"),
        ("labels.csv", _cell(2, 1, ""), "prdtypecode of index 28 cannot be ''"),
        ("labels.csv", lambda rows: rows.append(["0", "50"]), "two different labels to index 0"),
        ("labels.csv", lambda rows: rows.__delitem__(slice(1, None)), "no labels at all"),
        (
            "labels.csv",
            lambda rows: rows.__setitem__(slice(1, None), [["-1", "10"]]),
            "no index in common",
        ),
        ("predictions.csv", _cell(0, 5, "score"), "lacks confidence"),
        ("predictions.csv", _cell(0, 0, ""), "lacks index"),
        ("predictions.csv", _cell(3, 5, "nan"), "confidence of index 14 cannot be 'nan'"),
        ("predictions.csv", _cell(3, 5, "1.2"), "confidence of index 14 cannot be '1.2'"),
        ("predictions.csv", _cell(3, 5, "high"), "confidence of index 14 cannot be 'high'"),
        ("predictions.csv", _cell(3, 6, "AUTO"), "decision of index 14 cannot be 'AUTO'"),
        ("predictions.csv", _cell(3, 3, "4.0"), "prdtypecode of index 14 cannot be '4.0'"),
        ("predictions.csv", lambda rows: rows.append(rows[2]), "several rows for index 7"),
        ("predictions.csv", lambda rows: rows.__delitem__(slice(1, None)), "header but no rows"),
        ("predictions.csv", _cell(2, 0, "8"), "was not made from"),
        ("predictions.csv", _cell(2, 1, "99"), "was not made from"),
        ("predictions.csv", _cell(2, 2, "99"), "was not made from"),
        ("table.csv", lambda rows: rows.pop(3), "was not made from"),
        ("table.csv", lambda rows: rows.append(rows[3]), "was not made from"),
        ("table.csv", _cell(0, 1, "title"), "lacks the column designation"),
    ],
)
def test_files_that_cannot_be_scored_are_refused(
    files: Files, name: str, spoil: Callable[[list[list[str]]], object], message: str
) -> None:
    files.change(name, spoil)
    with pytest.raises(ContractError) as error:
        files.evaluate()
    assert message in error.value.message
    assert name in error.value.message
    assert error.value.hint


@pytest.mark.parametrize("name", ["labels.csv", "predictions.csv", "table.csv"])
def test_a_file_that_is_not_there_is_named(files: Files, name: str) -> None:
    (files.folder / name).unlink()
    with pytest.raises(DataNotFoundError, match=name):
        files.evaluate()


def test_a_photo_folder_that_is_not_there_is_named(files: Files) -> None:
    (files.folder / "photos").rename(files.folder / "elsewhere")
    with pytest.raises(DataNotFoundError, match="photos") as error:
        files.evaluate()
    assert "--images" in str(error.value)


def test_equal_labels_given_twice_are_one(files: Files) -> None:
    files.change("labels.csv", lambda rows: rows.append(rows[1]))
    assert files.evaluate().unpredicted == 0
