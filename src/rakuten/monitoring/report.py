"""Reports of checks as files: written whole, the newest found, the oldest removed."""

import os
import re
import secrets
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import Final

from rakuten.errors import StorageError
from rakuten.io import storage_error, write_json, write_text
from rakuten.logs import get_logger
from rakuten.monitoring.evidently_report import Described, describe
from rakuten.monitoring.page import render_page
from rakuten.monitoring.summary import to_values
from rakuten.monitoring.traffic import Seen
from rakuten.settings import ProjectPaths
from rakuten.store.monitoring import DecisionRecord, MonitorRun

log = get_logger(__name__)

FOLDER: Final = "monitoring"
"""Where reports lie below ``reports``."""
PAGE: Final = "report.html"
VALUES: Final = "report.json"

_NAME: Final = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{8}")
_ORPHAN_SECONDS: Final = 600.0


@dataclass(frozen=True)
class Draft:
    """A report on disk that does not say yet what was decided."""

    folder: Path
    shown: str
    seen: Seen
    described: Described | None

    def finish(self, run: MonitorRun, decision: DecisionRecord) -> Path:
        """Write the report again with the decision; where the disk refuses, it stays without."""
        try:
            _write(self.folder, self.seen, self.described, run, decision)
        except StorageError as error:
            log.warning("the report does not say what was decided: %s", error)
        return self.folder / PAGE


def draft_report(paths: ProjectPaths, run: MonitorRun, seen: Seen, *, keep: int) -> Draft:
    """Write the report of a check into a folder of its own, which appears whole or not at all.

    Args:
        paths: the project.
        run: the check with its findings; its time and the end of its id name the folder.
        seen: what the window showed; with too little data the report has no charts.
        keep: how many reports stay, this one among them; older ones are removed.

    Raises:
        StorageError: the disk refused.
    """
    name = f"{run.started_at.astimezone(UTC):%Y%m%dT%H%M%SZ}-{run.run_id[-8:]}"
    folder = paths.reports / FOLDER / name
    codes = sorted(seen.live.labels)
    described = (
        describe(seen.rows, seen.live.reference, seen.drift, codes) if seen.drift.columns else None
    )
    staged = folder.with_name(f".{name}.{secrets.token_hex(4)}.staged")
    try:
        staged.mkdir(parents=True)
        _write(staged, seen, described, run, None)
        staged.rename(folder)
    except OSError as error:
        raise storage_error(error, folder) from error
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    _prune(folder.parent, keep)
    return Draft(folder, os.path.relpath(folder / PAGE, paths.root), seen, described)


def newest_report(paths: ProjectPaths) -> Path | None:
    """The page of the newest report, None where there is none."""
    found = [path / PAGE for path in _reports(paths.reports / FOLDER)]
    return next((page for page in reversed(found) if page.is_file()), None)


def _write(
    folder: Path,
    seen: Seen,
    described: Described | None,
    run: MonitorRun,
    decision: DecisionRecord | None,
) -> None:
    values = {
        **to_values(run, decision),
        "evidently": described.values if described else None,
    }
    write_json(folder / VALUES, values)
    write_text(folder / PAGE, render_page(seen, described, run, decision))


def _reports(folder: Path) -> list[Path]:
    """Folders of reports, oldest first."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name))


def _prune(folder: Path, keep: int) -> None:
    """Remove reports beyond the newest, and what killed checks left."""
    gone = _reports(folder)[:-keep]
    for path in folder.glob(".*.staged"):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > _ORPHAN_SECONDS:
                gone.append(path)
    for path in gone:
        shutil.rmtree(path, ignore_errors=True)
