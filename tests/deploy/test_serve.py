"""From environment to command line: what the server is told, and what is refused before it."""

import shlex
import subprocess
import sys

import pytest

from tests.conftest import REPOSITORY

SCRIPT = REPOSITORY / "deploy" / "mlflow" / "serve.py"
RIGHT = {
    "PGHOST": "db",
    "PGUSER": "mlflow",
    "PGPASSWORD": "pa@ss:w/rd%",
    "PGDATABASE": "mlflow",
    "MLFLOW_ARTIFACTS_DESTINATION": "s3://bucket/prefix",
    "MLFLOW_SERVER_ALLOWED_HOSTS": "localhost:5000, mlflow.example.org",
}


def run(**change: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), "--show"],
        env={**RIGHT, **change},
        capture_output=True,
        text=True,
        check=False,
    )


def options(**change: str) -> dict[str, str]:
    """The options of the command line; flags have the value ""."""
    done = run(**change)
    assert done.returncode == 0, done.stderr
    words = shlex.split(done.stdout)
    assert words[1:4] == ["-m", "mlflow", "server"]
    pairs = zip(words, [*words[1:], "--"], strict=True)
    return {
        word: "" if after.startswith("--") else after
        for word, after in pairs
        if word.startswith("--")
    }


def test_clients_send_artifacts_through_the_server_by_default() -> None:
    found = options()
    assert found["--serve-artifacts"] == ""
    assert found["--artifacts-destination"] == "s3://bucket/prefix"
    assert "--default-artifact-root" not in found


def test_clients_write_to_s3_themselves_where_told() -> None:
    found = options(MLFLOW_SERVE_ARTIFACTS="false")
    assert found["--no-serve-artifacts"] == ""
    assert found["--default-artifact-root"] == "s3://bucket/prefix"
    assert "--artifacts-destination" not in found


def test_no_secret_is_in_the_command() -> None:
    done = run(AWS_SECRET_ACCESS_KEY="very-secret")
    assert options()["--backend-store-uri"] == "postgresql+psycopg://"
    assert RIGHT["PGPASSWORD"] not in done.stdout
    assert "very-secret" not in done.stdout


def test_it_listens_on_loopback_unless_told_otherwise() -> None:
    assert options()["--host"] == "127.0.0.1"
    assert options(MLFLOW_HOST="0.0.0.0")["--host"] == "0.0.0.0"  # noqa: S104
    assert options(MLFLOW_PORT="")["--port"] == "5000"


def test_pages_under_the_allowed_names_may_change_things() -> None:
    found = options()
    assert found["--allowed-hosts"] == "localhost:5000,mlflow.example.org"
    assert found["--cors-allowed-origins"].split(",") == [
        "http://localhost:5000",
        "https://localhost:5000",
        "http://mlflow.example.org",
        "https://mlflow.example.org",
    ]
    chosen = options(MLFLOW_SERVER_CORS_ALLOWED_ORIGINS="https://app.example.org")
    assert chosen["--cors-allowed-origins"] == "https://app.example.org"


@pytest.mark.parametrize("hosts", ["*", "localhost:5000,*", "*:5000", "*.*", "**", "*:*"])
def test_nobody_allows_every_host(hosts: str) -> None:
    done = run(MLFLOW_SERVER_ALLOWED_HOSTS=hosts)
    assert done.returncode == 1
    assert "lets everybody in" in done.stderr
    origins = run(MLFLOW_SERVER_CORS_ALLOWED_ORIGINS=hosts)
    assert origins.returncode == 1


@pytest.mark.parametrize("hosts", ["*.example.org", "10.0.*"])
def test_a_part_of_the_network_can_be_allowed(hosts: str) -> None:
    assert options(MLFLOW_SERVER_ALLOWED_HOSTS=hosts)["--allowed-hosts"] == hosts


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"PGPASSWORD": ""}, "PGPASSWORD must be set"),
        ({"PGHOST": "", "PGUSER": ""}, "PGHOST, PGUSER must be set"),
        ({"MLFLOW_SERVER_ALLOWED_HOSTS": ""}, "must name the hosts"),
        ({"MLFLOW_ARTIFACTS_DESTINATION": ""}, "MLFLOW_ARTIFACTS_DESTINATION must be"),
        ({"MLFLOW_ARTIFACTS_DESTINATION": "bucket/prefix"}, "not 'bucket/prefix'"),
        ({"MLFLOW_ARTIFACTS_DESTINATION": "s3://"}, "MLFLOW_ARTIFACTS_DESTINATION must be"),
        ({"MLFLOW_SERVE_ARTIFACTS": "no"}, "MLFLOW_SERVE_ARTIFACTS must be true or false"),
        (
            {"MLFLOW_SERVE_ARTIFACTS": "false", "MLFLOW_ARTIFACTS_DESTINATION": "/srv"},
            "clients cannot write to /srv",
        ),
        ({"MLFLOW_PORT": "http"}, "MLFLOW_PORT must be a number"),
        ({"MLFLOW_WORKERS": "0"}, "MLFLOW_WORKERS must be a number"),
    ],
)
def test_what_cannot_work_is_refused_by_name(change: dict[str, str], said: str) -> None:
    done = run(**change)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert said in done.stderr
    assert "Traceback" not in done.stderr
