"""Registry, gate and rollback on PostgreSQL and S3, with servers that go away."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest

from rakuten.errors import PromotionError, TrackingError
from rakuten.models.predictor import Predictor, Product
from rakuten.params import GateFloors, GateParams, Params
from rakuten.settings import ProjectPaths, Settings
from rakuten.stages.promotion import Promotion, Request, run_promote, run_register, run_rollback
from rakuten.stages.track import track_training
from rakuten.stages.train import run_train
from rakuten.tracking.connection import Connection
from rakuten.tracking.gate import judge
from rakuten.tracking.lock import move_lock
from rakuten.tracking.registry import CHAMPION, Registry
from tests.integration.conftest import BUCKET, Project, away
from tests.servers.mlflow_server import TrackingServer
from tests.servers.object_store import ObjectStore

pytestmark = pytest.mark.servers


@dataclass(frozen=True)
class Shop:
    """A project with two registered versions of the model ``shop`` on the shared server."""

    paths: ProjectPaths
    params: Params
    settings: Settings

    @property
    def registry(self) -> Registry:
        return Registry(Connection(self.settings, self.paths.root), "shop")

    def promote(self, version: int, **request: Any) -> Promotion:
        return run_promote(self.paths, self.params, self.settings, Request(version, **request))

    def champion(self) -> int | None:
        found = self.registry.by_alias(CHAMPION)
        return found.number if found else None


@pytest.fixture(scope="module")
def shop(
    server: TrackingServer,
    trained_project: Project,
    quick_params: Params,
    tmp_path_factory: pytest.TempPathFactory,
) -> Shop:
    """Two trainings that differ in their seed, logged and registered."""
    paths = ProjectPaths(tmp_path_factory.mktemp("shop"))
    paths.processed.mkdir(parents=True)
    for folder in (paths.raw, paths.interim):
        folder.symlink_to(trained_project[0].root / folder.relative_to(paths.root))
    for source in trained_project[0].processed.iterdir():
        (paths.processed / source.name).symlink_to(source)
    (paths.processed / "heldout.csv").unlink()
    gate = GateParams(
        floors=GateFloors(weighted_f1=0, macro_f1=0), margin=0.5, calibration_error=1, resamples=200
    )
    params = quick_params.model_copy(update={"gate": gate})
    settings = Settings(
        mlflow_tracking_uri=server.uri,
        mlflow_experiment_name="shop",
        mlflow_model_name="shop",
        rakuten_actor="tests",
    )
    paths.params.write_text(json.dumps(params.model_dump(mode="json")))
    for seed in (1, 2):
        train = params.train.model_copy(update={"seed": seed})
        params = params.model_copy(update={"train": train})
        outcome = run_train(paths, params, threads=2)
        assert track_training(outcome, paths, params, settings, seconds=1.0).run_id
        assert run_register(paths, settings).number == seed
    return Shop(paths, params, settings)


@pytest.fixture
def first_live(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """Version 1 is live, and no other alias but challenger is set; a failure is not repeated."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    registry = shop.registry
    registry.point("previous", None)
    registry.point(CHAMPION, registry.version(1))
    return shop


def test_a_version_is_promoted_and_loaded_back_by_its_alias(shop: Shop, store: ObjectStore) -> None:
    assert shop.champion() is None
    assert shop.promote(1).state == "promoted"
    assert shop.promote(2).state == "promoted"
    live = shop.registry.by_alias(CHAMPION)
    assert live is not None
    assert live.tags["split_fingerprint"] == shop.registry.versions()[1].split_fingerprint
    params = f"/{live.run_id}/artifacts/params.yaml"
    assert any(name.endswith(params) for name in store.objects(BUCKET))

    import mlflow
    import pandas as pd

    titles = ["Console de jeux portable", "Piscine gonflable"]
    model = mlflow.pyfunc.load_model("models:/shop@champion")
    answers = model.predict(pd.DataFrame({"designation": titles}))
    expected = Predictor.load(shop.paths.model).predict([Product(title) for title in titles])
    assert list(answers["confidence"]) == pytest.approx([one.confidence for one in expected])

    assert run_rollback(shop.paths, shop.settings, reason="a look").champion.number == 1
    assert shop.champion() == 1
    shop.registry.tag([live], "rolled_back", "")


def test_a_registry_that_is_away_promotes_nothing(first_live: Shop, server: TrackingServer) -> None:
    with away(server.process):
        for mode in ("normal", "force", "dry_run"):
            with pytest.raises(TrackingError):
                first_live.promote(2, mode=mode, reason="now")
        with pytest.raises(TrackingError):
            run_rollback(first_live.paths, first_live.settings, reason="now")
    assert first_live.champion() == 1


def test_a_registry_that_goes_away_after_the_scoring_promotes_nothing(
    first_live: Shop, server: TrackingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def judge_then_stop(*arguments: Any, **named: Any) -> Any:
        verdict = judge(*arguments, **named)
        server.process.stop()
        return verdict

    monkeypatch.setattr("rakuten.stages.promotion.promote.judge", judge_then_stop)
    try:
        with pytest.raises(TrackingError):
            first_live.promote(2)
    finally:
        server.process.start()
    assert first_live.champion() == 1
    assert first_live.registry.by_alias("previous") is None


def test_while_the_artifact_store_is_away_only_an_unchecked_rollback_moves_the_alias(
    first_live: Shop, store: ObjectStore
) -> None:
    registry = first_live.registry
    registry.point("previous", registry.version(2))
    with away(store.process):
        with pytest.raises(TrackingError, match="artifact store"):
            first_live.promote(2, mode="force", reason="now")
        with pytest.raises(TrackingError, match="artifact store"):
            run_rollback(first_live.paths, first_live.settings, reason="now")
        assert first_live.champion() == 1
        run_rollback(first_live.paths, first_live.settings, reason="now", check=False)
        assert first_live.champion() == 2
    version = registry.version(1)
    assert version is not None
    registry.tag([version], "rolled_back", "")


def test_of_many_that_move_aliases_at_once_one_holds_the_lock(shop: Shop) -> None:
    registry, done, start = shop.registry, threading.Event(), threading.Barrier(4)
    told: list[str] = []
    won: list[str] = []

    def contend(name: str) -> None:
        start.wait()
        try:
            with move_lock(registry, name):
                won.append(name)
                done.wait(30)
        except PromotionError:
            told.append(name)
            if len(told) == 3:
                done.set()

    threads = [threading.Thread(target=contend, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert len(told) == 3
    assert registry.read_unique("shop.lock.1") is None


def test_registering_one_run_from_several_places_at_once_makes_one_version(
    shop: Shop, trained_project: Project
) -> None:
    outcome = trained_project[1]
    logged = track_training(outcome, trained_project[0], shop.params, shop.settings, seconds=1.0)
    assert logged.run_id is not None
    start = threading.Barrier(3)

    def register(_: int) -> int:
        registry = shop.registry
        start.wait()
        return registry.register(str(logged.run_id), by="tests").number

    with ThreadPoolExecutor(3) as pool:
        numbers = set(pool.map(register, range(3)))
    assert len(numbers) == 1
    found = [version.number for version in shop.registry.versions()]
    assert sorted(found) == [1, 2, *numbers]
