"""From an alert to a run of the monitor flow: real Alertmanager, webhook and Prefect server."""

import json
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rakuten.observability.alertmanager import Receivers, write_alertmanager
from rakuten.observability.timescale import TimeScale
from tests.flows.test_webhook import TOKEN, message
from tests.integration.conftest import away
from tests.servers.prefect_server import PrefectServer
from tests.servers.process import ServerProcess, answers_http, free_port
from tests.servers.prometheus import alertmanager, eventually

pytestmark = pytest.mark.servers


@dataclass(frozen=True)
class Hook:
    """``rakuten flow webhook`` as a process."""

    port: int
    token: Path
    process: ServerProcess

    def check(self) -> tuple[int, dict[str, Any]]:
        """Ask for a check as Alertmanager does; status and JSON of the answer."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/monitor",
            json.dumps(message()).encode(),
            {"Content-Type": "application/json", "Authorization": f"Bearer {TOKEN}"},
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read())


@pytest.fixture
def hook(prefect: PrefectServer, tmp_path: Path) -> Iterator[Hook]:
    """The webhook, with a token in a file, for the shared Prefect server."""
    token = tmp_path / "token"
    token.write_text(TOKEN)
    port = free_port()
    command = [sys.executable, "-m", "rakuten.cli", "--root", str(tmp_path)]
    process = ServerProcess(
        [*command, "flow", "webhook", "--port", str(port)],
        tmp_path / "webhook.log",
        lambda: answers_http(f"http://127.0.0.1:{port}/healthz"),
        environment={**prefect.environment, "RAKUTEN_WEBHOOK_TOKEN_FILE": str(token)},
        seconds=60,
    )
    with process:
        yield Hook(port, token, process)


@pytest.fixture
def deployment(prefect: PrefectServer) -> Iterator[str]:
    """The deployment of the monitor flow, which no worker carries out; its id."""
    flow = prefect.ask("/flows/", {"name": "monitor"})["id"]
    found = prefect.ask("/deployments/", {"name": "monitor", "flow_id": flow})["id"]
    yield str(found)
    for run in prefect.flow_runs(deployment_id={"any_": [found]}):
        _delete(f"{prefect.api}/flow_runs/{run['id']}")
    with suppress(urllib.error.HTTPError):  # a test may have deleted it
        _delete(f"{prefect.api}/deployments/{found}")


def _delete(url: str) -> None:
    urllib.request.urlopen(urllib.request.Request(url, method="DELETE"), timeout=20).close()


def test_an_alert_starts_one_check_and_the_next_one_waits(
    hook: Hook, prefect: PrefectServer, deployment: str, tmp_path: Path
) -> None:
    def runs() -> list[dict[str, Any]]:
        return prefect.flow_runs(deployment_id={"any_": [deployment]}, tags={"all_": ["alert"]})

    config = tmp_path / "alertmanager.yml"
    receivers = Receivers(webhook=f"127.0.0.1:{hook.port}", token_file=str(hook.token))
    write_alertmanager(config, TimeScale.parse("1/120"), receivers)
    with alertmanager(tmp_path, config) as manager:
        manager.post({"alertname": "RakutenPhotosMissing", "severity": "check"})
        (run,) = eventually(runs)
    assert run["tags"] == ["alert"]

    def move(state: str) -> None:
        body = {"state": {"type": state}, "force": True}
        assert prefect.ask(f"/flow_runs/{run['id']}/set_state", body)["status"] == "ACCEPT"

    for state, why in (
        (None, "waits for a worker"),
        ("RUNNING", "under way"),
        ("COMPLETED", "within 0:15:00"),
    ):
        if state:
            move(state)
        status, content = hook.check()
        assert (status, content["started"]) == (200, False)
        assert why in content["detail"]
    assert len(runs()) == 1
    log = (tmp_path / "webhook.log").read_text()
    assert "firing (check) RakutenPhotosMissing" in log
    assert TOKEN not in log


def test_alertmanager_is_to_ask_again_where_prefect_is_away_or_knows_no_deployment(
    hook: Hook, prefect: PrefectServer, deployment: str
) -> None:
    _delete(f"{prefect.api}/deployments/{deployment}")
    status, content = hook.check()
    assert (status, content) == (
        503,
        {"problem": "The Prefect server has no deployment monitor/monitor."},
    )
    with away(prefect.process):
        status, content = hook.check()
        assert status == 503
        assert "did not answer" in content["problem"]
