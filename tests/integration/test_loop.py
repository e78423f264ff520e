"""The loop closes by itself: drift, decision, retraining with corrections, gate, new answers.

Everything is real: the service, PostgreSQL, an MLflow server on PostgreSQL and S3, a Prefect
server on PostgreSQL, and the process that serves the flows. The test only plays the shop.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from rakuten.client import Client
from rakuten.data.sample import make_sample
from rakuten.io import read_csv
from rakuten.params import Params
from rakuten.settings import Settings
from rakuten.store.database import Database
from rakuten.store.monitoring import DecisionRecord, MonitorRun, read_decisions, read_runs
from rakuten.store.windows import Window, read_window
from rakuten.tracking.connection import Connection
from rakuten.tracking.registry import CHAMPION, Registry
from tests.conftest import REPOSITORY
from tests.servers.mlflow_server import TrackingServer
from tests.servers.postgres import Postgres
from tests.servers.prefect_server import PrefectServer, prefect_server
from tests.servers.process import ServerProcess
from tests.serving.api.served import Served
from tests.store.conftest import postgres_url

pytestmark = pytest.mark.servers

ROWS = 1_200
WINDOW = 120
MODEL = "loop"


def environment(
    root: Path, tracking: TrackingServer, prefect: PrefectServer, database_url: str
) -> dict[str, str]:
    """What every process of the shop finds."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {
        **prefect.environment,
        "PREFECT_HOME": str(root / ".rakuten" / "prefect"),
        "PATH": path,
        "MLFLOW_TRACKING_URI": tracking.uri,
        "MLFLOW_MODEL_NAME": MODEL,
        "MLFLOW_EXPERIMENT_NAME": MODEL,
        "DATABASE_URL": database_url,
        "RAKUTEN_SERVE_POLL_SECONDS": "1",
        "RAKUTEN_THREADS": "2",
        "OPENBLAS_NUM_THREADS": "1",
    }


def make_project(root: Path, params: Params) -> None:
    """A project under git and DVC, with gentle floors, small windows and a check every 10 s."""
    root.mkdir()
    for name in ("dvc.yaml", ".dvcignore", ".gitignore", "prefect.yaml"):
        shutil.copy2(REPOSITORY / name, root)
    (root / ".dvc").mkdir()
    shutil.copy2(REPOSITORY / ".dvc/config", root / ".dvc")
    shutil.copytree(REPOSITORY / "src", root / "src")
    values = params.model_dump(mode="json")
    values["gate"] |= {"floors": {"weighted_f1": 0.1, "macro_f1": 0.1}, "margin": 0.2}
    values["gate"] |= {"calibration_error": 0.5, "calibration_rise": 0.5, "coverage_drop": 1.0}
    values["gate"] |= {"class_drop": 1.0, "latency_ms": 5_000}
    values["monitoring"]["window_rows"] = WINDOW
    (root / "params.yaml").write_text(yaml.safe_dump(values))
    deployments = yaml.safe_load((root / "prefect.yaml").read_text())
    for one in deployments["deployments"]:
        if one["name"] == "monitor":
            one["schedules"] = [{"interval": 10, "active": True}]
    (root / "prefect.yaml").write_text(yaml.safe_dump(deployments))
    make_sample(root / "data/raw", rows=ROWS, seed=5)
    subprocess.run(["git", "init", "-q", str(root)], check=True)


class Shop:
    """What the test asks of the processes, and what it reads of their traces."""

    def __init__(self, root: Path, variables: dict[str, str], served: Served) -> None:
        self.root, self.variables, self.served = root, variables, served
        self.database = Database(variables["DATABASE_URL"])

    def sell(self, drift: str, seed: int, labels: float = 0.0) -> None:
        """One window of traffic, and a few more: there are photos that are refused."""
        rakuten(
            self.root,
            self.variables,
            *("simulate-drift", drift, "--rows", str(WINDOW + 10), "--seed", str(seed)),
            *("--labels", str(labels), "--url", self.served.url, "--api-key", self.served.key),
        )

    def wait_for_check(self, outcome: str, seconds: float = 60) -> MonitorRun:
        """The first check that sees nothing but the newest window and says so."""
        now = self._newest_answer()

        def found() -> MonitorRun | None:
            for run in read_runs(self.database, 20, model_name=MODEL):
                if run.finished_at and run.window_end == now and run.outcome == outcome:
                    return run
            return None

        seen: MonitorRun = wait_until(found, seconds, lambda: str(read_runs(self.database, 5)))
        return seen

    def version(self) -> int:
        """Version that answers."""
        with Client(self.served.url, api_key=self.served.key) as client:
            return client.predict("Console de jeux portable").model.version

    def retrainings(self) -> list[DecisionRecord]:
        """Decisions to train again, newest first."""
        return read_decisions(self.database, 10, model_name=MODEL, action="retrain")

    def _newest_answer(self) -> Any:
        return next(read_window(self.database, Window(limit=1)))[0].created_at


def rakuten(root: Path, variables: Mapping[str, str], *command: str) -> str:
    """What a command of the project prints."""
    done = subprocess.run(
        [sys.executable, "-m", "rakuten.cli", "--root", str(root), *command],
        env={**os.environ, **variables},
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def wait_until(found: Callable[[], Any], seconds: float, story: Callable[[], str]) -> Any:
    """What ``found`` returns once it is true."""
    end = time.monotonic() + seconds
    while not (value := found()):
        assert time.monotonic() < end, story()
        time.sleep(0.5)
    return value


@pytest.fixture(scope="module")
def prefect(
    database: Postgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[PrefectServer]:
    database.make_database("loop_flows")
    with prefect_server(
        tmp_path_factory.mktemp("prefect"), database.environment("loop_flows")
    ) as running:
        yield running


@pytest.fixture
def shop(
    database: Postgres,
    server: TrackingServer,
    prefect: PrefectServer,
    quick_params: Params,
    tmp_path: Path,
) -> Iterator[Shop]:
    """A first model that the flow made, and the service that answers with it."""
    root = tmp_path / "project"
    make_project(root, quick_params)
    database.make_database("loop_store")
    variables = environment(root, server, prefect, postgres_url(database, "loop_store"))
    assert "version 1 is champion now" in rakuten(root, variables, "flow", "run", "pipeline")
    served = Served(root, settings=variables, keys=True)
    with served.process:
        yield Shop(root, variables, served)


def test_drift_leads_to_a_new_model_that_answers(
    shop: Shop, prefect: PrefectServer, server: TrackingServer, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "rakuten.cli", "--root", str(shop.root), "flow", "serve"]
    flows = ServerProcess(
        command,
        tmp_path / "flows.log",
        lambda: len(prefect.ask("/deployments/filter", {})) == 2,
        environment=shop.variables,
        seconds=60,
    )
    with flows:
        shop.sell("none", seed=1)
        assert shop.wait_for_check("none").rows == WINDOW
        shop.sell("missing-photos", seed=2, labels=0.6)
        shop.wait_for_check("critical")
        assert shop.version() == 1
        shop.sell("missing-photos", seed=3, labels=0.6)
        wait_until(lambda: shop.version() == 2, 180, lambda: flows.log.read_text()[-5000:])
        decision = wait_until(
            lambda: next((one for one in shop.retrainings() if one.finished_at), None),
            60,
            lambda: str(shop.retrainings()),
        )
    assert (decision.model_version, decision.result["version"]) == (1, 2)
    assert decision.result["state"] == "promoted"
    runs = {run.run_id: run for run in read_runs(shop.database, 100, model_name=MODEL)}
    assert [runs[one].outcome for one in decision.evidence].count("critical") >= 2

    (pipeline,) = prefect.flow_runs(name={"like_": "pipeline-feedback"})
    assert (pipeline["state"]["type"], pipeline["state"]["name"]) == ("COMPLETED", "Promoted")
    tasks = prefect.task_runs(pipeline["id"])
    assert {"feedback", "ingest", "features", "train", "predict", "register", "gate"} <= set(tasks)

    settings = Settings(mlflow_tracking_uri=server.uri, mlflow_model_name=MODEL)
    champion = Registry(Connection(settings, shop.root), MODEL).by_alias(CHAMPION)
    assert champion is not None
    assert champion.number == 2
    assert json.loads(champion.tags["gate"])["outcome"] == "passed"
    run = Connection(settings, shop.root).client.get_run(champion.run_id)
    corrected = len(read_csv(shop.root / "data/feedback/corrections.csv"))
    assert corrected > 0.4 * 2 * WINDOW
    assert 0 < run.data.metrics["feedback.used"] <= corrected
