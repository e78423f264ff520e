"""What people see: progress on standard error, tables and lines on standard output."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from rakuten.logs import Progress

if TYPE_CHECKING:
    from rakuten.stages.doctor import Check

_QUIET_SECONDS = 5.0
_WIDTH = 120
_STATES: Final = {
    "ok": ("ok", "green"),
    "warning": ("warn", "yellow"),
    "failed": ("FAIL", "bold red"),
    "skipped": ("skip", "dim"),
}


def out() -> Console:
    """Console of results; never narrower than a table with a run's id."""
    console = Console(highlight=False, soft_wrap=True)
    console.width = max(console.width, _WIDTH)
    return console


def err() -> Console:
    """Console of progress and errors."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


@contextmanager
def progress_bar(label: str) -> Iterator[Progress]:
    """A bar on a terminal; elsewhere a line every five seconds and one at the end."""
    console = err()
    if console.is_terminal:
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        columns = (TextColumn(label), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Bar(*columns, console=console) as bar:
            task = bar.add_task(label, total=None)
            yield lambda done, total: bar.update(task, completed=done, total=total)
        return
    last = time.monotonic()

    def line(done: int, total: int) -> None:
        nonlocal last
        if done == total or time.monotonic() - last > _QUIET_SECONDS:
            last = time.monotonic()
            console.print(f"  {label}: {done}/{total}")

    yield line


def note(text: str) -> None:
    """One line about what is going on."""
    err().print(f"  {text}", markup=False)


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Table:
    """A plain table; numbers are right-aligned, and text in the last column may wrap."""
    result = Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0))
    for position, name in enumerate(columns):
        numeric = all(isinstance(row[position], int | float | None) for row in rows)
        wraps = position == len(columns) - 1 and not numeric
        result.add_column(name, justify="right" if numeric else "left", no_wrap=not wraps)
    for row in rows:
        result.add_row(*(escape(cell(value)) for value in row))
    return result


def cell(value: Any) -> str:
    """A value as a person reads it."""
    if value is None:
        return "–"
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def pairs(title: str, values: Mapping[str, Any]) -> Table:
    """Two columns of names and values."""
    result = Table(
        title=title, title_justify="left", show_header=False, box=None, padding=(0, 2, 0, 0)
    )
    for name, value in values.items():
        result.add_row(escape(name), escape(cell(value)))
    return result


def checks(found: Sequence["Check"], *, as_json: bool) -> None:
    """Findings with what to do about them, for people or as JSON."""
    console = out()
    if as_json:
        text = json.dumps([asdict(check) for check in found], ensure_ascii=False, indent=2)
        console.out(text, highlight=False)
        return
    for check in found:
        label, style = _STATES[check.state]
        console.print(Text.assemble((f"{label:<5}", style), f"{check.name:<12} {check.detail}"))
        if check.hint:
            console.print(f"{'':<17} → {check.hint}", markup=False)
