"""Bring a catalogue into data/raw: check it, build it aside, put it in place in one step."""

import fcntl
import filecmp
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, NoReturn

from rakuten import catalog, io
from rakuten.data import schema
from rakuten.data.sample import MARKER
from rakuten.errors import ContractError, DataNotFoundError, StorageError
from rakuten.logs import Progress

if TYPE_CHECKING:
    import pandas as pd

RawState = Literal["absent", "empty", "sample", "catalogue"]

_GIT_FILES: Final = (".gitkeep", ".gitignore")
_NOT_KEPT: Final = {MARKER, *catalog.CHALLENGE_NAMES, *catalog.CHALLENGE_NAMES.values()}
_SAMPLE_FILES: Final = {
    *(MARKER, "images", catalog.PRODUCT_TYPES_FILE, catalog.Y_TEST),
    *catalog.CHALLENGE_NAMES,
}
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
class _Photos:
    """An image folder: photo name → whether it is a symlink; ``others`` are not photos."""

    folder: Path
    files: dict[str, bool]
    others: int


@dataclass(frozen=True)
class _Found:
    """A checked source: canonical name → file, code → name, training and test photos."""

    tables: dict[str, Path]
    names: dict[str, str]
    photos: tuple[_Photos, _Photos]
    train_rows: int
    test_rows: int
    product_types: int
    warnings: tuple[str, ...]


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
    with _locked(destination):
        replaced = _require_replaceable(origin, destination, replace)
        try:
            found = _inspect(origin)
        except OSError as error:
            raise _unreadable(error, origin) from error
        with _staged(destination) as staged:
            how = _bring(found, staged, progress)
            if origin == destination:
                _keep_rest(destination, staged)
    train_images, test_images = (len(photos.files) for photos in found.photos)
    return ImportReport(
        source=source,
        target=target,
        train_rows=found.train_rows,
        test_rows=found.test_rows,
        product_types=found.product_types,
        train_images=train_images,
        test_images=test_images,
        how=how,
        warnings=found.warnings,
        replaced=replaced,
    )


def raw_state(target: Path) -> RawState:
    """Say what ``target`` holds; a sample with files of the user's in it is a catalogue.

    Raises:
        StorageError: it is not a folder, or cannot be read.
    """
    if not target.exists():
        return "absent"
    try:
        if all(path.name in _GIT_FILES for path in _contents(target)):
            return "empty"
        names = {name for name in os.listdir(target) if not name.startswith(".")}
        digest = io.read_json(target / MARKER)["x_train_sha256"]
        whole = digest == io.sha256_file(target / catalog.X_TRAIN) and names <= _SAMPLE_FILES
    except (ContractError, FileNotFoundError, LookupError, TypeError):
        return "catalogue"
    except OSError as error:
        raise _unreadable(error, target) from error
    return "sample" if whole else "catalogue"


def _contents(folder: Path) -> Iterator[Path]:
    """Files and symlinks below ``folder``."""
    for base, folders, files in os.walk(folder, onerror=_fail):
        yield from (Path(base, name) for name in files)
        yield from (path for name in folders if (path := Path(base, name)).is_symlink())


def _fail(error: OSError) -> NoReturn:
    # os.walk passes over what it cannot read, which would then count as not there.
    raise error


def _unreadable(error: OSError, path: Path) -> StorageError:
    return StorageError(f"Cannot read {error.filename or path}: {error.strerror or error}.")


def _require_replaceable(source: Path, target: Path, replace: bool) -> str:
    """Refuse to lose what the user put into ``target``; say what is replaced."""
    state = raw_state(target)
    if source == target:
        if state == "sample":
            raise ContractError(
                f"{target} holds the synthetic sample; there is nothing to import.",
                hint="put a catalogue of yours in a folder of its own and import that",
            )
        return "nothing"
    if source.is_relative_to(target) or target.is_relative_to(source):
        raise ContractError(
            f"{source} and {target} lie one inside the other.",
            hint="move the catalogue to a folder of its own and import that",
        )
    if state == "catalogue" and not replace:
        raise ContractError(
            f"{target} holds a catalogue already; nothing was changed.",
            hint="add --replace to put the new one in its place",
        )
    return state if state in ("sample", "catalogue") else "nothing"


@contextmanager
def _locked(target: Path) -> Iterator[None]:
    """Hold the only import into ``target``; first undo a swap that was killed half-way."""
    lock = target.with_name(f".{target.name}.lock")
    with ExitStack() as stack:
        try:
            lock.parent.mkdir(parents=True, exist_ok=True)
            handle = stack.enter_context(lock.open("a"))
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            io.recover_directory(target)
        except BlockingIOError as error:
            raise StorageError(
                f"Another import is running into {target}.", hint="wait until it has ended"
            ) from error
        except OSError as error:
            raise io.storage_error(error, target) from error
        yield


@contextmanager
def _staged(target: Path) -> Iterator[Path]:
    """Yield a folder to fill that takes the place of ``target`` when the block succeeds."""
    staged = target.with_name(f".{target.name}.staged")
    try:
        if staged.exists():
            shutil.rmtree(staged)
        yield staged
        for name in _GIT_FILES:
            if (target / name).is_file() and not (staged / name).exists():
                shutil.copyfile(target / name, staged / name)
        io.swap_directory(staged, target)
    except OSError as error:
        raise io.storage_error(error, target) from error
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def _find_tables(source: Path) -> dict[str, Path]:
    """Canonical name → file, under either of its names."""
    if not source.is_dir():
        what = "is a file, not a folder" if source.exists() else "does not exist"
        hint = "unpack an archive first; name the folder that holds X_train.csv"
        raise DataNotFoundError(f"{source} {what}.", hint=hint)
    tables = {}
    for name, download_name in catalog.CHALLENGE_NAMES.items():
        found = [path for n in (name, download_name) if (path := source / n).is_file()]
        if len(found) == 2 and not filecmp.cmp(*found, shallow=False):
            raise ContractError(
                f"{source} holds both {name} and {download_name}, and they differ.",
                hint="keep the one that belongs to this catalogue",
            )
        if not found:
            raise DataNotFoundError(
                f"{source} lacks {name} (or {download_name}).", hint=_nearby(source)
            )
        tables[name] = found[0]
    return tables


def _nearby(source: Path) -> str:
    """Where the user may have meant: a folder below or above that holds the product table."""
    below = sorted(entry for entry in source.iterdir() if entry.is_dir())
    for folder in (*below, *source.parents[:2]):
        if any((folder / n).is_file() for n in _NOT_KEPT - {MARKER}):
            return f"did you mean {folder}?"
    return "name the folder that holds X_train.csv, Y_train.csv, X_test.csv and images/"


def _list_photos(folder: Path) -> _Photos:
    files, others = {}, 0
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if _PHOTO.fullmatch(entry.name) and entry.is_file():
                    files[entry.name] = entry.is_symlink()
                else:
                    others += not entry.name.startswith(".")
    except FileNotFoundError:
        pass
    return _Photos(folder, files, others)


def _inspect(source: Path) -> _Found:
    """Read and check all of ``source`` that can be refused."""
    tables = _find_tables(source)
    train = schema.read_products(tables[catalog.X_TRAIN])
    labels = schema.read_labels(tables[catalog.Y_TRAIN])
    test = schema.read_products(tables[catalog.X_TEST])
    unlabelled = int((~train[catalog.INDEX].isin(labels[catalog.INDEX])).sum())
    if unlabelled == len(train):
        raise ContractError(
            f"{tables[catalog.X_TRAIN]} and {tables[catalog.Y_TRAIN]} have no index in common.",
            hint="both need the same unnamed first column; check that they belong together",
        )
    codes = sorted({int(code) for code in labels[catalog.LABEL] if _CODE.fullmatch(code)})
    if not codes:
        raise ContractError(
            f"Not one label of {tables[catalog.Y_TRAIN]} is a product type code.",
            hint="prdtypecode must be a whole number; names go into product_types.json",
        )
    names = _read_names(source / catalog.PRODUCT_TYPES_FILE)
    photos = _list_photos(source / catalog.IMAGE_TRAIN), _list_photos(source / catalog.IMAGE_TEST)
    warnings = [*_warnings("training", train, photos[0]), *_warnings("test", test, photos[1])]
    if not (photos[0].files or photos[1].files):
        warnings.insert(0, "no photos: text only")
    if unlabelled:
        warnings.append(f"{unlabelled} of {len(train)} training products have no label")
    return _Found(
        tables=tables,
        names=names or {str(code): catalog.label_name(code) for code in codes},
        photos=photos,
        train_rows=len(train),
        test_rows=len(test),
        product_types=len(codes),
        warnings=tuple(warnings),
    )


def _read_names(path: Path) -> dict[str, str]:
    """Code → name from ``product_types.json``; empty where there is none."""
    names = io.read_json(path) if path.exists() else {}
    if not isinstance(names, dict) or not all(
        _CODE.fullmatch(code) and isinstance(name, str) and name.strip()
        for code, name in names.items()
    ):
        raise ContractError(
            f"{path} must be one JSON object of product type code and name.",
            hint='for example {"10": "livres", "40": "jeux"}; without the file, codes do',
        )
    return names


def _warnings(part: str, products: "pd.DataFrame", photos: _Photos) -> Iterator[str]:
    ids = zip(products[catalog.IMAGE_ID], products[catalog.PRODUCT_ID], strict=True)
    wanted = [catalog.image_name(image_id, product_id) for image_id, product_id in ids]
    missing = sum(name not in photos.files for name in wanted)
    surplus = len(photos.files.keys() - set(wanted))
    if missing:
        yield f"{missing} of {len(wanted)} {part} products have no photo file in {photos.folder}"
    if surplus:
        yield f"{surplus} photos in {photos.folder} belong to no {part} product"
    if photos.others:
        yield (
            f"{photos.others} files in {photos.folder} are not named "
            f"{catalog.image_name('<imageid>', '<productid>')}; they are not photos of products"
        )


def _bring(found: _Found, staged: Path, progress: Progress | None) -> dict[str, int]:
    """Fill ``staged``; count photos by hard link and by copy."""
    how = {"link": 0, "copy": 0}
    total, done = sum(len(photos.files) for photos in found.photos), 0
    for photos, name in zip(found.photos, (catalog.IMAGE_TRAIN, catalog.IMAGE_TEST), strict=True):
        folder = staged / name
        folder.mkdir(parents=True)
        for photo, symlink in photos.files.items():
            how[_place(photos.folder / photo, folder / photo, symlink)] += 1
            done += 1
            if progress and (done % 100 == 0 or done == total):
                progress(done, total)
    for name, path in found.tables.items():
        # Never a link: an edit of the source must not reach raw data.
        shutil.copyfile(path, staged / name)
    io.write_json(staged / catalog.PRODUCT_TYPES_FILE, found.names)
    return how


def _place(source: Path, target: Path, symlink: bool) -> str:
    try:
        # A hard link of a symlink would be a symlink.
        return io.place_file(source.resolve() if symlink else source, target)
    except OSError as error:
        if not os.access(source, os.R_OK):
            raise _unreadable(error, source) from error
        raise


def _keep_rest(target: Path, staged: Path) -> None:
    """Keep the files of ``target`` that are not part of the catalogue."""
    for path in _contents(target):
        name = path.relative_to(target)
        if str(name) not in _NOT_KEPT and not (staged / name).exists() and path.is_file():
            (staged / name).parent.mkdir(parents=True, exist_ok=True)
            io.place_file(path, staged / name)
