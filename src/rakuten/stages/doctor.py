"""Look at a project from all sides and say what is wrong, where, and what to do; change nothing."""

import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from rakuten import catalog
from rakuten.errors import ConfigurationError, RakutenError
from rakuten.logs import get_logger
from rakuten.settings import ENV_FILE, EXPORTED, ProjectPaths, Settings, load_settings
from rakuten.stages.doctor_checks import (
    Check,
    Subject,
    dvc_checks,
    git_files,
    s3_checks,
    tracking_checks,
    unwritable,
)

__all__ = ["Check", "run_doctor", "usable_settings"]

log = get_logger(__name__)

_MODULES: Final = ("pandas", "pandera", "dvc", "mlflow")
_SOURCEABLE: Final = re.compile(
    r"(export\s+)?\w+=('[^']*'|\"[^\"$`\\]*\"|[^\s'\"`$&;<>|()\\*?#~][^\s'\"`$&;<>|()\\]*)?(\s+#.*)?",
)
"""A line that a shell and dotenv read alike."""
_SECRET: Final = re.compile(r"\w*(SECRET|PASSWORD|TOKEN)\w*")
_PHOTO: Final = re.compile(r"image_\d+_product_\d+\.jpg")
_PICTURES: Final = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff")
_ARCHIVES: Final = (".zip", ".tar", ".tgz", ".gz", ".7z")
_GOLDEN_TOLERANCE: Final = 1e-5
_MOST: Final = 0.95
"""Fewer photos than this share are worth a warning; catalogues lack a few."""
_LITTLE_DISK: Final = 1 << 30
_AGAIN: Final = "correct that, then run rakuten doctor again"
_IMPORT: Final = "rakuten data import FOLDER, or rakuten sample for a synthetic catalogue"


def run_doctor(
    paths: ProjectPaths,
    settings: Settings,
    *,
    full: bool = False,
    shell: Mapping[str, str] | None = None,
) -> list[Check]:
    """Run every check; one that fails unexpectedly is itself a failed check.

    Args:
        paths: the project.
        settings: what the environment and ``.env`` say.
        full: also hash the data to name stale stages.
        shell: the environment before ``.env`` was read [the present one].
    """
    subject = Subject(paths, settings, dict(os.environ if shell is None else shell), full)
    checks: dict[str, Callable[[Subject], Iterator[Check]]] = {
        "python": _python,
        "settings": _settings,
        "params": _params,
        "data": _data,
        "photos": partial(_photos, table=catalog.X_TRAIN, place=catalog.IMAGE_TRAIN),
        "test photos": partial(_photos, table=catalog.X_TEST, place=catalog.IMAGE_TEST),
        "tracking": tracking_checks,
        "s3": s3_checks,
        "dvc": dvc_checks,
        "model": _model,
        "waiting": _waiting,
        "disk": _disk,
    }
    found = [result for name, check in checks.items() for result in _guarded(name, check, subject)]
    return [
        replace(check, detail=_redacted(" ".join(check.detail.split())), hint=_redacted(check.hint))
        for check in found
    ]


def usable_settings() -> Settings:
    """Settings as they are written, so that one value that cannot be used hides no other check."""
    written = {name: os.environ.get(name.upper()) for name in Settings.model_fields}
    values: dict[str, Any] = {name: value for name, value in written.items() if value}
    return Settings.model_construct(None, **values)


def _guarded(
    name: str, check: Callable[[Subject], Iterator[Check]], subject: Subject
) -> Iterator[Check]:
    """The boundary of the doctor: whatever a check raises becomes its finding."""
    try:
        yield from check(subject)
    except RakutenError as error:
        yield Check(name, "failed", error.message.rstrip("."), error.hint or _AGAIN)
    except Exception as error:
        log.debug("check %s failed", name, exc_info=True)
        yield Check(
            name,
            "failed",
            f"the check itself failed: {type(error).__name__}: {error}",
            "LOG_LEVEL=DEBUG rakuten doctor shows where",
        )


def _redacted(text: str) -> str:
    for name, value in os.environ.items():
        if len(value) > 3 and EXPORTED.fullmatch(name) and _SECRET.fullmatch(name):
            text = text.replace(value, "***")
    return text


def _python(_: Subject) -> Iterator[Check]:
    from importlib.metadata import PackageNotFoundError, version
    from importlib.util import find_spec

    python = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] != (3, 11):
        yield Check("python", "failed", f"Python is {python}, not 3.11", "make setup")
    try:
        release = version("rakuten-classifier")
    except PackageNotFoundError:
        yield Check("python", "failed", "the project is not installed", "make setup")
        return
    absent = [name for name in _MODULES if find_spec(name) is None]
    if absent:
        yield Check(
            "python",
            "failed",
            f"not installed: {', '.join(absent)}",
            "make setup, or pip install 'rakuten-classifier[pipeline]'",
        )
    else:
        yield Check("python", "ok", f"Python {python}, rakuten-classifier {release}, pipeline role")
    command, own = shutil.which("rakuten"), Path(sys.prefix) / "bin" / "rakuten"
    if command is None or (own.exists() and not own.samefile(command)):
        yield Check(
            "python",
            "warning",
            f"dvc repro calls `rakuten`, which is {command or 'not on the PATH'}, not {own}",
            f"source '{own.parent / 'activate'}', or work through make",
        )


def _settings(subject: Subject) -> Iterator[Check]:
    path = subject.paths.root / ENV_FILE
    if git_files(subject.paths.root, ENV_FILE):
        hint = f"git rm --cached {ENV_FILE}, commit, and change its secrets: history keeps them"
        yield Check("settings", "failed", f"{path} is in git, with its secrets", hint)
    taken = []
    if path.is_file():
        values, odd = _read_env(path)
        taken = [name for name, value in values.items() if value and EXPORTED.fullmatch(name)]
        if odd:
            detail = f"{path}: `source` reads {', '.join(odd)} differently or not at all"
            hint = "write NAME='value': no blanks around =, single quotes around the value"
            yield Check("settings", "warning", detail, hint)
        unknown = [name for name in values if not EXPORTED.fullmatch(name)]
        if unknown:
            detail = f"{path}: {', '.join(unknown)} will not be handed on: no known name"
            hint = ".env.example lists the names; export others in the shell"
            yield Check("settings", "warning", detail, hint)
        yield from _overridden(subject, {name: values[name] for name in taken})
    load_settings()
    source = f"{path} sets {', '.join(taken) or 'nothing'}" if path.is_file() else f"no {path}"
    yield Check("settings", "ok", f"the environment is usable; {source}")


def _overridden(subject: Subject, values: Mapping[str, str]) -> Iterator[Check]:
    """What the shell has set wins, in other programs than `rakuten` even when it is empty."""
    for name, value in values.items():
        found = subject.shell.get(name, value)
        if found != value:
            winner = "the shell's wins" if found else "programs other than `rakuten` see it empty"
            detail = f"the shell and {ENV_FILE} differ in {name}: {winner}"
            yield Check("settings", "warning", detail, f"unset {name}, or correct {ENV_FILE}")


def _read_env(path: Path) -> tuple[dict[str, str], list[str]]:
    """Name → value of an env file, and the lines that a shell reads differently."""
    from dotenv.parser import parse_stream

    try:
        with path.open(encoding="utf-8", newline="") as stream:
            bindings = list(parse_stream(stream))
    except (OSError, UnicodeDecodeError) as error:
        hint = f"save it as UTF-8, readable for this user: chmod 600 '{path}'"
        raise ConfigurationError(f"Cannot read {path}: {error}.", hint=hint) from error
    odd, values = [], {}
    for binding in bindings:
        if binding.key is None:
            continue
        original = binding.original.string
        if binding.error or "\r" in original or not _SOURCEABLE.fullmatch(original.strip()):
            blanks = len(original) - len(original.lstrip("\r\n"))
            odd.append(f"line {binding.original.line + original[:blanks].count(chr(10))}")
        if binding.value is not None and not binding.error:
            values[binding.key] = binding.value
    return values, odd


def _params(subject: Subject) -> Iterator[Check]:
    from rakuten.params import load_params

    load_params(subject.paths.params)
    yield Check("params", "ok", f"{subject.paths.params} is valid")


def _data(subject: Subject) -> Iterator[Check]:
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


def _photos(subject: Subject, *, table: str, place: str) -> Iterator[Check]:
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


def _model(subject: Subject) -> Iterator[Check]:
    from rakuten.models.predictor import Predictor, check_golden

    model = subject.paths.model
    if not model.is_dir():
        yield Check("model", "skipped", f"there is no model in {model}", "make pipeline")
        return
    predictor = Predictor.load(model)
    deviation = check_golden(predictor, model)
    detail = f"{model} loads; its golden products answer within {deviation:.1g} of what they did"
    if deviation <= _GOLDEN_TOLERANCE:
        yield Check("model", "ok", detail)
        return
    hint = "install the locked versions (make setup), or retrain: dvc repro --force train"
    yield Check("model", "failed", f"{detail}; {_GOLDEN_TOLERANCE:.0e} is allowed", hint)


def _waiting(subject: Subject) -> Iterator[Check]:
    from rakuten.tracking.pending import pending_runs

    paths, problems = subject.paths, False
    waiting = pending_runs(paths.pending_runs)
    if waiting:
        problems = True
        detail = f"{len(waiting)} runs wait in {paths.pending_runs} for the tracking server"
        yield Check("waiting", "warning", detail, "rakuten runs resume")
    for target in (paths.raw, paths.model):
        for suffix in ("old", "staged"):
            left = target.with_name(f".{target.name}.{suffix}")
            if left.exists():
                problems = True
                lost = suffix == "old" and not target.exists()
                hint = f"mv '{left}' '{target}'" if lost else f"rm -r '{left}'   (if nothing runs)"
                yield Check("waiting", "warning", f"{left} is left of a killed command", hint)
    if not problems:
        yield Check("waiting", "ok", "no run waits, nothing is half-done")


def _disk(subject: Subject) -> Iterator[Check]:
    paths = subject.paths
    free = shutil.disk_usage(paths.root).free
    if free < _LITTLE_DISK:
        detail = f"{free / (1 << 20):.0f} MiB are free for {paths.root.resolve()}"
        yield Check("disk", "warning", detail, "free at least 1 GiB (dvc gc -w drops old outputs)")
    else:
        yield Check("disk", "ok", f"{free / (1 << 30):.0f} GiB are free")
    for folder in (paths.root / "data", paths.model.parent, paths.reports):
        reason = unwritable(folder)
        if reason:
            hint = f"chmod -R u+w '{folder}', or chown it to this user"
            yield Check("disk", "failed", f"{folder} cannot be written: {reason}", hint)
