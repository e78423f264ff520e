"""The server's start script names at once what would only fail later, and the server is careful."""

import json
import os
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.conftest import BUCKET
from tests.servers.mlflow_server import (
    SCRIPT,
    TrackingServer,
    find_server_python,
    server_environment,
)
from tests.servers.object_store import ObjectStore, find_rclone
from tests.servers.postgres import Postgres
from tests.servers.process import ServerProcess, answers_http, free_port

pytestmark = pytest.mark.servers

SERVE_S3 = SCRIPT.with_name("serve_s3.sh")
ANOTHER = {"Host": "evil.example.org"}


def refusal(environment: dict[str, str]) -> str:
    """What the script says when it refuses to start."""
    done = subprocess.run(
        [str(find_server_python()), str(SCRIPT)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def asked(url: str, headers: dict[str, str], body: bytes | None = None) -> int:
    """HTTP status of a request."""
    headers = {"Content-Type": "application/json", **headers}
    request = urllib.request.Request(url, data=body, headers=headers)  # noqa: S310
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"PGPASSWORD": "wrong"}, "authentication failed"),
        ({"PGDATABASE": "absent"}, "does not exist"),
    ],
)
def test_a_database_that_refuses_is_named(
    database: Postgres, tmp_path: Path, change: dict[str, str], said: str
) -> None:
    right = server_environment(database.environment("mlflow"), str(tmp_path), port=1)
    message = refusal({**right, **change})
    assert said in message
    assert database.password not in message


@pytest.mark.parametrize(
    ("destination", "change", "said"),
    [
        ("s3://absent-bucket/x", {}, "NoSuchBucket, make the bucket"),
        (f"s3://{BUCKET}/x", {"AWS_ACCESS_KEY_ID": "no"}, "correct AWS_ACCESS_KEY_ID"),
        (f"s3://{BUCKET}/x", {"AWS_SECRET_ACCESS_KEY": "no"}, "correct AWS_SECRET_ACCESS_KEY"),
        (f"s3://{BUCKET}/x", {"AWS_SECRET_ACCESS_KEY": ""}, "Partial credentials"),
    ],
)
def test_a_store_that_refuses_is_named(
    database: Postgres, store: ObjectStore, destination: str, change: dict[str, str], said: str
) -> None:
    right = server_environment(database.environment("mlflow"), destination, port=1)
    message = refusal({**right, **store.environment, **change})
    assert said in message
    assert destination.rsplit("/", 1)[0] in message
    assert store.secret not in message


def test_a_folder_that_cannot_be_written_is_named_with_its_owner(database: Postgres) -> None:
    where = "/proc/1/artifacts"
    message = refusal(server_environment(database.environment("mlflow"), where, port=1))
    assert f"cannot write to {where}" in message


def test_no_secret_is_on_the_command_line(
    server: TrackingServer, database: Postgres, store: ObjectStore
) -> None:
    command = ["ps", "-eww", "-o", "args="]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    lines = [line for line in shown.splitlines() if server.environment["MLFLOW_PORT"] in line]
    assert [line for line in lines if "mlflow server" in line]
    assert not [line for line in lines if database.password in line or store.secret in line]


def test_another_host_name_is_refused_and_health_is_not(server: TrackingServer) -> None:
    search = f"{server.uri}/api/2.0/mlflow/experiments/get?experiment_id=0"
    assert asked(search, {}) == 200
    assert asked(search, ANOTHER) == 403
    assert asked(f"{server.uri}/health", ANOTHER) == 200


def test_pages_of_the_server_may_change_things_and_others_may_not(server: TrackingServer) -> None:
    url = f"{server.uri}/api/2.0/mlflow/runs/search"
    body = json.dumps({"experiment_ids": ["0"]}).encode()
    assert asked(url, {"Origin": server.uri}, body) == 200
    assert asked(url, {"Origin": "https://evil.example.org"}, body) == 403


@pytest.fixture
def small_store(tmp_path: Path) -> Iterator[tuple[str, ObjectStore]]:
    """The store of the compose profile, by the script that its container runs."""
    port = free_port()
    endpoint, key, secret = f"http://127.0.0.1:{port}", "CHOSENKEY", "abc/def+ghi=jkl"
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "rclone").symlink_to(find_rclone())
    environment = {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "AWS_ACCESS_KEY_ID": key,
        "AWS_SECRET_ACCESS_KEY": secret,
        "MLFLOW_ARTIFACTS_DESTINATION": "s3://models/artifacts",
        "S3_ADDRESS": f"127.0.0.1:{port}",
        "S3_FOLDER": str(tmp_path / "data"),
    }
    process = ServerProcess(
        ["sh", SERVE_S3],
        tmp_path / "s3.log",
        lambda: answers_http(endpoint),
        environment=environment,
    )
    with process:
        yield "models", ObjectStore(endpoint, key, secret, tmp_path / "data", process)


def test_the_small_store_has_its_bucket_and_lets_in_its_key_only(
    small_store: tuple[str, ObjectStore],
) -> None:
    from botocore import UNSIGNED
    from botocore.config import Config
    from botocore.exceptions import ClientError
    from botocore.session import Session

    bucket, store = small_store
    client = store.client()
    client.put_object(Bucket=bucket, Key="a/b", Body=b"123")
    client.delete_object(Bucket=bucket, Key="a/b")
    assert store.objects(bucket) == {}
    nobody = Session().create_client(
        "s3",
        "us-east-1",
        endpoint_url=store.endpoint,
        config=Config(signature_version=UNSIGNED, retries={"total_max_attempts": 1}),
    )
    for stranger in (store.client(secret="wrong"), store.client(key="OTHER"), nobody):
        with pytest.raises(ClientError):
            stranger.list_objects_v2(Bucket=bucket)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"AWS_ACCESS_KEY_ID": ""}, "AWS_ACCESS_KEY_ID must be set"),
        ({"AWS_SECRET_ACCESS_KEY": ""}, "AWS_SECRET_ACCESS_KEY must be set"),
        ({"AWS_SECRET_ACCESS_KEY": 'a","b,c'}, "letters, digits"),
        ({"MLFLOW_ARTIFACTS_DESTINATION": "/home/mlflow/artifacts"}, "s3://bucket/prefix"),
    ],
)
def test_the_small_store_never_opens_to_everybody(change: dict[str, str], said: str) -> None:
    right = {
        "AWS_ACCESS_KEY_ID": "KEY",
        "AWS_SECRET_ACCESS_KEY": "SECRET",
        "MLFLOW_ARTIFACTS_DESTINATION": "s3://models",
        "S3_FOLDER": tempfile.gettempdir(),
    }
    done = subprocess.run(
        ["sh", str(SERVE_S3)],
        env={"PATH": os.defpath, **right, **change},
        capture_output=True,
        text=True,
        timeout=10,
        check=False,
    )
    assert done.returncode == 1
    assert said in done.stderr
