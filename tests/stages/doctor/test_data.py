"""The catalogue is read as the stages read it; photos elsewhere come with a guess."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from rakuten.settings import ProjectPaths
from tests.stages.doctor.conftest import examine, only


def test_absent_catalogue_is_a_warning(paths: ProjectPaths) -> None:
    shutil.rmtree(paths.raw)
    found = examine(paths)
    assert "rakuten sample" in only(found["data"], "warning").hint
    assert found["photos"][0].state == "skipped"


def test_catalogue_that_was_not_pulled_leads_to_dvc_pull(paths: ProjectPaths) -> None:
    shutil.rmtree(paths.raw)
    (paths.raw.parent / "raw.dvc").write_text("outs: []\n")
    assert only(examine(paths)["data"], "warning").hint == "dvc pull"


def test_challenge_names_lead_to_import(paths: ProjectPaths) -> None:
    (paths.raw / "sample.json").unlink()
    (paths.raw / "X_train.csv").rename(paths.raw / "X_train_update.csv")
    assert "rakuten data import" in only(examine(paths)["data"], "failed").hint


def test_absent_product_types_fail(paths: ProjectPaths) -> None:
    (paths.raw / "product_types.json").unlink()
    assert "product_types.json" in only(examine(paths)["data"], "failed").detail


def test_linked_photo_folder_fails(paths: ProjectPaths, tmp_path: Path) -> None:
    folder = paths.raw / "images" / "image_train"
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")
    found = examine(paths)
    assert str(folder) in only(found["data"], "failed").detail
    assert found["photos"][0].state == "ok"


def rename_photos(name: Callable[[Path], str]) -> Callable[[Path], None]:
    def rename(folder: Path) -> None:
        for path in list(folder.iterdir()):
            path.rename(folder / name(path))

    return rename


def move_photos(place: str) -> Callable[[Path], None]:
    def move(folder: Path) -> None:
        folder.rename(folder.parents[1] / "aside")
        target = folder / place
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_dir():
            for path in (folder.parents[1] / "aside").iterdir():
                path.rename(target / path.name)
        else:
            (folder.parents[1] / "aside").rename(target)

    return move


def pack_photos(folder: Path) -> None:
    shutil.make_archive(str(folder.parent / "images"), "zip", folder)
    shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (move_photos("image_train"), "lie in"),
        (move_photos("../../image_train"), "lie in"),
        (move_photos(".."), "lie in"),
        (rename_photos(lambda path: f"{path.stem}.png"), "has them as .png"),
        (rename_photos(lambda path: f"{path.stem}.JPG"), "has them as .JPG"),
        (rename_photos(lambda path: path.name[6:]), "other names, such as"),
        (rename_photos(lambda path: f"image_9{path.name[6:]}"), "other products"),
        (shutil.rmtree, "no such folder"),
        (pack_photos, "may hold"),
    ],
)
def test_photos_that_are_not_found_come_with_a_guess(
    paths: ProjectPaths, harm: Callable[[Path], object], said: str
) -> None:
    harm(paths.raw / "images" / "image_train")
    found = only(examine(paths)["photos"], "failed")
    assert found.detail.startswith("0 of ")
    assert said in found.detail


def test_hint_on_nested_photos_repairs_them(paths: ProjectPaths) -> None:
    move_photos("image_train")(paths.raw / "images" / "image_train")
    subprocess.run(["bash", "-c", only(examine(paths)["photos"], "failed").hint], check=True)
    assert examine(paths)["photos"][0].state == "ok"


def test_catalogue_that_lacks_a_photo_is_as_it_should_be(paths: ProjectPaths) -> None:
    (paths.raw / "notes.png").touch()
    min(paths.raw.glob("images/image_train/*")).unlink()
    assert examine(paths)["photos"][0].state == "ok"


def test_empty_photo_folder_is_a_warning(paths: ProjectPaths) -> None:
    rename_photos(lambda path: f"../../{path.name}")(paths.raw / "images" / "image_train")
    for path in paths.raw.glob("image_*"):
        path.unlink()
    assert "0 of" in only(examine(paths)["photos"], "warning").detail
