"""Checks of the catalogue and of the photos that belong to it."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from rakuten import catalog
from rakuten.stages.doctor.check import Check, Subject

_PHOTO: Final = re.compile(r"image_\d+_product_\d+\.jpg")
_PICTURES: Final = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff")
_ARCHIVES: Final = (".zip", ".tar", ".tgz", ".gz", ".7z")
_MOST: Final = 0.95
"""Fewer photos than this share are worth a warning; catalogues lack a few."""
_IMPORT: Final = "rakuten data import FOLDER, or rakuten sample for a synthetic catalogue"


def data_checks(subject: Subject) -> Iterator[Check]:
    """Read the catalogue as the stages do."""
    from rakuten.data import schema
    from rakuten.data.raw_folder import raw_state
    from rakuten.stages.ingest import require_catalogue
    from rakuten.stages.train import read_names

    paths = subject.paths
    again = f"rakuten data import {paths.raw}"
    places = [Path(at, name) for at, folders, _ in os.walk(paths.raw) for name in folders]
    links = [str(place) for place in places if place.is_symlink()]
    if links:
        detail = f"{', '.join(links)} is a link to a folder; DVC misses the files behind links"
        yield Check("data", "failed", detail, f"{again}   (makes a real folder, by hard links)")
    state = raw_state(paths.raw)
    if state in ("absent", "empty"):
        yield Check("data", "warning", f"there is no catalogue in {paths.raw}", _IMPORT)
        return
    if state == "unfetched":
        detail = f"the catalogue of {paths.raw} is kept by DVC and is not here yet"
        yield Check("data", "warning", detail, "dvc pull")
        return
    require_catalogue(paths)
    rows = len(schema.read_products(paths.raw_file(catalog.X_TRAIN)))
    labels = len(schema.read_labels(paths.raw_file(catalog.Y_TRAIN)))
    whose = "synthetic sample" if state == "sample" else "catalogue of yours"
    yield Check("data", "ok", f"{whose} in {paths.raw}: {rows} training rows, {labels} labels")
    read_names(paths)
    names = paths.raw_file(catalog.PRODUCT_TYPES_FILE)
    if not names.is_file():
        detail = f"{names} does not exist, and the train stage depends on it"
        yield Check("data", "failed", detail, f"{again}   (writes the built-in names)")


def photo_checks(subject: Subject, *, table: str, place: str) -> Iterator[Check]:
    """Compare the photos of a table with the files in their folder."""
    from rakuten.data import schema

    name = "photos" if place == catalog.IMAGE_TRAIN else "test photos"
    source, folder = subject.paths.raw / table, subject.paths.raw / place
    if not source.is_file():
        yield Check(name, "skipped", f"there is no {source}", _IMPORT)
        return
    rows = schema.read_products(source)
    pairs = zip(rows[catalog.IMAGE_ID], rows[catalog.PRODUCT_ID], strict=True)
    wanted = {catalog.image_name(image, product) for image, product in pairs}
    found = len(wanted.intersection(os.listdir(folder))) if folder.is_dir() else 0
    detail = f"{found} of {len(wanted)} photos of {table} are in {folder}"
    guess = None
    if found < len(wanted):
        guess = _stray_photos(subject.paths.raw, folder, wanted, some_found=found > 0)
    if guess:
        yield Check(name, "warning" if found else "failed", f"{detail}; {guess[0]}", guess[1])
    elif not folder.is_dir():
        hint = f"mkdir -p '{folder}'   (an empty one means: text alone)"
        yield Check(name, "failed", f"{detail}: there is no such folder", hint)
    elif found < _MOST * len(wanted):
        pattern = catalog.image_name("<imageid>", "<productid>")
        hint = f"put them there as {pattern}; products without a photo go by text alone"
        yield Check(name, "warning", detail, hint)
    else:
        yield Check(name, "ok", detail)


def _stray_photos(
    raw: Path, folder: Path, wanted: set[str], *, some_found: bool
) -> tuple[str, str] | None:
    """Guess where photos that are not in their folder are, or how they are named instead."""
    stems = {Path(name).stem for name in wanted}
    guesses: list[tuple[int, str, str]] = []
    for place, _, names in os.walk(raw):
        here = Path(place)
        exact = len(wanted.intersection(names)) if here != folder else 0
        if exact:
            move = f"find '{here}' -maxdepth 1 -name '*.jpg' -exec mv -t '{folder}' {{}} +"
            make = f"mkdir -p '{folder}' && " if not folder.is_dir() else ""
            guesses.append((4, f"{exact} of them lie in {here}", make + move))
        others = [name for name in names if name not in wanted]
        pictures = [name for name in others if Path(name).suffix.lower() in _PICTURES]
        endings = {Path(name).suffix for name in pictures if Path(name).stem.lower() in stems}
        if endings:
            hint = "rename JPEG files (.JPG, .jpeg) to .jpg; convert others (mogrify -format jpg)"
            guesses.append((3, f"{here} has them as {', '.join(sorted(endings))}", hint))
        strange = [name for name in pictures if not _PHOTO.fullmatch(name)]
        if strange and not endings:
            pattern = catalog.image_name("<imageid>", "<productid>")
            detail = f"{here} has {len(strange)} photos with other names, such as {strange[0]}"
            guesses.append((2, detail, f"rename them to {pattern}"))
        if here == folder and len(pictures) > len(strange):
            detail = f"{len(pictures) - len(strange)} photos there belong to other products"
            guesses.append((1, detail, "take photos and table from the same catalogue"))
        packed = [name for name in others if name.lower().endswith(_ARCHIVES)]
        if packed:
            hint = f"unpack it and bring it in: rakuten data import FOLDER   (photos in {folder})"
            guesses.append((0, f"{here / packed[0]} may hold them", hint))
    # Where some were found, other pictures beside them explain nothing.
    likely = [guess for guess in guesses if guess[0] > 2 or not some_found]
    return max(likely)[1:] if likely else None
