"""The synthetic catalogue keeps the challenge's format and its habits, byte for byte."""

import csv
import hashlib
import io
import json
from collections import Counter
from difflib import SequenceMatcher
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rakuten import catalog
from rakuten.data import sample
from rakuten.data.sample import SampleReport, make_sample
from rakuten.data.sample_listings import write_listing
from rakuten.data.sample_words import SHARES
from rakuten.errors import ConfigurationError, StorageError

ROWS = 300

Rows = list[dict[str, str]]


def read(path: Path) -> Rows:
    with path.open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def contents(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def photo(folder: Path, row: dict[str, str]) -> Path:
    return catalog.image_path(folder, row[catalog.IMAGE_ID], row[catalog.PRODUCT_ID])


def decodes(path: Path) -> bool:
    try:
        with Image.open(io.BytesIO(path.read_bytes())) as image:
            image.load()
            return image.size == (500, 500)
    except OSError:
        return False


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, SampleReport]:
    out = tmp_path_factory.mktemp("sample") / "raw"
    return out, make_sample(out, rows=ROWS, seed=42)


@pytest.fixture(scope="module")
def out(made: tuple[Path, SampleReport]) -> Path:
    return made[0]


@pytest.fixture(scope="module")
def report(made: tuple[Path, SampleReport]) -> SampleReport:
    return made[1]


def test_same_seed_writes_the_same_bytes_whatever_the_number_of_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_sample(tmp_path / "one", rows=120, seed=3)
    monkeypatch.setattr(sample, "_IN_PROCESS_BELOW", 0)
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    make_sample(tmp_path / "two", rows=120, seed=3)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_another_seed_writes_other_products(out: Path, tmp_path: Path) -> None:
    make_sample(tmp_path / "other", rows=ROWS, seed=43)
    ours, theirs = contents(out), contents(tmp_path / "other")
    assert ours[catalog.X_TRAIN] != theirs[catalog.X_TRAIN]
    photos = {digest for name, digest in ours.items() if name.endswith(".jpg")}
    shared = photos & {digest for name, digest in theirs.items() if name.endswith(".jpg")}
    # Empty files and error pages are the same bytes everywhere.
    assert len(shared) <= 2


def test_headers_and_line_ends_are_the_challenge_s(out: Path) -> None:
    first_lines = {
        catalog.X_TRAIN: b",designation,description,productid,imageid\n",
        catalog.Y_TRAIN: b",prdtypecode\n",
        catalog.X_TEST: b",designation,description,productid,imageid\n",
        catalog.Y_TEST: b",prdtypecode\n",
    }
    for name, header in first_lines.items():
        data = (out / name).read_bytes()
        assert data.startswith(header)
        assert b"\r" not in data


def test_index_runs_through_train_and_test(out: Path, report: SampleReport) -> None:
    train, test = read(out / catalog.X_TRAIN), read(out / catalog.X_TEST)
    assert [row[""] for row in train + test] == [str(i) for i in range(ROWS)]
    assert [row[""] for row in read(out / catalog.Y_TRAIN)] == [row[""] for row in train]
    assert [row[""] for row in read(out / catalog.Y_TEST)] == [row[""] for row in test]
    assert (report.train_rows, report.test_rows) == (len(train), len(test))
    assert len(train) / ROWS == pytest.approx(84_916 / 98_728, abs=0.01)


def test_product_and_image_ids_are_unique(out: Path) -> None:
    rows = read(out / catalog.X_TRAIN) + read(out / catalog.X_TEST)
    assert len({row[catalog.PRODUCT_ID] for row in rows}) == ROWS
    assert len({row[catalog.IMAGE_ID] for row in rows}) == ROWS


def test_counts_in_the_report_are_those_of_the_files(out: Path, report: SampleReport) -> None:
    photos = list((out / "images").rglob("*.jpg"))
    assert report.images == len(photos)
    assert report.images + report.missing_images == ROWS
    assert report.broken_images == sum(not decodes(path) for path in photos)
    for folder, name in (
        (catalog.IMAGE_TRAIN, catalog.X_TRAIN),
        (catalog.IMAGE_TEST, catalog.X_TEST),
    ):
        expected = {photo(out / folder, row) for row in read(out / name)}
        assert set((out / folder).iterdir()) <= expected


def test_photos_are_small_500_pixel_jpegs_but_for_the_flawed(
    out: Path, report: SampleReport
) -> None:
    whole = [path for path in (out / "images").rglob("*.jpg") if decodes(path)]
    formats: Counter[str | None] = Counter()
    for path in whole:
        with Image.open(path) as image:
            formats[image.format] += 1
    assert set(formats) == {"JPEG", "PNG"}
    assert formats["PNG"] <= 2
    assert sum(path.stat().st_size for path in whole) / len(whole) < 25_000
    assert report.missing_images >= 1


def test_each_kind_of_broken_photo_occurs(out: Path) -> None:
    broken = [path.read_bytes() for path in (out / "images").rglob("*.jpg") if not decodes(path)]
    assert b"" in broken
    assert any(data.startswith(b"<html>") for data in broken)
    assert any(data.startswith(b"\xff\xd8") for data in broken)


@pytest.mark.parametrize("rows", [60, 61, 150])
def test_all_product_types_occur_at_least_twice(tmp_path: Path, rows: int) -> None:
    report = make_sample(tmp_path / "raw", rows=rows, seed=1)
    labels = Counter(row[catalog.LABEL] for row in read(tmp_path / "raw" / catalog.Y_TRAIN))
    assert set(labels) == {str(code) for code in catalog.PRODUCT_TYPES}
    assert min(labels.values()) >= 2
    assert report.classes == len(catalog.PRODUCT_TYPES)


def test_types_are_as_unbalanced_as_published(out: Path) -> None:
    labels = Counter(row[catalog.LABEL] for row in read(out / catalog.Y_TRAIN))
    assert labels.most_common(1)[0][0] == "2583"
    assert set(SHARES) == set(catalog.PRODUCT_TYPES)
    assert sum(SHARES.values()) == 84_916


def test_names_of_the_types_come_along(out: Path) -> None:
    names = json.loads((out / catalog.PRODUCT_TYPES_FILE).read_text(encoding="utf-8"))
    assert names == {str(code): name for code, name in catalog.PRODUCT_TYPES.items()}


def test_marker_tells_the_recipe_and_the_content(out: Path) -> None:
    digest = hashlib.sha256((out / catalog.X_TRAIN).read_bytes()).hexdigest()
    marker = json.loads((out / sample.MARKER).read_text(encoding="utf-8"))
    assert marker == {"generator": 2, "rows": ROWS, "seed": 42, "x_train_sha256": digest}


def test_about_a_third_of_the_listings_have_no_description(out: Path) -> None:
    rows = read(out / catalog.X_TRAIN)
    share = sum(not row[catalog.DESCRIPTION] for row in rows) / len(rows)
    assert share == pytest.approx(0.35, abs=0.07)


def test_descriptions_hold_markup_entities_and_accents(out: Path) -> None:
    text = "".join(row[catalog.DESCRIPTION] for row in read(out / catalog.X_TRAIN))
    for piece in ("<br />", "<b>", "<ul><li>", "<p>", "&eacute;", "&#39;", "&nbsp;", "é", "•"):
        assert piece in text


def test_no_slot_is_left_unfilled() -> None:
    rng = np.random.default_rng(0)
    for kind in catalog.PRODUCT_TYPES:
        for _ in range(40):
            title, description = write_listing(rng, kind, described=True)
            assert title.strip()
            assert description
            assert "{" not in title + description


def test_a_lost_title_leaves_a_description(out: Path) -> None:
    rows = read(out / catalog.X_TRAIN) + read(out / catalog.X_TEST)
    untitled = [row for row in rows if row[catalog.DESIGNATION] == ""]
    assert 1 <= len(untitled) <= 5
    assert all(row[catalog.DESCRIPTION] for row in untitled)


def test_near_duplicates_share_photo_and_words(out: Path) -> None:
    rows = read(out / catalog.X_TRAIN)
    photos = {row[""]: photo(out / catalog.IMAGE_TRAIN, row) for row in rows}
    data = {index: path.read_bytes() for index, path in photos.items() if decodes(path)}
    pairs = [
        (first, second)
        for first, second in combinations(rows, 2)
        if data.get(first[""]) and data.get(first[""]) == data.get(second[""])
    ]
    assert pairs
    for first, second in pairs:
        titles = [row[catalog.DESIGNATION].casefold() for row in (first, second)]
        assert SequenceMatcher(None, titles[0], titles[1]).ratio() > 0.6


def test_progress_counts_up_to_all_photos(tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    report = make_sample(
        tmp_path / "raw", rows=70, seed=5, progress=lambda done, total: calls.append((done, total))
    )
    assert calls == sorted(calls)
    assert calls[-1] == (report.images, report.images)


def test_an_empty_folder_is_accepted(tmp_path: Path) -> None:
    assert make_sample(tmp_path, rows=60).train_rows == 54


def test_a_folder_with_content_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "X_train.csv").write_text("mine", encoding="utf-8")
    with pytest.raises(StorageError, match="not empty") as caught:
        make_sample(tmp_path, rows=60)
    assert caught.value.hint
    assert [path.name for path in tmp_path.iterdir()] == ["X_train.csv"]
    assert (tmp_path / "X_train.csv").read_text(encoding="utf-8") == "mine"


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "raw").write_text("", encoding="utf-8")
    with pytest.raises(StorageError, match="is a file"):
        make_sample(tmp_path / "raw", rows=60)


@pytest.mark.parametrize(("rows", "seed"), [(59, 42), (0, 42), (60, -1)])
def test_impossible_sizes_and_seeds_are_refused_before_anything_is_written(
    tmp_path: Path, rows: int, seed: int
) -> None:
    with pytest.raises(ConfigurationError):
        make_sample(tmp_path / "raw", rows=rows, seed=seed)
    assert not (tmp_path / "raw").exists()
