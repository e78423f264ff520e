"""The folder data/raw: what it holds, and how its content is replaced as a whole."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, Literal, NoReturn

from rakuten import catalog, io
from rakuten.data.sample import MARKER, SampleReport, make_sample
from rakuten.errors import ContractError, StorageError
from rakuten.logs import Progress

RawState = Literal["absent", "empty", "unfetched", "sample", "catalogue"]

_GIT_FILES: Final = (".gitkeep", ".gitignore")
_SAMPLE: Final = {MARKER, catalog.PRODUCT_TYPES_FILE, catalog.Y_TEST, "images"} | (
    catalog.CHALLENGE_NAMES.keys()
)


def raw_state(target: Path) -> RawState:
    """Say what ``target`` holds; a sample with files of the user's in it is a catalogue.

    ``unfetched``: it holds nothing, and a ``.dvc`` file beside it says that DVC keeps its content.
    """
    kept = target.with_name(f"{target.name}.dvc").is_file()
    if not target.exists():
        return "unfetched" if kept else "absent"
    try:
        if all(path.name in _GIT_FILES for path in contents(target)):
            return "unfetched" if kept else "empty"
        names = {name for name in os.listdir(target) if not name.startswith(".")}
        digest = io.read_json(target / MARKER)["x_train_sha256"]
        whole = digest == io.sha256_file(target / catalog.X_TRAIN) and names <= _SAMPLE
    except (ContractError, FileNotFoundError, LookupError, TypeError):
        return "catalogue"
    except OSError as error:
        raise unreadable(error, target) from error
    return "sample" if whole else "catalogue"


def place_sample(
    target: Path,
    *,
    rows: int = 3000,
    seed: int = 42,
    if_empty: bool = False,
    progress: Progress | None = None,
) -> SampleReport | None:
    """Put a sample in the place of ``target``; None where ``if_empty`` kept what was there.

    Raises:
        ConfigurationError: too few rows.
        ContractError: ``target`` holds a catalogue of the user's.
        StorageError: the file system refused, or another import is running.
    """
    destination = target.resolve()
    with locked(destination):
        state = raw_state(destination)
        if if_empty and state in ("sample", "catalogue"):
            return None
        if state == "catalogue":
            raise ContractError(
                f"{target} holds a catalogue of yours; a sample never replaces one.",
                hint="name another folder with --out",
            )
        if state == "unfetched":
            raise unfetched(target, "or name another folder with --out")
        with staged(destination) as folder:
            return make_sample(folder, rows=rows, seed=seed, progress=progress)


def unfetched(target: Path, otherwise: str) -> ContractError:
    """Say that the content of ``target`` is DVC's, and that ``dvc pull`` brings it."""
    return ContractError(
        f"The catalogue of {target} is kept by DVC and is not here yet; nothing was changed.",
        hint=f"dvc pull brings it; {otherwise}",
    )


@contextmanager
def locked(target: Path, work: str = "import") -> Iterator[None]:
    """Hold the only import into ``target``; first undo a swap that was killed half-way.

    Raises:
        StorageError: another one (of the kind that ``work`` names) is running.
    """
    lock = target.with_name(f".{target.name}.lock")
    with ExitStack() as stack:
        try:
            lock.parent.mkdir(parents=True, exist_ok=True)
            handle = stack.enter_context(lock.open("a"))
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            io.recover_directory(target)
        except BlockingIOError as error:
            problem = f"Another {work} is running into {target}; wait until it has ended."
            raise StorageError(problem) from error
        except OSError as error:
            raise io.storage_error(error, target) from error
        yield


@contextmanager
def staged(target: Path) -> Iterator[Path]:
    """Yield a folder to fill that takes the place of ``target`` when the block succeeds."""
    folder = target.with_name(f".{target.name}.staged")
    try:
        shutil.rmtree(folder, ignore_errors=True)
        yield folder
        for name in _GIT_FILES:
            if (target / name).is_file() and not (folder / name).exists():
                shutil.copyfile(target / name, folder / name)
        io.swap_directory(folder, target)
    except OSError as error:
        raise io.storage_error(error, target) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def contents(folder: Path) -> Iterator[Path]:
    """Files and symlinks below ``folder``."""
    for base, folders, files in os.walk(folder, onerror=_fail):
        yield from (Path(base, name) for name in files)
        yield from (path for name in folders if (path := Path(base, name)).is_symlink())


def unreadable(error: OSError, path: Path) -> StorageError:
    """Say what could not be read, and why."""
    return StorageError(f"Cannot read {error.filename or path}: {error.strerror or error}.")


def _fail(error: OSError) -> NoReturn:
    # os.walk passes over what it cannot read, which would then count as not there.
    raise error
