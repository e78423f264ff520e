"""The live model on PostgreSQL and S3: alias moves, outages, killed fetches, real webhooks."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from rakuten.errors import WebhookError
from rakuten.models.predictor import Product
from rakuten.serving.alias import RestSource
from rakuten.serving.live_model import LiveModel
from rakuten.serving.model_cache import verify
from rakuten.serving.webhook import Delivery, WebhookVerifier
from rakuten.settings import ProjectPaths, Settings
from rakuten.tracking.connection import Connection
from rakuten.tracking.registry import CHAMPION, Registry
from tests.integration.conftest import BUCKET, PREFIX, Project, away
from tests.servers.mlflow_server import TrackingServer, tracking_server
from tests.servers.object_store import ObjectStore
from tests.servers.postgres import Postgres
from tests.serving.conftest import NAME, Shop, answers, link_model, mark, register, wait_for

pytestmark = pytest.mark.servers

SECRET = "between registry and service"


def make_versions(root: Path, model: Path, params: Path, settings: Settings, count: int) -> None:
    paths = ProjectPaths(root)
    shutil.copy2(params, paths.params)
    for number in range(1, count + 1):
        shutil.rmtree(paths.model, ignore_errors=True)
        link_model(model, paths.model)
        mark(paths.model, number)
        assert register(paths, settings).number == number


@pytest.fixture(scope="module")
def versions(
    server: TrackingServer, trained_project: Project, tmp_path_factory: pytest.TempPathFactory
) -> Settings:
    """Two versions on the shared server."""
    settings = Settings(mlflow_tracking_uri=server.uri)
    paths = trained_project[0]
    make_versions(tmp_path_factory.mktemp("live"), paths.model, paths.params, settings, 2)
    return settings


@pytest.fixture
def shop(versions: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """The versions, the first one champion, and an empty cache; a failure is not repeated."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    made = Shop(tmp_path, versions, [])
    made.promote(1)
    yield made
    for live in made.started:
        live.stop()


def test_the_look_up_agrees_with_mlflow(shop: Shop) -> None:
    source = RestSource(str(shop.settings.mlflow_tracking_uri), NAME)
    for number in (1, 2):
        shop.promote(number)
        found, expected = source.champion(), shop.version(number)
        assert found is not None
        assert found.version == expected.number
        assert found.sha256 == expected.model_sha256
        assert found.run_id == expected.run_id
        assert found.registered == expected.registered
        assert set(found.aliases) == set(expected.aliases)
        assert dict(found.tags) == dict(expected.tags)
    assert RestSource(str(shop.settings.mlflow_tracking_uri), "absent").champion() is None
    shop.promote(None)
    assert source.champion() is None


def test_a_promotion_and_a_rollback_go_live(shop: Shop) -> None:
    live = shop.live()
    wait_for(lambda: answers(live) == 1)
    for number in (2, 1):
        shop.promote(number)
        wait_for(lambda number=number: answers(live) == number)  # type: ignore[misc]
        current = live.current
        assert current is not None
        answer = current.predictor.predict([Product("Console de jeux")])[0]
        assert answer.label.endswith(f" of v{number}")
    assert live.state()["degraded"] == []


def test_registry_away_at_the_start_with_and_without_a_cache(
    shop: Shop, server: TrackingServer
) -> None:
    with away(server.process):
        bare = shop.live()
        wait_for(lambda: bare.failures["look_up"] > 1)
        assert bare.state()["ready"] is False
    wait_for(lambda: answers(bare) == 1)
    bare.stop()
    with away(server.process):
        live = shop.live()
        wait_for(lambda: answers(live) == 1 and live.failures["look_up"] > 0)
        assert "does not answer" in live.state()["degraded"][0]
    wait_for(lambda: live.state()["degraded"] == [])
    assert live.swaps == 1


def test_database_away_is_no_answer(shop: Shop, database: Postgres) -> None:
    live = shop.live()
    wait_for(lambda: answers(live) == 1)
    with away(database.process):
        failed = live.failures["look_up"]
        wait_for(lambda: live.failures["look_up"] > failed, seconds=120)
        assert answers(live) == 1
        assert "does not answer" in live.state()["degraded"][0]
    wait_for(lambda: live.state()["degraded"] == [], seconds=120)


def test_store_away_keeps_the_old_model_until_the_new_one_can_be_had(
    shop: Shop, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rakuten.serving.attempts._LONGEST_FAILED", 1.0)
    live = shop.live()
    wait_for(lambda: answers(live) == 1)
    with away(store.process):
        shop.promote(2)
        wait_for(lambda: live.failures["fetch"] > 0, seconds=120)
        assert answers(live) == 1
        assert "cannot be fetched" in live.state()["degraded"][0]
    wait_for(lambda: answers(live) == 2, seconds=120)
    assert not live.refusals


def test_a_fetch_that_is_killed_between_two_files_leaves_nothing_that_is_used(
    shop: Shop, store: ObjectStore
) -> None:
    sha256 = shop.version(1).model_sha256
    command = [sys.executable, "-m", "rakuten.serving.fetch", "--root", str(shop.root)]
    command += ["download", NAME, "1", sha256, str(shop.cache.folder.parent)]
    variables = {**os.environ, "MLFLOW_TRACKING_URI": str(shop.settings.mlflow_tracking_uri)}
    for _ in range(5):
        shutil.rmtree(shop.cache.folder, ignore_errors=True)
        process = subprocess.Popen(command, env=variables, stdout=subprocess.DEVNULL)
        while not list(shop.cache.folder.glob(".*fetching/data/*/*")) and process.poll() is None:
            time.sleep(0.001)
        store.process.signal(signal.SIGSTOP)
        try:
            time.sleep(0.5)
            half = process.poll() is None and not shop.cache.holds(sha256)
            process.kill()
            process.wait()
        finally:
            store.process.signal(signal.SIGCONT)
        if half:
            break
    assert half
    assert list(shop.cache.folder.glob(".*fetching/data/*/*"))
    assert not shop.cache.holds(sha256)
    live = shop.live()
    wait_for(lambda: answers(live) == 1)
    verify(shop.cache.path(sha256), sha256)
    assert list(shop.cache.folder.glob(".*fetching")) == []


@contextmanager
def receiver(live: LiveModel, taken: list[Delivery], refused: list[str]) -> Iterator[str]:
    """A route as the API has one: verify, then poke."""
    verifier = WebhookVerifier([SECRET])

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            try:
                delivery = verifier.verify(dict(self.headers.items()), body)
            except WebhookError as error:
                refused.append(error.message)
                self.send_response(401)
            else:
                taken.append(delivery)
                if delivery.moves_champion(NAME):
                    live.poke()
                self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{running.server_port}/hook"
    finally:
        running.shutdown()
        running.server_close()


@pytest.fixture
def hooked(
    database: Postgres, store: ObjectStore, trained_project: Project, tmp_path: Path
) -> Iterator[Shop]:
    """A server of its own that may deliver to loopback, with two versions."""
    from cryptography.fernet import Fernet

    database.make_database("hooked")
    allowed = {
        "MLFLOW_WEBHOOK_ALLOWED_SCHEMES": "http",
        "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": "true",
        "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY": Fernet.generate_key().decode(),
    }
    (tmp_path / "server").mkdir()
    with tracking_server(
        tmp_path / "server",
        database.environment("hooked"),
        f"s3://{BUCKET}/{PREFIX}",
        store={**store.environment, **allowed},
    ) as running:
        settings, paths = Settings(mlflow_tracking_uri=running.uri), trained_project[0]
        root = tmp_path / "shop"
        root.mkdir()
        make_versions(root, paths.model, paths.params, settings, 2)
        made = Shop(root, settings, [])
        yield made
        for live in made.started:
            live.stop()


def test_a_webhook_that_mlflow_signs_brings_the_champion_at_once(hooked: Shop) -> None:
    live = hooked.live(poll_seconds=600)
    wait_for(lambda: "no champion" in str(live.state()["degraded"]))
    taken: list[Delivery] = []
    refused: list[str] = []
    registry = Registry(Connection(hooked.settings, hooked.root), NAME)
    client = registry.connection.client
    events = ["model_version_alias.created", "model_version_alias.deleted"]
    with receiver(live, taken, refused) as url:
        # Before the first event: MLflow looks only once a minute which webhooks there are.
        client.create_webhook("live", url, events, secret=SECRET)
        client.create_webhook("stranger", url, events, secret="another")
        for number in (1, 2):
            registry.point(CHAMPION, registry.version(number))
            wait_for(lambda number=number: answers(live) == number)  # type: ignore[misc]
        wait_for(lambda: bool(refused))
        registry.point(CHAMPION, None)
        wait_for(lambda: "no champion" in str(live.state()["degraded"]))
    assert [found.action for found in taken] == ["created", "created", "deleted"]
    assert not any(found.repeated for found in taken)
    assert "signature" in refused[0]
    assert answers(live) == 2
