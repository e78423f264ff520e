"""A tracking server on loopback, with its runs in SQLite and its artifacts wherever a test says."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.servers.process import ServerProcess, answers_http, free_port


@contextmanager
def tracking_server(
    folder: Path, artifacts: str, environment: Mapping[str, str] | None = None, *options: str
) -> Iterator[str]:
    """Serve MLflow on a free port until the block ends; its database and log lie in ``folder``."""
    uri = f"http://127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", "mlflow", "server", "--workers", "1"]
    command += ["--host", "127.0.0.1", "--port", uri.rpartition(":")[2]]
    command += ["--backend-store-uri", f"sqlite:///{folder / 'server.db'}"]
    command += ["--artifacts-destination", artifacts, *options]
    variables = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", **(environment or {})}
    with ServerProcess(
        command,
        folder / "mlflow.log",
        lambda: answers_http(f"{uri}/health"),
        environment=variables,
        seconds=60,
    ):
        yield uri
