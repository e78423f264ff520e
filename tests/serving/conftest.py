"""A registry with versions that name themselves in every answer, and three that are no good."""

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rakuten.io import sha256_file
from rakuten.models.model_directory import GOLDEN, MANIFEST
from rakuten.serving.live_model import LiveModel, LiveOptions
from rakuten.serving.model_cache import FOLDER, ModelCache
from rakuten.settings import ProjectPaths, Settings
from rakuten.stages.train import TrainOutcome
from rakuten.tracking.connection import Connection
from rakuten.tracking.registry import CHAMPION, Registry, Version
from rakuten.tracking.runs import log_run
from tests.tracking.records import record

GOOD = (1, 2, 3)
DAMAGED, GOLDEN_OFF, OTHER_FORMAT = 4, 5, 6
NAME = "rakuten-classifier"
Change = Callable[[dict[str, Any]], None]


def change_manifest(model: Path, change: Change) -> str:
    """Change a manifest in place; the new hash of the model."""
    path = model / MANIFEST
    manifest = json.loads(path.read_text())
    change(manifest)
    path.unlink()  # the files may be links to another model's
    path.write_text(json.dumps(manifest))
    return sha256_file(path)


def mark(model: Path, version: int) -> None:
    """Have every answer of a model end with its version's number."""

    def change(manifest: dict[str, Any]) -> None:
        for entry in manifest["classes"]:
            entry["name"] = f"{entry['name']} of v{version}"

    change_manifest(model, change)


def shift_golden(model: Path) -> None:
    """Have a model expect other answers to its golden products than it gives."""
    path = model / GOLDEN
    golden = json.loads(path.read_text())
    for entry in golden:
        entry["probabilities"] = entry["probabilities"][::-1]
    path.unlink()
    path.write_text(json.dumps(golden))
    digest = sha256_file(path)
    change_manifest(model, lambda manifest: manifest["files"].update({GOLDEN: digest}))


def link_model(source: Path, target: Path) -> None:
    """A copy of a model that shares the content of its files."""
    shutil.copytree(source, target, copy_function=os.link)


def register(paths: ProjectPaths, settings: Settings) -> Version:
    """A version of the model in the project folder, without a training."""
    logged = log_run(record(paths, f"run {time.time_ns()}"), paths, settings)
    assert logged.run_id, logged.reason
    registry = Registry(Connection(settings, paths.root), settings.mlflow_model_name)
    return registry.register(logged.run_id, by="tests")


@dataclass
class Shop:
    """A project folder with a registry that a test may change, and live models on it."""

    root: Path
    settings: Settings
    started: list[LiveModel]

    @property
    def registry(self) -> Registry:
        return Registry(Connection(self.settings, self.root), NAME)

    @property
    def database(self) -> Path:
        return self.root / "mlflow.db"

    @property
    def cache(self) -> ModelCache:
        return ModelCache(self.root / FOLDER, NAME)

    def version(self, number: int) -> Version:
        found = self.registry.version(number)
        assert found is not None
        return found

    def promote(self, number: int | None) -> None:
        registry = self.registry
        registry.point(CHAMPION, None if number is None else registry.version(number))

    def champion(self) -> int | None:
        found = self.registry.by_alias(CHAMPION)
        return found.number if found else None

    def empty_cache(self) -> None:
        """Have every model come from the artifact store."""
        shutil.rmtree(self.root / FOLDER)

    def live(self, **options: Any) -> LiveModel:
        """A started live model that looks often."""
        live = LiveModel(self.settings, self.root, LiveOptions(**{"poll_seconds": 0.3, **options}))
        self.started.append(live)
        live.start()
        return live

    def serve_once(self, number: int) -> None:
        """Have a version confirmed in the cache, as a process that was here before left it."""
        self.promote(number)
        live = self.live()
        wait_for(lambda: answers(live) == number and self.cache.confirmed() is not None)
        live.stop()


def answers(live: LiveModel) -> int | None:
    """Number of the version that answers."""
    current = live.current
    return current.info.version if current else None


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.02)


@pytest.fixture(scope="session")
def versions_home(
    trained_project: tuple[ProjectPaths, TrainOutcome], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A project whose registry holds the versions; no alias is set."""
    root = tmp_path_factory.mktemp("versions")
    paths, settings = ProjectPaths(root), Settings()
    shutil.copy2(trained_project[0].params, paths.params)
    for number in (*GOOD, DAMAGED, GOLDEN_OFF, OTHER_FORMAT):
        shutil.rmtree(paths.model, ignore_errors=True)
        link_model(trained_project[0].model, paths.model)
        mark(paths.model, number)
        if number == GOLDEN_OFF:
            shift_golden(paths.model)
        version = register(paths, settings)
        assert version.number == number
        saved = _saved_model(root, version)
        if number == DAMAGED:
            content = bytearray((saved / "text.npz").read_bytes())
            content[len(content) // 2] ^= 1
            (saved / "text.npz").write_bytes(content)
        if number == OTHER_FORMAT:
            digest = change_manifest(saved, lambda manifest: manifest.update(format_version=99))
            registry = Registry(Connection(settings, root), NAME)
            registry.tag([version], "model_sha256", digest)
    cache = ModelCache(root / FOLDER, NAME)
    for number in GOOD:
        found = Registry(Connection(settings, root), NAME).version(number)
        assert found is not None
        cache.path(found.model_sha256).parent.mkdir(parents=True, exist_ok=True)
        link_model(_saved_model(root, found), cache.path(found.model_sha256))
    return root


def _saved_model(root: Path, version: Version) -> Path:
    """Where the embedded artifact store keeps the model of a version."""
    for manifest in (root / "mlartifacts").rglob(f"data/*/{MANIFEST}"):
        if sha256_file(manifest) == version.model_sha256:
            return manifest.parent
    raise AssertionError(f"no model of {version}")


@pytest.fixture
def shop(versions_home: Path, tmp_path: Path) -> Iterator[Shop]:
    """A fresh copy of the registry, the good models in the cache; the artifacts are shared."""
    shutil.copy2(versions_home / "mlflow.db", tmp_path)
    shutil.copytree(versions_home / FOLDER, tmp_path / FOLDER)
    made = Shop(tmp_path, Settings(), [])
    yield made
    for live in made.started:
        live.stop()
