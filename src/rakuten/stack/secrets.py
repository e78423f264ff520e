"""Secrets that nobody chose: made once, kept in a file that only its owner reads, never shown."""

import os
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path

from rakuten.io import atomic_path


def make_secrets(path: Path, names: Iterable[str], known: Mapping[str, str]) -> dict[str, str]:
    """Values for names that have none: from the file, or new and then kept there.

    Args:
        path: the file, ``NAME=value`` a line; mode 600.
        names: variables that must have a value.
        known: variables that have one already.

    Raises:
        StorageError: the file cannot be written.
    """
    kept = _read(path)
    wanted = sorted(name for name in names if not known.get(name))
    new = {name: secrets.token_urlsafe(32) for name in wanted if name not in kept}
    if new:
        lines = (f"{name}={value}" for name, value in sorted({**kept, **new}.items()))
        _write(path, "\n".join(lines))
    return {name: {**kept, **new}[name] for name in wanted}


def make_secret_file(path: Path) -> None:
    """A file with one new secret, of mode 600, unless it is there.

    Raises:
        StorageError: it cannot be written.
    """
    if not path.is_file():
        _write(path, secrets.token_urlsafe(32))


def _read(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    lines = path.read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


def _write(path: Path, text: str) -> None:
    with atomic_path(path) as temporary:
        os.close(os.open(temporary, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600))
        temporary.write_text(f"{text}\n", encoding="utf-8")
