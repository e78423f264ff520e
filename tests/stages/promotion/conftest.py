"""A registry with trained versions: a weak, two good ones, one that ruins a type, another split."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rakuten.data.sample import make_sample
from rakuten.io import read_csv, sha256_file, write_csv
from rakuten.params import GateParams, Params
from rakuten.settings import ProjectPaths, Settings
from rakuten.stages.features import MANIFEST, TABLE, run_features
from rakuten.stages.ingest import run_ingest
from rakuten.stages.promotion import Promotion, Request, run_promote, run_register
from rakuten.stages.track import track_training
from rakuten.stages.train import run_train
from rakuten.tracking.connection import Connection
from rakuten.tracking.registry import Registry, Version

WEAK, GOOD, EQUAL, RUINED, OTHER_SPLIT = 1, 2, 3, 4, 5


@dataclass(frozen=True)
class Home:
    """A project whose runs are registered as versions 1 to 5; ``ruined`` is the type it lost."""

    paths: ProjectPaths
    params: Params
    ruined: int


@dataclass(frozen=True)
class Place:
    """A fresh copy of the registry that a test may change; photos and rows are shared."""

    paths: ProjectPaths
    settings: Settings
    home: Home
    params: Params

    def hold(self, split: str) -> None:
        """Have the held-out rows of the split main or other in the working tree."""
        rows = self.home.paths.processed / f"heldout-{split}.csv"
        shutil.copy2(rows, self.paths.processed / "heldout.csv")

    @property
    def registry(self) -> Registry:
        """A new connection."""
        return Registry(Connection(self.settings, self.paths.root), "rakuten-classifier")

    def promote(self, version: int | None = None, **request: Any) -> Promotion:
        """Ask for a promotion."""
        return run_promote(
            self.paths, self.params, self.settings, Request(version, **request), threads=2
        )

    def champion(self) -> int | None:
        """Number of the live version."""
        found = self.registry.by_alias("champion")
        return found.number if found else None

    def version(self, number: int) -> Version:
        """A version that exists."""
        found = self.registry.version(number)
        assert found is not None
        return found

    def aliases(self) -> dict[str, int]:
        """Alias → version."""
        return {a: v.number for v in self.registry.versions() for a in v.aliases}


def _mislabel(paths: ProjectPaths, change: Callable[[list[str]], list[str]]) -> None:
    """Change the labels of the training side alone: held-out rows stay as they are."""
    table = read_csv(paths.processed / TABLE)
    held_out = table["index"].isin(read_csv(paths.processed / "heldout.csv")["index"])
    labels = table.loc[~held_out, "prdtypecode"]
    table.loc[~held_out, "prdtypecode"] = change(labels.tolist())
    write_csv(paths.processed / TABLE, table)
    manifest = json.loads((paths.processed / MANIFEST).read_text())
    manifest["files"][TABLE] = sha256_file(paths.processed / TABLE)
    (paths.processed / MANIFEST).write_text(json.dumps(manifest))


@pytest.fixture(scope="session")
def home(quick_params: Params, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Train and register the five versions; no alias is set but challenger."""
    paths = ProjectPaths(tmp_path_factory.mktemp("registry"))
    make_sample(paths.raw, rows=900, seed=3)
    run_ingest(paths, threads=2)
    run_features(paths, quick_params.features, threads=2)
    gate = GateParams(class_support=8, margin=0.05, resamples=400, coverage_drop=0.3)
    text = quick_params.train.text.model_copy(update={"regularisation": (1.0,)})
    train = quick_params.train.model_copy(update={"text": text})
    params = quick_params.model_copy(update={"gate": gate, "train": train})

    def make(changed: Params = params) -> None:
        (paths.params).write_text(json.dumps(changed.model_dump(mode="json")))
        outcome = run_train(paths, changed, threads=2)
        assert track_training(outcome, paths, changed, Settings(), seconds=1.0).run_id
        run_register(paths, Settings())

    run_train(paths, params, threads=2)
    held_out = read_csv(paths.processed / "heldout.csv")["prdtypecode"]
    common = held_out.value_counts()
    lost, other = common.index[0], common.index[1]
    kept = {name: (paths.processed / name).read_bytes() for name in (TABLE, MANIFEST)}

    def restore() -> None:
        for name, data in kept.items():
            (paths.processed / name).write_bytes(data)

    rng = np.random.default_rng(0)

    def shuffle_half(labels: list[str]) -> list[str]:
        half = len(labels) // 2
        return [*rng.permutation(labels[:half]).tolist(), *labels[half:]]

    _mislabel(paths, shuffle_half)
    make()
    restore()
    make()
    make(params.model_copy(update={"train": train.model_copy(update={"seed": 5})}))
    shutil.copytree(paths.model, paths.model.with_name("equal"))
    _mislabel(paths, lambda labels: [other if label == lost else label for label in labels])
    make()
    restore()
    rows = paths.processed / "heldout.csv"
    rows.rename(paths.processed / "heldout-main.csv")
    make(params.model_copy(update={"split": params.split.model_copy(update={"seed": 9})}))
    rows.rename(paths.processed / "heldout-other.csv")
    return Home(paths, params, int(lost))


@pytest.fixture
def place(home: Home, tmp_path: Path) -> Place:
    """A copy of the registry before any promotion."""
    paths = ProjectPaths(tmp_path)
    paths.processed.mkdir(parents=True)
    paths.raw.symlink_to(home.paths.raw)
    paths.interim.symlink_to(home.paths.interim)
    shutil.copy2(home.paths.root / "mlflow.db", tmp_path)
    place = Place(paths, Settings(rakuten_actor="tests"), home, home.params)
    place.hold("main")
    return place


@pytest.fixture
def live(place: Place) -> Place:
    """The same with the second good version live and the first one before it."""
    assert place.promote(GOOD).state == "promoted"
    assert place.promote(EQUAL).state == "promoted"
    return place
