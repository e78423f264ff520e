"""The service as a process: from a promoted model to answers, and through its end."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rakuten.client import Client
from rakuten.store.database import Database
from rakuten.store.windows import Window, read_labels, read_window
from tests.serving.api.served import Served

REPOSITORY = Path(__file__).resolve().parents[3]

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("promoted")]


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


def test_simulated_drift_and_labels_reach_the_store(served: Served) -> None:
    command = [sys.executable, "-m", "rakuten.cli", "--root", str(served.root), "simulate-drift"]
    done = subprocess.run(
        [*command, "photo-style", "--rows", "50", "--labels", "0.5", "--url", served.url],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = re.match(
        r"(\d+) listings answered \(photo-style, strong\), (\d+) refused, (\d+)", done.stdout
    )
    assert said is not None, done.stdout
    answered, refused, labelled = map(int, said.groups())
    assert answered + refused == 50
    assert 10 <= labelled <= 40
    database = Database(served.database_url)
    rows = next(read_window(database, Window(limit=answered)))
    assert len(rows) == answered
    labels = read_labels(database, [row.prediction_id for row in rows])
    assert {label.reviewer for label in labels} == {"simulation"}
    assert len(labels) == labelled


@pytest.mark.parametrize(("page", "count"), [("README.md", 1), ("docs/serving.md", 2)])
def test_the_commands_of_a_page_get_answers(
    served: Served, photo: bytes, page: str, count: int
) -> None:
    text = (REPOSITORY / page).read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.startswith("curl ")]
    assert len(lines) == count
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
