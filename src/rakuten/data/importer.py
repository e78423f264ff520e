"""Bring a catalogue into data/raw: check it, build it aside, put it in place in one step."""

import dataclasses
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rakuten import catalog, io
from rakuten.data import schema
from rakuten.data.raw_folder import (
    contents,
    locked,
    raw_state,
    staged,
    unfetched,
    unreadable,
)
from rakuten.data.sample import MARKER
from rakuten.errors import ContractError, DataNotFoundError
from rakuten.logs import Progress

_TABLES: Final = {*catalog.CHALLENGE_NAMES, *catalog.CHALLENGE_NAMES.values()}
_CODE: Final = re.compile(r"\d{1,18}")
_PHOTO: Final = re.compile(r"image_.+_product_.+\.jpg")


@dataclass(frozen=True)
class ImportReport:
    """What was brought in; ``how`` counts photos by hard link and by copy."""

    source: Path
    target: Path
    train_rows: int
    test_rows: int
    product_types: int
    train_images: int
    test_images: int
    how: dict[str, int]
    warnings: tuple[str, ...]
    replaced: str


@dataclass(frozen=True)
class _Found:
    """A checked source; ``photos``: image folder → photo name → whether it is a symlink."""

    files: dict[str, Path]
    names: dict[str, str]
    photos: dict[str, dict[str, bool]]
    report: ImportReport


def import_catalogue(
    source: Path, target: Path, *, replace: bool = False, progress: Progress | None = None
) -> ImportReport:
    """Check the catalogue in ``source`` and put it in the place of ``target``.

    Where both are one folder, names are normalised and files of no catalogue stay.

    Raises:
        DataNotFoundError: ``source`` is no folder, or lacks one of its tables.
        ContractError: the catalogue breaks the contract, or ``target`` holds one already.
        StorageError: the file system refused, or another import is running.
    """
    origin, destination = source.resolve(), target.resolve()
    if origin in destination.parents or destination in origin.parents:
        problem = f"{origin} and {destination} lie one inside the other."
        raise ContractError(problem, hint="move the catalogue to a folder of its own")
    with locked(destination):
        replaced = _require_replaceable(origin, destination, replace)
        try:
            found = _inspect(origin)
        except OSError as error:
            raise unreadable(error, origin) from error
        with staged(destination) as folder:
            how = _bring_photos(origin, found.photos, folder, progress)
            io.write_json(folder / catalog.PRODUCT_TYPES_FILE, found.names)
            for name, path in found.files.items():
                # Never a link: an edit of the source must not reach raw data.
                shutil.copyfile(path, folder / name)
            if origin == destination:
                _keep_rest(destination, folder)
    return dataclasses.replace(found.report, target=target, how=how, replaced=replaced)


def _require_replaceable(source: Path, target: Path, replace: bool) -> str:
    """Refuse to lose what the user put into ``target``; say what is replaced."""
    state = raw_state(target)
    if source == target:
        if state == "sample":
            problem = f"{target} holds the synthetic sample; there is nothing to import."
            raise ContractError(problem, hint="name the folder that holds a catalogue of yours")
        return "nothing"
    if state == "catalogue" and not replace:
        problem = f"{target} holds a catalogue already; nothing was changed."
        raise ContractError(problem, hint="add --replace to put the new one in its place")
    if state == "unfetched" and not replace:
        raise unfetched(target, "or add --replace to put the new one in its place")
    return state if state in ("sample", "catalogue") else "nothing"


def _inspect(source: Path) -> _Found:
    """Read and check all of ``source`` that can be refused."""
    files = _find_files(source)
    train = schema.read_products(files[catalog.X_TRAIN])
    labels = schema.read_labels(files[catalog.Y_TRAIN])
    test = schema.read_products(files[catalog.X_TEST])
    if not train[catalog.INDEX].isin(labels[catalog.INDEX]).any():
        raise ContractError(
            f"{files[catalog.X_TRAIN]} and {files[catalog.Y_TRAIN]} have no index in common.",
            hint="both need the same unnamed first column; check that they belong together",
        )
    codes = sorted({int(code) for code in labels[catalog.LABEL] if _CODE.fullmatch(code)})
    names = _read_names(source / catalog.PRODUCT_TYPES_FILE, codes)
    train_photos, train_warnings = _match_photos(source / catalog.IMAGE_TRAIN, train)
    test_photos, test_warnings = _match_photos(source / catalog.IMAGE_TEST, test)
    no_photos = [] if train_photos or test_photos else ["no photos: text only"]
    report = ImportReport(
        source=source,
        target=source,
        train_rows=len(train),
        test_rows=len(test),
        product_types=len(codes),
        train_images=len(train_photos),
        test_images=len(test_photos),
        how={},
        warnings=(*no_photos, *train_warnings, *test_warnings),
        replaced="nothing",
    )
    photos = {catalog.IMAGE_TRAIN: train_photos, catalog.IMAGE_TEST: test_photos}
    return _Found(files, names, photos, report)


def _find_files(source: Path) -> dict[str, Path]:
    """Canonical name → file, under either of its names."""
    if not source.is_dir():
        what = "is a file, not a folder; unpack it first" if source.exists() else "does not exist"
        raise DataNotFoundError(f"{source} {what}.", hint="name the folder that holds X_train.csv")
    files = {}
    for name, download_name in catalog.CHALLENGE_NAMES.items():
        found = [path for n in (name, download_name) if (path := source / n).is_file()]
        if not found:
            problem = f"{source} lacks {name} (or {download_name})."
            raise DataNotFoundError(problem, hint=_nearby(source))
        if len({io.sha256_file(path) for path in found}) > 1:
            problem = f"{source} holds both {name} and {download_name}, and they differ."
            raise ContractError(problem, hint="keep the one that belongs to this catalogue")
        files[name] = found[0]
    if (names_file := source / catalog.PRODUCT_TYPES_FILE).exists():
        files[catalog.PRODUCT_TYPES_FILE] = names_file
    return files


def _nearby(source: Path) -> str:
    """Name the folder that the user may have meant, below ``source`` or above."""
    below = sorted(entry for entry in source.iterdir() if entry.is_dir())
    for folder in (*below, *source.parents[:2]):
        if any((folder / name).is_file() for name in _TABLES):
            return f"did you mean {folder}?"
    return "name the folder that holds X_train.csv, Y_train.csv, X_test.csv and images/"


def _read_names(path: Path, codes: list[int]) -> dict[str, str]:
    """Code → name from ``product_types.json``; where there is none, the built-in ones."""
    if not path.exists():
        return {str(code): catalog.label_name(code) for code in codes}
    names = io.read_json(path)
    if not isinstance(names, dict) or not all(
        _CODE.fullmatch(code) and isinstance(name, str) for code, name in names.items()
    ):
        raise ContractError(
            f"{path} must be one JSON object of product type code and name.",
            hint='for example {"10": "livres", "40": "jeux"}; or leave the file out',
        )
    return names


def _match_photos(folder: Path, products: Any) -> tuple[dict[str, bool], list[str]]:
    """Photos in ``folder`` (name → whether it is a symlink), and what to warn of."""
    files, others = {}, 0
    for entry in list(os.scandir(folder)) if folder.is_dir() else ():
        if _PHOTO.fullmatch(entry.name) and entry.is_file():
            files[entry.name] = entry.is_symlink()
        else:
            others += not entry.name.startswith(".")
    ids = zip(products[catalog.IMAGE_ID], products[catalog.PRODUCT_ID], strict=True)
    wanted = [catalog.image_name(image_id, product_id) for image_id, product_id in ids]
    missing = sum(name not in files for name in wanted)
    surplus = len(files.keys() - set(wanted))
    found = {
        f"{missing} of {len(wanted)} products have no photo file in {folder}": missing,
        f"{surplus} photos in {folder} belong to no product": surplus,
        f"{others} files in {folder} are not named image_<imageid>_product_<productid>.jpg": others,
    }
    return files, [warning for warning, count in found.items() if count]


def _bring_photos(
    source: Path, photos: dict[str, dict[str, bool]], staged: Path, progress: Progress | None
) -> dict[str, int]:
    """Fill the image folders of ``staged``; count photos by hard link and by copy."""
    how, total = {"link": 0, "copy": 0}, sum(len(files) for files in photos.values())
    for folder, files in photos.items():
        (staged / folder).mkdir(parents=True)
        for name, is_symlink in files.items():
            photo = source / folder / name
            try:
                # A hard link of a symlink would be a symlink.
                way = io.place_file(
                    photo.resolve() if is_symlink else photo, staged / folder / name
                )
            except OSError as error:
                if not os.access(photo, os.R_OK):
                    raise unreadable(error, photo) from error
                raise
            how[way] += 1
            done = how["link"] + how["copy"]
            if progress and (done % 100 == 0 or done == total):
                progress(done, total)
    return how


def _keep_rest(target: Path, staged: Path) -> None:
    """Keep the files of ``target`` that belong to no catalogue."""
    for path in contents(target):
        name = path.relative_to(target)
        dropped = str(name) in _TABLES | {MARKER} or (staged / name).exists()
        if not dropped and path.is_file():
            (staged / name).parent.mkdir(parents=True, exist_ok=True)
            io.place_file(path, staged / name)
