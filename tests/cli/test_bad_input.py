"""Bad input as a user meets it: the command says what is wrong and what to do."""

import csv
import json
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from PIL import Image

from rakuten.io import read_csv
from rakuten.params import Params
from rakuten.settings import ProjectPaths
from rakuten.stages.train import TrainOutcome
from tests.cli.conftest import Answer


@dataclass
class Catalogue:
    """A project whose raw files a test spoils."""

    paths: ProjectPaths

    @property
    def root(self) -> Path:
        return self.paths.root

    def table(self, name: str) -> list[list[str]]:
        with (self.paths.raw / name).open(encoding="utf-8", newline="") as handle:
            return list(csv.reader(handle))

    def write(self, name: str, rows: list[list[str]]) -> None:
        with (self.paths.raw / name).open("w", encoding="utf-8", newline="") as handle:
            csv.writer(handle, lineterminator="\n").writerows(rows)

    def photo(self, row: list[str]) -> Path:
        name = f"image_{row[4]}_product_{row[3]}.jpg"
        return self.paths.raw / "images/image_train" / name

    def report(self) -> dict[str, object]:
        found: dict[str, object] = json.loads(
            (self.paths.interim / "ingest_report.json").read_text()
        )
        return found


@pytest.fixture
def catalogue(
    sample_catalogue: Path, quick_params: Params, make_project: Callable[[Path], ProjectPaths]
) -> Catalogue:
    paths = make_project(sample_catalogue)
    paths.params.write_text(yaml.safe_dump(quick_params.model_dump(mode="json")))
    return Catalogue(paths)


def _refused(answer: Answer, *words: str) -> None:
    assert answer.code != 0, answer.out
    assert "Traceback" not in answer.err
    assert "error: " in answer.err
    assert "→" in answer.err, f"no advice in: {answer.err}"
    for word in words:
        assert word in answer.err, answer.err


def test_no_catalogue(rakuten: Callable[..., Answer], tmp_path: Path) -> None:
    (tmp_path / "params.yaml").touch()
    _refused(rakuten("--root", tmp_path, "ingest"), "X_train.csv", "rakuten data import")


def test_the_challenges_own_names_in_place(
    rakuten: Callable[..., Answer], catalogue: Catalogue
) -> None:
    (catalogue.paths.raw / "X_train.csv").rename(catalogue.paths.raw / "X_train_update.csv")
    _refused(rakuten("--root", catalogue.root, "ingest"), "data import", "data/raw")


def test_a_missing_column(rakuten: Callable[..., Answer], catalogue: Catalogue) -> None:
    rows = catalogue.table("X_train.csv")
    catalogue.write("X_train.csv", [[cell for k, cell in enumerate(r) if k != 2] for r in rows])
    _refused(rakuten("--root", catalogue.root, "ingest"), "description", "X_train.csv")


def test_no_labels_at_all(rakuten: Callable[..., Answer], catalogue: Catalogue) -> None:
    rows = catalogue.table("Y_train.csv")
    catalogue.write("Y_train.csv", [rows[0], *([row[0], ""] for row in rows[1:])])
    _refused(rakuten("--root", catalogue.root, "ingest"), "no labels at all")


def test_two_different_labels_for_one_index(
    rakuten: Callable[..., Answer], catalogue: Catalogue
) -> None:
    rows = catalogue.table("Y_train.csv")
    other = "10" if rows[5][1] != "10" else "40"
    catalogue.write("Y_train.csv", [*rows, [rows[5][0], other]])
    _refused(rakuten("--root", catalogue.root, "ingest"), "two different labels", rows[5][0])


def test_files_that_do_not_belong_together(
    rakuten: Callable[..., Answer], catalogue: Catalogue
) -> None:
    rows = catalogue.table("Y_train.csv")
    catalogue.write("Y_train.csv", [rows[0], *([f"9{row[0]}999", row[1]] for row in rows[1:])])
    _refused(rakuten("--root", catalogue.root, "ingest"), "no index in common")


def test_a_file_that_is_not_utf8(rakuten: Callable[..., Answer], catalogue: Catalogue) -> None:
    path = catalogue.paths.raw / "X_train.csv"
    text = path.read_text(encoding="utf-8")
    path.write_bytes(text.encode("cp1252", "replace"))
    _refused(rakuten("--root", catalogue.root, "ingest"), "not UTF-8", "line", "iconv")


def test_a_folder_that_refuses_writing(
    rakuten: Callable[..., Answer], trained_project: tuple[ProjectPaths, TrainOutcome]
) -> None:
    root = trained_project[0].root
    # /sys refuses new files to everybody, root included.
    answer = rakuten(
        "--root", root, "predict", "--input", root / "data/raw/X_test.csv",
        "--output", "/sys/predictions.csv",
    )  # fmt: skip
    _refused(answer, "predict was not started", "/sys cannot be written")


def test_a_parameter_that_cannot_be_used(
    rakuten: Callable[..., Answer], catalogue: Catalogue
) -> None:
    catalogue.paths.params.write_text("train:\n  folds: many\n")
    _refused(rakuten("--root", catalogue.root, "features"), "train.folds", "many")


def test_a_stage_before_its_turn(rakuten: Callable[..., Answer], catalogue: Catalogue) -> None:
    _refused(rakuten("--root", catalogue.root, "features"), "rakuten ingest")
    _refused(rakuten("--root", catalogue.root, "train"), "rakuten features")
    _refused(rakuten("--root", catalogue.root, "predict"), "no model", "rakuten train")


def test_shuffled_labels_change_nothing(
    rakuten: Callable[..., Answer], catalogue: Catalogue
) -> None:
    assert rakuten("--root", catalogue.root, "ingest").code == 0
    before = (catalogue.paths.interim / "merged_train.csv").read_bytes()
    header, *rows = catalogue.table("Y_train.csv")
    catalogue.write("Y_train.csv", [header, *rows[::-1]])
    assert rakuten("--root", catalogue.root, "ingest").code == 0
    assert (catalogue.paths.interim / "merged_train.csv").read_bytes() == before


def _bomb() -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )


@pytest.mark.slow
def test_bad_rows_are_set_aside_and_the_rest_runs_to_predictions(
    rakuten: Callable[..., Answer], catalogue: Catalogue
) -> None:
    header, *rows = catalogue.table("X_train.csv")
    label_header, *labels = catalogue.table("Y_train.csv")
    by_index = {row[0]: row for row in rows}
    sound = [row for row in rows if catalogue.photo(row).is_file() and row[2]]
    spoiled = {name: sound[k][0] for k, name in enumerate(_SPOILERS)}
    for name, index in spoiled.items():
        _SPOILERS[name](catalogue, by_index[index])
    copy, torn, unlabelled = sound[20], sound[21], sound[22]
    rows += [copy, [torn[0], "quite another product", "", "1", "2"]]
    labels = [row for row in labels if row[0] != unlabelled[0]]
    labels += [["999999", "10"], labels[3]]
    once = ["888888", "seul de son espèce", "", "77", "78"]
    rows.append(once)
    labels.append(["888888", "4242"])
    catalogue.write("X_train.csv", [header, *rows])
    catalogue.write("Y_train.csv", [label_header, *labels])

    assert rakuten("--root", catalogue.root, "ingest").code == 0
    report = catalogue.report()
    assert report["rejected"] == {
        "conflicting_index": 2,
        "duplicate_index": 1,
        "no_label": 1,
        "bad_product_id": 1,
        "no_content": 1,
    }
    assert report["labels_without_product"] == 1
    assert report["duplicate_labels"] == 1
    assert report["accepted"] == len(rows) - 6
    merged = read_csv(catalogue.paths.interim / "merged_train.csv").set_index("index")
    assert merged.loc[spoiled["null title"], "designation"] == "null"
    assert merged.loc[spoiled["empty title"], "designation"] == ""
    for name in ("truncated photo", "text as photo", "zero bytes", "huge photo"):
        assert merged.loc[spoiled[name], "image_status"] == "unreadable"
    assert merged.loc[spoiled["png as jpg"], "image_status"] == "ok"
    problems = report["image_problems"]
    assert isinstance(problems, dict)
    assert {"truncated", "not_an_image", "empty", "too_large"} <= set(problems)

    for stage in ("features", "train", "predict"):
        answer = rakuten("--root", catalogue.root, stage)
        assert answer.code == 0, answer.err
    model = json.loads((catalogue.paths.model / "manifest.json").read_text())
    assert 4242 in [entry["code"] for entry in model["classes"]]
    held_out = read_csv(catalogue.paths.processed / "heldout.csv")
    assert "888888" not in held_out["index"].tolist()


def _rewrite(row: list[str], column: int, value: str) -> None:
    row[column] = value


def _empty(catalogue: Catalogue, row: list[str]) -> None:
    catalogue.photo(row).unlink()
    row[1], row[2] = " ", ""


_SPOILERS: dict[str, Callable[[Catalogue, list[str]], object]] = {
    "null title": lambda _, r: _rewrite(r, 1, "null"),
    "empty title": lambda _, r: _rewrite(r, 1, ""),
    "markup title": lambda _, r: _rewrite(r, 1, "<p><br/></p>&nbsp;"),
    "NUL in title": lambda _, r: _rewrite(r, 1, f"a\x00b {r[1]}"),
    "truncated photo": lambda c, r: c.photo(r).write_bytes(c.photo(r).read_bytes()[:2000]),
    "text as photo": lambda c, r: c.photo(r).write_text("this is not a photo"),
    "zero bytes": lambda c, r: c.photo(r).write_bytes(b""),
    "huge photo": lambda c, r: c.photo(r).write_bytes(_bomb()),
    "png as jpg": lambda c, r: Image.new("RGB", (50, 50), "blue").save(c.photo(r), "PNG"),
    "path as number": lambda _, r: _rewrite(r, 3, "../../../etc/passwd"),
    "nothing at all": _empty,
}


@pytest.mark.slow
def test_every_test_row_gets_an_answer_however_bad(
    rakuten: Callable[..., Answer],
    trained_project: tuple[ProjectPaths, TrainOutcome],
    tmp_path: Path,
) -> None:
    table = tmp_path / "new.csv"
    rows = [
        ["7", "Console portable 32 Go", "", "1", "2"],
        ["7", "", "", "", ""],
        ["x", "null", "NA", "../../etc/passwd", "3"],
        ["9", "<br/>\x00", "\r\n", "5", "6"],
    ]
    with table.open("w", encoding="utf-8", newline="") as handle:
        csv.writer(handle).writerows(
            [["", "designation", "description", "productid", "imageid"], *rows]
        )
    root, output = trained_project[0].root, tmp_path / "scored.csv"
    answer = rakuten("--root", root, "predict", "--input", table, "--output", output)
    assert answer.code == 0, answer.err
    found = read_csv(output)
    assert found["index"].tolist() == ["7", "7", "x", "9"]
    assert found["decision"].tolist()[1] == "review"
    assert found["decision"].tolist()[3] == "review"
    form = tmp_path / "submission.csv"
    rakuten("--root", root, "predict", "--input", table, "--output", form, "--format", "challenge")
    assert form.read_text().splitlines()[0].replace('"', "") == ",prdtypecode"
