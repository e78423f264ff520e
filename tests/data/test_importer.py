"""A catalogue comes into data/raw whole or not at all, and nothing of the user's is lost."""

import csv
import errno
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from rakuten import catalog, io
from rakuten.data.importer import import_catalogue
from rakuten.data.raw_folder import raw_state
from rakuten.errors import ContractError, DataNotFoundError, StorageError

TYPES = (10, 2583, 9999)
"""Two types with a built-in name and one without."""


def write_table(path: Path, header: list[str], rows: list[list[object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as handle:
        csv.writer(handle).writerows([header, *rows])


def write_photo(path: Path, shade: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (8, 8), shade).save(path, "JPEG")


def make_catalogue(
    folder: Path, *, first: int = 0, download_names: bool = False, photos: bool = True
) -> Path:
    """Six training and two test products, numbered from ``first``."""
    folder.mkdir(parents=True, exist_ok=True)
    names = {n: d if download_names else n for n, d in catalog.CHALLENGE_NAMES.items()}
    numbers = [first + place for place in range(8)]
    products: list[list[object]] = [
        [number, f"title {number}, blue", "", 1000 + number, 5000 + number] for number in numbers
    ]
    labels: list[list[object]] = [[number, TYPES[number % 3]] for number in numbers]
    header = ["", *catalog.PRODUCT_COLUMNS]
    write_table(folder / names[catalog.X_TRAIN], header, products[:6])
    write_table(folder / names[catalog.X_TEST], header, products[6:])
    write_table(folder / names[catalog.Y_TRAIN], ["", catalog.LABEL], labels[:6])
    for number in numbers if photos else []:
        part = catalog.IMAGE_TRAIN if number < first + 6 else catalog.IMAGE_TEST
        write_photo(folder / part / photo_name(number), number)
    return folder


def photo_name(number: int) -> str:
    return catalog.image_name(str(5000 + number), str(1000 + number))


def make_sample_folder(folder: Path) -> Path:
    make_catalogue(folder, first=500)
    digest = hashlib.sha256((folder / catalog.X_TRAIN).read_bytes()).hexdigest()
    marker = {"generator": 1, "rows": 8, "seed": 1, "x_train_sha256": digest}
    (folder / "sample.json").write_text(json.dumps(marker))
    shutil.copy2(folder / catalog.Y_TRAIN, folder / catalog.Y_TEST)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def beside(target: Path) -> set[str]:
    """What lies beside ``target``, without the lock file, which stays."""
    return {path.name for path in target.parent.iterdir()} - {f".{target.name}.lock"}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return make_catalogue(tmp_path / "source")


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "data" / "raw"


@pytest.fixture
def occupied(target: Path) -> Path:
    """A target that holds a catalogue of the user's."""
    make_catalogue(target, first=100)
    (target / ".gitkeep").touch()
    return target


@pytest.mark.parametrize("download_names", [False, True])
def test_either_naming_arrives_under_canonical_names(
    tmp_path: Path, target: Path, download_names: bool
) -> None:
    source = make_catalogue(tmp_path / "source", download_names=download_names)
    report = import_catalogue(source, target)
    expected = contents(make_catalogue(tmp_path / "expected"))
    found = contents(target)
    names = json.loads(found.pop(catalog.PRODUCT_TYPES_FILE))
    assert found == expected
    assert names == {"10": "livres d'occasion", "2583": "piscine et accessoires", "9999": "9999"}
    assert (report.train_rows, report.test_rows, report.product_types) == (6, 2, 3)
    assert (report.train_images, report.test_images) == (6, 2)
    assert (report.warnings, report.replaced) == ((), "nothing")
    assert beside(target) == {"raw"}


def test_equal_files_under_both_names_are_one(source: Path, target: Path) -> None:
    shutil.copy2(source / "X_train.csv", source / "X_train_update.csv")
    import_catalogue(source, target)
    assert "X_train_update.csv" not in contents(target)


def test_different_files_under_both_names_are_refused(source: Path, target: Path) -> None:
    (source / "Y_train_CVw08PX.csv").write_text(",prdtypecode\n0,10\n")
    with pytest.raises(ContractError, match=r"both Y_train\.csv and Y_train_CVw08PX\.csv"):
        import_catalogue(source, target)
    assert raw_state(target) == "absent"


def test_no_photos_is_a_warning_and_leaves_empty_folders(tmp_path: Path, target: Path) -> None:
    report = import_catalogue(make_catalogue(tmp_path / "source", photos=False), target)
    assert "no photos: text only" in report.warnings
    for folder in (catalog.IMAGE_TRAIN, catalog.IMAGE_TEST):
        assert list((target / folder).iterdir()) == []


def test_absent_and_foreign_photos_are_counted(source: Path, target: Path) -> None:
    folder = source / catalog.IMAGE_TRAIN
    (folder / photo_name(2)).unlink()
    write_photo(folder / photo_name(77), 1)
    (folder / "image_1_product_2.png").touch()
    (folder / "Thumbs.db").touch()
    (folder / ".DS_Store").touch()
    report = import_catalogue(source, target)
    kinds = [warning.split(" in ")[0] for warning in report.warnings]
    assert kinds == ["1 of 6 products have no photo file", "1 photos", "2 files"]
    brought = {path.name for path in (target / catalog.IMAGE_TRAIN).iterdir()}
    assert brought == {photo_name(number) for number in (0, 1, 3, 4, 5, 77)}


def test_names_of_the_source_are_copied(source: Path, target: Path) -> None:
    (source / "product_types.json").write_text('{"10":   "books", "77": "été"}', encoding="utf-8")
    import_catalogue(source, target)
    assert contents(target)["product_types.json"] == '{"10":   "books", "77": "été"}'.encode()


@pytest.mark.parametrize("text", ['["books"]', '{"books": "10"}', '{"10": 3}', '{"10": "a"'])
def test_bad_names_are_refused(source: Path, target: Path, text: str) -> None:
    (source / "product_types.json").write_text(text)
    with pytest.raises(ContractError, match=r"product_types\.json"):
        import_catalogue(source, target)
    assert raw_state(target) == "absent"


def test_test_labels_and_sample_marker_are_never_copied(tmp_path: Path, target: Path) -> None:
    import_catalogue(make_sample_folder(tmp_path / "source"), target)
    assert {"Y_test.csv", "sample.json"}.isdisjoint(contents(target))
    assert raw_state(target) == "catalogue"


def test_a_catalogue_is_not_overwritten_without_replace(source: Path, occupied: Path) -> None:
    before = contents(occupied)
    with pytest.raises(ContractError, match="--replace"):
        import_catalogue(source, occupied)
    assert contents(occupied) == before


def test_replace_leaves_nothing_of_the_old_catalogue(source: Path, occupied: Path) -> None:
    report = import_catalogue(source, occupied, replace=True)
    assert report.replaced == "catalogue"
    kept = contents(occupied).keys() - contents(source).keys()
    assert kept == {".gitkeep", "product_types.json"}
    assert beside(occupied) == {"raw"}


def test_an_untouched_sample_is_replaced_freely(source: Path, target: Path) -> None:
    make_sample_folder(target)
    assert raw_state(target) == "sample"
    assert import_catalogue(source, target).replaced == "sample"
    assert photo_name(500) not in {path.name for path in target.rglob("*.jpg")}
    assert raw_state(target) == "catalogue"


@pytest.mark.parametrize("file", ["X_train.csv", "X_train_update.csv", "notes.txt", "sample.json"])
def test_a_sample_with_files_of_the_user_is_not_replaced(
    source: Path, target: Path, file: str
) -> None:
    make_sample_folder(target)
    (target / file).write_text("mine")
    with pytest.raises(ContractError, match="--replace"):
        import_catalogue(source, target)
    assert (target / file).read_text() == "mine"


def test_a_catalogue_that_dvc_keeps_is_replaced_only_if_asked(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.with_name(f"{target.name}.dvc").write_text("outs: []\n")
    with pytest.raises(ContractError, match="dvc pull brings it"):
        import_catalogue(source, target)
    assert not target.exists()
    import_catalogue(source, target, replace=True)
    assert raw_state(target) == "catalogue"


def test_folders_without_files_are_empty(target: Path) -> None:
    (target / catalog.IMAGE_TRAIN).mkdir(parents=True)
    (target / ".gitkeep").touch()
    assert raw_state(target) == "empty"
    (target / catalog.IMAGE_TRAIN / "a.jpg").touch()
    assert raw_state(target) == "catalogue"


def test_a_symlinked_folder_is_not_taken_for_empty(source: Path, target: Path) -> None:
    target.mkdir(parents=True)
    (target / "images").symlink_to(source / "images")
    assert raw_state(target) == "catalogue"


def test_import_in_place_normalises_names_and_keeps_other_files(target: Path) -> None:
    make_catalogue(target, download_names=True)
    extras = ["Y_test.csv", "images.zip", "notes/a.txt", ".gitkeep", "images/image_train/x.png"]
    for extra in extras:
        (target / extra).parent.mkdir(exist_ok=True)
        (target / extra).write_text(extra)
    before = contents(target)
    report = import_catalogue(target, target)
    after = contents(target)
    assert after.pop("product_types.json")
    renamed = {download: name for name, download in catalog.CHALLENGE_NAMES.items()}
    assert after == {renamed.get(name, name): data for name, data in before.items()}
    assert report.replaced == "nothing"
    assert beside(target) == {"raw"}
    import_catalogue(target, target)
    assert contents(target).keys() == {*after, "product_types.json"}


def test_import_in_place_makes_symlinked_photos_real(source: Path, target: Path) -> None:
    make_catalogue(target, photos=False)
    (target / "images").symlink_to(source / "images")
    import_catalogue(target.parent / "raw" / ".." / "raw", target)
    assert not (target / "images").is_symlink()
    assert len(list((target / catalog.IMAGE_TRAIN).iterdir())) == 6


def test_the_sample_is_not_imported_onto_itself(target: Path) -> None:
    before = contents(make_sample_folder(target))
    with pytest.raises(ContractError, match="sample"):
        import_catalogue(target, target)
    assert contents(target) == before


def test_symlinks_of_the_source_become_real_folders_and_files(
    tmp_path: Path, source: Path, target: Path
) -> None:
    elsewhere = tmp_path / "disk"
    (source / catalog.IMAGE_TRAIN).rename(elsewhere)
    (source / catalog.IMAGE_TRAIN).symlink_to(elsewhere)
    photo = source / catalog.IMAGE_TEST / photo_name(6)
    photo.rename(tmp_path / "photo.jpg")
    photo.symlink_to("../../../photo.jpg")
    import_catalogue(source, target)
    assert not any(path.is_symlink() for path in target.rglob("*"))
    assert contents(target).items() >= contents(source).items()
    assert len(list((target / catalog.IMAGE_TRAIN).iterdir())) == 6


def test_photos_are_hard_links_and_tables_are_copies(source: Path, target: Path) -> None:
    calls: list[tuple[int, int]] = []
    report = import_catalogue(source, target, progress=lambda *call: calls.append(call))
    assert report.how == {"link": 8, "copy": 0}
    assert calls[-1] == (8, 8)
    photo = f"{catalog.IMAGE_TRAIN}/{photo_name(0)}"
    assert (source / photo).samefile(target / photo)
    assert not (source / "X_train.csv").samefile(target / "X_train.csv")


def test_photos_are_copied_where_links_are_refused(
    source: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    monkeypatch.setattr(os, "link", refuse)
    assert import_catalogue(source, target).how == {"link": 0, "copy": 8}
    assert contents(target).items() >= contents(source).items()


def test_broken_tables_leave_the_target_untouched(source: Path, occupied: Path) -> None:
    before = contents(occupied)
    (source / "X_test.csv").write_text(",designation,description,productid\n1,a,b,2\n")
    with pytest.raises(ContractError, match="lacks the column imageid"):
        import_catalogue(source, occupied, replace=True)
    (source / "X_test.csv").write_bytes(",designation,description\n1,é,b\n".encode("latin-1"))
    with pytest.raises(ContractError, match="not UTF-8"):
        import_catalogue(source, occupied, replace=True)
    assert contents(occupied) == before
    assert beside(occupied) == {"raw"}


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ("90,10\n91,40\n", "no index in common"),
        ("0,10\n0,40\n", "two different labels"),
        ("", "no labels"),
    ],
)
def test_labels_that_fit_no_product_are_refused(
    source: Path, target: Path, labels: str, message: str
) -> None:
    (source / "Y_train.csv").write_text(f",prdtypecode\n{labels}")
    with pytest.raises(ContractError, match=message):
        import_catalogue(source, target)
    assert raw_state(target) == "absent"


def test_a_nearly_right_folder_gets_the_right_one_as_hint(
    tmp_path: Path, source: Path, target: Path
) -> None:
    (tmp_path / "unpacked").mkdir()
    source = source.rename(tmp_path / "unpacked" / "challenge")
    for folder in (source.parent, source / "images", source / catalog.IMAGE_TRAIN):
        with pytest.raises(DataNotFoundError) as caught:
            import_catalogue(folder, target)
        assert caught.value.hint == f"did you mean {source}?"


def test_a_source_that_is_no_folder_is_named(tmp_path: Path, source: Path, target: Path) -> None:
    with pytest.raises(DataNotFoundError, match="does not exist"):
        import_catalogue(tmp_path / "nowhere", target)
    with pytest.raises(DataNotFoundError, match="is a file"):
        import_catalogue(source / "X_train.csv", target)


def test_a_missing_table_is_named_with_both_names(source: Path, target: Path) -> None:
    (source / "X_test.csv").unlink()
    with pytest.raises(DataNotFoundError, match=r"lacks X_test\.csv \(or X_test_update\.csv\)"):
        import_catalogue(source, target)


@pytest.mark.parametrize("place", ["inner", "outer"])
def test_folders_inside_one_another_are_refused(tmp_path: Path, place: str) -> None:
    outer = make_catalogue(tmp_path / "outer")
    inner = make_catalogue(outer / "inner", first=50)
    before = contents(outer)
    source, target = (inner, outer) if place == "inner" else (outer, inner)
    with pytest.raises(ContractError, match="one inside the other"):
        import_catalogue(source, target, replace=True)
    assert contents(outer) == before


def test_a_target_that_is_a_file_is_kept(source: Path, target: Path) -> None:
    target.parent.mkdir()
    target.write_text("mine")
    with pytest.raises(StorageError, match="Not a directory"):
        import_catalogue(source, target, replace=True)
    assert target.read_text() == "mine"


def test_a_full_disk_leaves_the_old_catalogue_and_no_staging(
    source: Path, occupied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, placed = contents(occupied), []

    def fill_up(photo: Path, goal: Path) -> str:
        placed.append(photo)
        if len(placed) == 4:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(goal))
        shutil.copy2(photo, goal)
        return "copy"

    monkeypatch.setattr(io, "place_file", fill_up)
    with pytest.raises(StorageError, match="No space left") as caught:
        import_catalogue(source, occupied, replace=True)
    assert "df -h" in str(caught.value)
    assert contents(occupied) == before
    assert beside(occupied) == {"raw"}


def test_a_photo_that_cannot_be_read_is_named(
    source: Path, occupied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, place_file = contents(occupied), io.place_file

    def vanish(photo: Path, goal: Path) -> str:
        photo.unlink()
        return place_file(photo, goal)

    monkeypatch.setattr(io, "place_file", vanish)
    with pytest.raises(StorageError, match=r"Cannot read .*/source/images/image_train/image_"):
        import_catalogue(source, occupied, replace=True)
    assert contents(occupied) == before


def test_a_failed_swap_leaves_the_old_catalogue(
    source: Path, occupied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, rename = contents(occupied), Path.rename

    def fail_on_staged(path: Path, goal: Path) -> Path:
        if path.name == ".raw.staged":
            raise OSError(errno.EACCES, os.strerror(errno.EACCES))
        return rename(path, goal)

    monkeypatch.setattr(io, "_exchange", lambda *_: False)
    monkeypatch.setattr(Path, "rename", fail_on_staged)
    with pytest.raises(StorageError, match="Permission denied"):
        import_catalogue(source, occupied, replace=True)
    assert contents(occupied) == before
    assert beside(occupied) == {"raw"}


def test_a_swap_killed_half_way_is_undone_before_anything_else(
    source: Path, occupied: Path
) -> None:
    before = contents(occupied)
    occupied.rename(occupied.with_name(".raw.old"))
    make_catalogue(occupied.with_name(".raw.staged"), first=700)
    with pytest.raises(ContractError, match="--replace"):
        import_catalogue(source, occupied)
    assert contents(occupied) == before
    import_catalogue(source, occupied, replace=True)
    assert photo_name(700) not in {path.name for path in occupied.rglob("*.jpg")}
    assert beside(occupied) == {"raw"}


@pytest.fixture
def running_import(target: Path) -> Iterator[None]:
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.with_name(".raw.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.mark.usefixtures("running_import")
def test_two_imports_at_once_are_refused(source: Path, target: Path) -> None:
    with pytest.raises(StorageError, match="Another import is running"):
        import_catalogue(source, target)
    assert raw_state(target) == "absent"


def test_the_lock_ends_with_the_import(source: Path, target: Path) -> None:
    import_catalogue(source, target)
    with pytest.raises(ContractError):
        import_catalogue(source, target)
    assert import_catalogue(source, target, replace=True).replaced == "catalogue"
