"""A running service around a trained model: the whole application, in this process."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from rakuten import catalog
from rakuten.models.model_directory import model_sha256
from rakuten.models.predictor import Predictor
from rakuten.params import GateFloors, GateParams, Params
from rakuten.serving.app import create_app
from rakuten.serving.live_model import LoadedModel, ModelInfo
from rakuten.serving.service import Service
from rakuten.serving.settings import ServingSettings
from rakuten.settings import ProjectPaths, Settings
from rakuten.stages.promotion import Request, run_promote, run_register
from rakuten.stages.track import track_training
from rakuten.stages.train import TrainOutcome
from rakuten.store.keys import create_key

Trained = tuple[ProjectPaths, TrainOutcome]


@dataclass(frozen=True)
class Running:
    """A service, a client of it, and the predictor that it answers with."""

    client: TestClient
    service: Service
    predictor: Predictor

    def predict(self, **product: Any) -> dict[str, Any]:
        """One answer."""
        answer = self.client.post("/v1/predict", json=product)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def key(self, *scopes: str) -> str:
        """A new key that the service knows."""
        _, secret = create_key(self.service.database, "test", scopes)
        self.service.keys.refresh()
        return secret


Start = Callable[..., Any]


@pytest.fixture(scope="session")
def loaded(trained_project: Trained) -> LoadedModel:
    """The trained model as the live model holds it."""
    paths = trained_project[0]
    info = ModelInfo("shop", 3, model_sha256(paths.model), "run", datetime.now(UTC))
    return LoadedModel(Predictor.load(paths.model), info)


@pytest.fixture
def start(loaded: LoadedModel, tmp_path: Path) -> Start:
    """Start a service with settings of the test's own; a block."""

    @contextmanager
    def run(**settings: Any) -> Iterator[Running]:
        values = {"keyless": True, "poll_seconds": 60, **settings}
        app = create_app(Settings(), ServingSettings.model_validate(values), tmp_path)
        service: Service = app.state.service
        service.live.current = loaded
        with TestClient(app, raise_server_exceptions=False) as client:
            yield Running(client, service, loaded.predictor)

    return run


@pytest.fixture
def running(start: Start) -> Iterator[Running]:
    """A service without keys."""
    with start() as found:
        yield found


@pytest.fixture(scope="session")
def photo(trained_project: Trained) -> bytes:
    """A photo of the sample that decodes."""
    folder = trained_project[0].raw / catalog.IMAGE_TEST
    return max(
        (path for path in folder.iterdir()), key=lambda path: path.stat().st_size
    ).read_bytes()


@pytest.fixture(scope="session")
def promoted(
    trained_project: Trained, quick_params: Params, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A project whose model is champion in the embedded registry."""
    root = tmp_path_factory.mktemp("promoted") / "project"
    shutil.copytree(trained_project[0].root, root)
    paths = ProjectPaths(root)
    gate = GateParams(floors=GateFloors(weighted_f1=0, macro_f1=0), calibration_error=1)
    params = quick_params.model_copy(update={"gate": gate})
    assert track_training(trained_project[1], paths, params, Settings(), seconds=1.0).run_id
    run_register(paths, Settings())
    assert run_promote(paths, params, Settings(), Request()).state == "promoted"
    return root
