"""The service as a process: from a promoted model to answers, and through its end."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rakuten.client import Client
from rakuten.params import GateFloors, GateParams, Params
from rakuten.settings import ProjectPaths, Settings
from rakuten.stages.promotion import Request, run_promote, run_register
from rakuten.stages.track import track_training
from rakuten.stages.train import TrainOutcome
from rakuten.store.database import Database
from rakuten.store.predictions import read_prediction
from tests.servers.process import ServerProcess, free_port

Trained = tuple[ProjectPaths, TrainOutcome]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
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


class Served:
    """`rakuten serve --dev` in a project."""

    def __init__(self, root: Path) -> None:
        self.root, self.url = root, f"http://127.0.0.1:{free_port()}"
        port = self.url.rpartition(":")[2]
        self.process = ServerProcess(
            [sys.executable, "-m", "rakuten.cli", "--root", root, "serve", "--dev", "--port", port],
            root / "serve.log",
            self.is_ready,
            environment={"OPENBLAS_NUM_THREADS": "1"},
            seconds=60,
        )

    def is_ready(self) -> bool:
        """Whether a model is live."""
        try:
            urllib.request.urlopen(f"{self.url}/readyz", timeout=2).close()
        except OSError:
            return False
        return True

    def stored(self, prediction_id: str) -> bool:
        """Whether an answer is in the database."""
        database = Database(f"sqlite:///{self.root / '.rakuten/predictions.db'}")
        return read_prediction(database, prediction_id) is not None


@pytest.fixture
def served(promoted: Path) -> Iterator[Served]:
    found = Served(promoted)
    with found.process:
        yield found


def _load(served: Served, done: threading.Event, acknowledged: list[str]) -> None:
    """Ask until told to stop or the service is gone; keep the ids of all answers."""
    body = json.dumps({"designation": "Console de jeux portable"}).encode()
    headers = {"Content-Type": "application/json"}
    while not done.is_set():
        request = urllib.request.Request(f"{served.url}/v1/predict", body, headers)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                acknowledged.append(json.load(answer)["prediction_id"])
        except (OSError, ValueError):
            return


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_every_answer_that_was_given_is_in_the_store(served: Served, number: int) -> None:
    done, acknowledged = threading.Event(), list[str]()
    threads = [threading.Thread(target=_load, args=(served, done, acknowledged)) for _ in range(8)]
    for thread in threads:
        thread.start()
    while len(acknowledged) < 200:
        done.wait(0.01)
    served.process.stop(number)
    done.set()
    for thread in threads:
        thread.join()
    assert len(acknowledged) >= 200
    assert [one for one in acknowledged if not served.stored(one)] == []


def test_a_client_and_the_command_get_answers(served: Served, photo: bytes) -> None:
    with Client(served.url) as client:
        found = client.predict("Console de jeux", "avec manette", photo, explain=True)
        assert found.modalities == ["text", "image"]
        assert found.explanation
        batch = client.predict_batch([("Livre", "", None), ("", "", None)])
        assert [getattr(item, "status", 200) for item in batch.items] == [200, 422]
        assert client.prediction(found.prediction_id).designation == "Console de jeux"
        assert client.image(found.prediction_id) == photo
        given = client.give_feedback(found.prediction_id, 50, reviewer="ann")
        assert given.prdtypecode == 50
        assert client.model().version == 1
        assert len(client.product_types()) > 2
        assert client.review(limit=5).items is not None
    picture = served.root / "photo.jpg"
    picture.write_bytes(photo)
    command = [sys.executable, "-m", "rakuten.cli", "classify", "Console", "--image", str(picture)]
    done = subprocess.run(
        [*command, "--url", served.url, "--json"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    assert answer["modalities"] == ["text", "image"]


def test_the_commands_of_the_page_get_answers(served: Served, photo: bytes) -> None:
    page = (Path(__file__).resolve().parents[2] / "docs/serving.md").read_text()
    lines = [line for line in page.splitlines() if line.startswith("curl ")]
    assert len(lines) == 2
    (served.root / "photo.jpg").write_bytes(photo)
    for line in lines:
        done = subprocess.run(
            ["bash", "-c", line.replace("http://127.0.0.1:8000", served.url)],
            cwd=served.root,
            env=dict(os.environ),
            capture_output=True,
            check=True,
        )
        assert json.loads(done.stdout)["prediction_id"]
