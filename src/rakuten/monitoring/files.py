"""Where reports of checks lie: the newest is found, the oldest are removed."""

import re
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from rakuten.settings import ProjectPaths

PAGE: Final = "report.html"
VALUES: Final = "report.json"

_NAME: Final = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{8}")
_ORPHAN_SECONDS: Final = 600.0


def reports_folder(paths: ProjectPaths) -> Path:
    """The folder that holds a folder for each report."""
    return paths.reports / "monitoring"


def newest_report(paths: ProjectPaths) -> Path | None:
    """The page of the newest report, None where there is none."""
    pages = (folder / PAGE for folder in reversed(_reports(reports_folder(paths))))
    return next((page for page in pages if page.is_file()), None)


def prune_reports(folder: Path, keep: int) -> None:
    """Remove all reports but the newest ``keep``, and what killed checks left half-written."""
    gone = _reports(folder)[:-keep]
    for path in folder.glob(".*.staged"):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > _ORPHAN_SECONDS:
                gone.append(path)
    for path in gone:
        shutil.rmtree(path, ignore_errors=True)


def _reports(folder: Path) -> list[Path]:
    """Folders of reports, oldest first; other files there are nobody's business."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name))
