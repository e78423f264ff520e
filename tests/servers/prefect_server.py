"""A Prefect server on loopback that keeps its state in PostgreSQL."""

import json
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from tests.servers.process import ServerProcess, answers_http, free_port

START_SECONDS: Final = 120
_QUIET: Final = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_LOGGING_TO_API_BATCH_INTERVAL": "0.2",
    "NO_PROXY": "127.0.0.1",
}


@dataclass(frozen=True)
class PrefectServer:
    """A running server; ``process.stop()`` takes it away, ``process.start()`` brings it back."""

    api: str
    folder: Path
    process: ServerProcess

    @property
    def environment(self) -> dict[str, str]:
        """What a client needs to find the server, and to keep to itself."""
        return {**_QUIET, "PREFECT_API_URL": self.api, "PREFECT_HOME": str(self.folder / "client")}

    def ask(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """An answer of the API as JSON values: POST where there is a body, else GET."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.api}{path}", data, headers)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=20) as answer:
            return json.loads(answer.read() or b"null")

    def flow_runs(self, **conditions: Any) -> list[dict[str, Any]]:
        """Runs that fulfil conditions of the API, newest first."""
        wanted = {"flow_runs": conditions, "sort": "EXPECTED_START_TIME_DESC"}
        return list(self.ask("/flow_runs/filter", wanted))

    def task_runs(self, flow_run_id: str) -> dict[str, dict[str, Any]]:
        """Task runs of a flow run, by name."""
        wanted = {"flow_runs": {"id": {"any_": [flow_run_id]}}}
        return {run["name"]: run for run in self.ask("/task_runs/filter", wanted)}

    def states(self, task_run_id: str) -> list[str]:
        """Names of the states that a task run went through, oldest first."""
        found = self.ask(f"/task_run_states/?task_run_id={task_run_id}")
        return [state["name"] for state in sorted(found, key=lambda state: state["timestamp"])]

    def artifacts(self, flow_run_id: str) -> dict[str, dict[str, Any]]:
        """Artifacts of a flow run, by key."""
        wanted = {"artifacts": {"flow_run_id": {"any_": [flow_run_id]}}}
        return {found["key"]: found for found in self.ask("/artifacts/filter", wanted)}

    def log_lines(self, flow_run_id: str) -> list[str]:
        """Messages of the log of a flow run, oldest first."""
        wanted = {"logs": {"flow_run_id": {"any_": [flow_run_id]}}, "sort": "TIMESTAMP_ASC"}
        return [entry["message"] for entry in self.ask("/logs/filter", wanted)]


def database_url(variables: Mapping[str, str]) -> str:
    """The address that Prefect wants, from libpq variables."""
    password = quote(variables["PGPASSWORD"], safe="")
    place = f"{variables['PGHOST']}:{variables['PGPORT']}/{variables['PGDATABASE']}"
    return f"postgresql+asyncpg://{variables['PGUSER']}:{password}@{place}"


@contextmanager
def prefect_server(folder: Path, database: Mapping[str, str]) -> Iterator[PrefectServer]:
    """Serve Prefect's API on a free port until the block ends; its log lies in ``folder``.

    Args:
        folder: where its home and its log are.
        database: libpq variables of an empty database.
    """
    port = free_port()
    api = f"http://127.0.0.1:{port}/api"
    environment = {
        **_QUIET,
        "PREFECT_HOME": str(folder / "server"),
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": database_url(database),
        "PREFECT_SERVER_UI_ENABLED": "false",
        "PREFECT_API_SERVICES_SCHEDULER_LOOP_SECONDS": "2",
        "PREFECT_API_URL": "",
    }
    command = [sys.executable, "-m", "prefect", "server", "start"]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    process = ServerProcess(
        command,
        folder / "prefect.log",
        lambda: answers_http(f"{api}/health"),
        environment=environment,
        seconds=START_SECONDS,
    )
    with process:
        yield PrefectServer(api, folder, process)
