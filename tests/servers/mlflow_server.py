"""The tracking server on loopback, started by the very script that its container runs."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.conftest import REPOSITORY
from tests.servers.process import ServerProcess, answers_http, free_port

SCRIPT: Final = REPOSITORY / "deploy" / "mlflow" / "serve.py"
START_SECONDS: Final = 90


@dataclass(frozen=True)
class TrackingServer:
    """A running server; ``process.stop()`` takes it away, ``process.start()`` brings it back."""

    uri: str
    environment: dict[str, str]
    process: ServerProcess


def find_server_python() -> Path:
    """Python of the environment that holds what the server's image holds, and nothing else.

    Raises:
        RuntimeError: ``make servers`` did not run.
    """
    python = Path(sys.prefix) / "mlflow-server" / "bin" / "python"
    if not python.is_file():
        raise RuntimeError(f"No {python}: run `make servers`.")
    return python


def server_environment(
    database: Mapping[str, str], artifacts: str, *, port: int, through_server: bool = True
) -> dict[str, str]:
    """Variables as the compose file sets them; those of the shell on AWS and MLflow are empty."""
    strangers = dict.fromkeys((n for n in os.environ if n.startswith(("AWS_", "MLFLOW_"))), "")
    return {
        **strangers,
        **database,
        "MLFLOW_ARTIFACTS_DESTINATION": artifacts,
        "MLFLOW_SERVE_ARTIFACTS": str(through_server).lower(),
        "MLFLOW_SERVER_ALLOWED_HOSTS": f"localhost:{port},127.0.0.1:{port}",
        "MLFLOW_HOST": "127.0.0.1",
        "MLFLOW_PORT": str(port),
        "MLFLOW_WORKERS": "1",
        "NO_PROXY": "127.0.0.1",
    }


@contextmanager
def tracking_server(
    folder: Path,
    database: Mapping[str, str],
    artifacts: str,
    *,
    store: Mapping[str, str] | None = None,
    through_server: bool = True,
) -> Iterator[TrackingServer]:
    """Start a server on a database until the block ends; its log lies in ``folder``.

    Args:
        folder: where it runs.
        database: libpq variables.
        artifacts: ``s3://bucket/prefix`` or a folder.
        store: variables that lead to the S3 store.
        through_server: whether clients send artifacts through it.
    """
    port = free_port()
    uri = f"http://127.0.0.1:{port}"
    environment = server_environment(database, artifacts, port=port, through_server=through_server)
    environment |= store or {}
    process = ServerProcess(
        [find_server_python(), SCRIPT],
        folder / "mlflow.log",
        lambda: answers_http(f"{uri}/health"),
        environment=environment,
        seconds=START_SECONDS,
    )
    with process:
        yield TrackingServer(uri, environment, process)
