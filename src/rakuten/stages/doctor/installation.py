"""Checks of the machine: Python, the settings with ``.env``, the parameters and the disk."""

import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from rakuten.errors import ConfigurationError
from rakuten.settings import ENV_FILE, EXPORTED, load_settings
from rakuten.stages.doctor.check import Check, Subject, git_files, unwritable

_MODULES: Final = ("pandas", "pandera", "dvc", "mlflow")
_SOURCEABLE: Final = re.compile(
    r"(export\s+)?\w+=('[^']*'|\"[^\"$`\\]*\"|[^\s'\"`$&;<>|()\\*?#~][^\s'\"`$&;<>|()\\]*)?(\s+#.*)?",
)
"""A line that a shell and dotenv read alike."""
_LITTLE_DISK: Final = 1 << 30


def python_checks(_: Subject) -> Iterator[Check]:
    """Look at Python, at the packages of the pipeline role and at the command on the PATH."""
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
            "make setup, or pip install '.[pipeline]'",
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


def settings_checks(subject: Subject) -> Iterator[Check]:
    """Look at the environment and at what ``.env`` makes of it."""
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


def params_checks(subject: Subject) -> Iterator[Check]:
    """Read ``params.yaml`` as the stages do."""
    from rakuten.params import load_params

    load_params(subject.paths.params)
    yield Check("params", "ok", f"{subject.paths.params} is valid")


def disk_checks(subject: Subject) -> Iterator[Check]:
    """Look for room on the disk and for folders that cannot be written."""
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
