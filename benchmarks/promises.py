"""What the reliability runs promise, and how they end: a report, and a 1 where one is broken."""

import os
import platform
from collections.abc import Sequence
from pathlib import Path


def conclude(
    title: str, command: str, body: str, broken: Sequence[str], output: Path | None
) -> None:
    """Print a report with its verdict, write it where asked to, and end with 1 if need be.

    Args:
        title: heading of the file.
        command: what prints this again.
        body: Markdown.
        broken: promises that were not kept.
        output: file to write too.
    """
    machine = f"{os.cpu_count()} processors, {platform.machine()}"
    verdict = "\n".join(f"- Broken: {promise}" for promise in broken) or "Every promise was kept."
    text = f"`{command}` on {machine}, Python {platform.python_version()}\n\n{body}\n\n{verdict}\n"
    print(f"\n{text}")
    if output:
        output.write_text(f"# {title}\n\n{text}", encoding="utf-8")
    if broken:
        raise SystemExit(1)
