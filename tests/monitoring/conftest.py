"""A registry with a champion whose reference is known, and stores with traffic of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rakuten.models.feature_row import FeatureRow, feature_columns
from rakuten.models.model_directory import write_model
from rakuten.monitoring.check import Checked, check_traffic
from rakuten.params import MonitoringParams
from rakuten.settings import ProjectPaths, Settings
from rakuten.store.database import Database
from rakuten.store.predictions import insert_predictions
from rakuten.store.records import PredictionRecord
from rakuten.tracking.connection import Connection
from rakuten.tracking.registry import CHAMPION, Registry, Version
from rakuten.tracking.runs import log_run
from tests.monitoring.material import TYPES, make_rows
from tests.store.material import make_record
from tests.tracking.records import record

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
REFERENCE = make_rows(300, 1000)
HELD_OUT_F1 = 0.9
NAME = "rakuten-classifier"


@dataclass
class Shop:
    """A project folder of its own with a store of its own; the registry may be shared."""

    paths: ProjectPaths
    settings: Settings
    params: MonitoringParams = field(default_factory=MonitoringParams)

    @property
    def database(self) -> Database:
        """The store, with its tables."""
        database = Database(self.settings.store_url(self.paths.root))
        database.migrate()
        return database

    @property
    def registry(self) -> Registry:
        """A new connection."""
        return Registry(Connection(self.settings, self.paths.root), NAME)

    def send(self, rows: Sequence[Any], at: datetime, **changes: Any) -> list[PredictionRecord]:
        """Keep answers with these feature rows, a second apart."""
        records = [answer(row, at + timedelta(seconds=n), **changes) for n, row in enumerate(rows)]
        with self.database.write() as connection:
            insert_predictions(connection, records)
        return records

    def check(self, now: datetime, **params: Any) -> Checked:
        """Check as if it were then."""
        changed = self.params.model_copy(update=params)
        return check_traffic(self.paths, self.settings, changed, now=now)


def answer(row: Any, at: datetime, **changes: Any) -> PredictionRecord:
    """An answer of version 1 with a feature row, which may be damaged."""
    whole = isinstance(row, dict) and "prdtypecode" in row
    values = {
        "features": row,
        "created_at": at,
        "model_version": 1,
        "prdtypecode": row["prdtypecode"] if whole else 10,
        "confidence": row["confidence"] if whole else 0.5,
        "image_status": row["image_status"] if whole else "missing",
        "alternatives": [],
    }
    return replace(make_record(), **{**values, **changes})


def write_reference(model: Path, reference: Sequence[FeatureRow] = REFERENCE) -> None:
    """A model directory that answers nothing and has what monitoring reads."""
    write_model(
        model,
        {
            "reference": feature_columns(reference),
            "text": {"weights": feature_columns([])["confidence"]},
        },
        [],
        {
            "classes": [{"code": code, "name": f"<b>type {code}</b>"} for code in TYPES],
            "libraries": {"numpy": np.__version__},
            "scores": {"held_out": {"rows": len(reference), "weighted_f1": HELD_OUT_F1}},
        },
    )


def register_champion(paths: ProjectPaths, settings: Settings) -> Version:
    """Register the model of the project folder and make it live, without a gate."""
    logged = log_run(record(paths, f"run {datetime.now(UTC).isoformat()}"), paths, settings)
    assert logged.run_id, logged.reason
    registry = Registry(Connection(settings, paths.root), settings.mlflow_model_name)
    version = registry.register(logged.run_id, by="tests")
    registry.point(CHAMPION, version)
    return version


def make_home(root: Path) -> ProjectPaths:
    """A project whose embedded registry has one version, the champion."""
    paths = ProjectPaths(root)
    paths.params.write_text("{}\n")
    write_reference(paths.model)
    register_champion(paths, Settings())
    return paths


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> ProjectPaths:
    """A registry to read; change it in a home of your own."""
    return make_home(tmp_path_factory.mktemp("home"))


@pytest.fixture
def shop(home: ProjectPaths, tmp_path: Path) -> Shop:
    """A fresh project that uses the shared registry."""
    uri = Settings().tracking_uri(home.root)
    return Shop(ProjectPaths(tmp_path), Settings(mlflow_tracking_uri=uri))
