"""All dashboards, and the files that Grafana reads them from."""

import json
from pathlib import Path
from typing import Final

from rakuten.io import write_text
from rakuten.observability.boards.data import DATA
from rakuten.observability.boards.model import MODEL
from rakuten.observability.boards.pipeline import PIPELINE
from rakuten.observability.boards.service import SERVICE
from rakuten.observability.grafana import dashboard_model
from rakuten.observability.panels import Dashboard

RUNBOOKS: Final = "docs/runbooks"
"""Folder of the runbooks, where nobody says at which address it can be read."""


def all_dashboards() -> list[Dashboard]:
    """The dashboards: service, model, data and drift, pipeline."""
    return [SERVICE, MODEL, DATA, PIPELINE]


def dashboard_texts(runbooks: str = RUNBOOKS) -> dict[str, str]:
    """File name of each dashboard → its JSON, which is the same each time."""
    return {
        f"{board.uid}.json": json.dumps(
            dashboard_model(board, runbooks.rstrip("/")), ensure_ascii=False, indent=2
        )
        + "\n"
        for board in all_dashboards()
    }


def write_dashboards(folder: Path, runbooks: str = RUNBOOKS) -> list[Path]:
    """Write ``<uid>.json`` of every dashboard and return their paths.

    Args:
        folder: where Grafana looks for them; made if absent.
        runbooks: address of the folder that holds ``<Alert>.md``.

    Raises:
        StorageError: the file system refused.
    """
    written = []
    for name, text in dashboard_texts(runbooks).items():
        write_text(folder / name, text)
        written.append(folder / name)
    return written
