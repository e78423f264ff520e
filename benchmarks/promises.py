"""What the reliability runs promise, and how they end: a report, and a 1 where one is broken."""

import os
import platform
import sys
from collections.abc import Sequence
from pathlib import Path


def conclude(title: str, body: str, broken: Sequence[str], output: Path | None) -> None:
    """Print a report with its verdict, write it where asked to, and end with 1 if need be.

    Args:
        title: heading of the file.
        body: Markdown.
        broken: promises that were not kept.
        output: file to write too.
    """
    command = " ".join(["python", *(_short(argument) for argument in sys.argv)])
    machine = f"{os.cpu_count()} processors, {platform.machine()}"
    verdict = "\n".join(f"- Broken: {promise}" for promise in broken) or "Every promise was kept."
    text = f"`{command}` on {machine}, Python {platform.python_version()}\n\n{body}\n\n{verdict}\n"
    print(f"\n{text}")
    if output:
        output.write_text(f"# {title}\n\n{text}", encoding="utf-8")
    if broken:
        raise SystemExit(1)


def _short(argument: str) -> str:
    """An argument without this machine's folders."""
    path = Path(argument)
    return str(Path(*path.parts[-2:])) if path.is_absolute() else argument
