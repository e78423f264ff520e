"""The store's databases, of both kinds, and a place of photos."""

from pathlib import Path

import pytest

from rakuten.store.media import FolderMedia
from tests.store.conftest import cluster, database, make_postgres, url

__all__ = ["cluster", "database", "make_postgres", "url"]


@pytest.fixture
def media(tmp_path: Path) -> FolderMedia:
    """An empty place of photos."""
    return FolderMedia(tmp_path / "media")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the export goes; there is none yet."""
    return tmp_path / "project" / "data" / "feedback"
