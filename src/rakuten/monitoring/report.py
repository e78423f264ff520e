"""The report of a check, for people and for machines, written whole or not at all."""

import os
import secrets
import shutil
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path

from rakuten.errors import StorageError
from rakuten.io import storage_error, write_json, write_text
from rakuten.logs import get_logger
from rakuten.monitoring.evidently_report import Described, describe
from rakuten.monitoring.files import PAGE, VALUES, prune_reports, reports_folder
from rakuten.monitoring.page import render_page
from rakuten.monitoring.summary import to_values
from rakuten.monitoring.window import Seen
from rakuten.settings import ProjectPaths
from rakuten.store.monitoring import DecisionRecord, MonitorRun

log = get_logger(__name__)


@dataclass(frozen=True)
class Draft:
    """A report on disk that does not say yet what was decided; ``shown`` is seen from the root."""

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
    folder = reports_folder(paths) / name
    described = _describe(seen) if seen.drift.columns else None
    staged = folder.with_name(f".{name}.{secrets.token_hex(4)}.staged")
    try:
        staged.mkdir(parents=True)
        _write(staged, seen, described, run, None)
        staged.rename(folder)
    except OSError as error:
        raise storage_error(error, folder) from error
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    prune_reports(folder.parent, keep)
    return Draft(folder, os.path.relpath(folder / PAGE, paths.root), seen, described)


def _describe(seen: Seen) -> Described:
    return describe(seen.rows, seen.live.reference, seen.drift, sorted(seen.live.labels))


def _write(
    folder: Path,
    seen: Seen,
    described: Described | None,
    run: MonitorRun,
    decision: DecisionRecord | None,
) -> None:
    charts = described.values if described else None
    write_json(folder / VALUES, {**to_values(run, decision), "evidently": charts})
    write_text(folder / PAGE, render_page(seen, described, run, decision))
