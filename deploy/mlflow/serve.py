"""Start the MLflow tracking server that the environment describes, or say what is wrong with it.

The container and the integration tests run this same file. It reads:

==================================  ==============================================================
PGHOST PGUSER PGPASSWORD PGDATABASE where PostgreSQL is; libpq reads these and PGPORT by itself,
                                    so a password may hold any character and is in no command line
MLFLOW_ARTIFACTS_DESTINATION        s3://bucket/prefix, or an absolute folder
MLFLOW_SERVE_ARTIFACTS              true: clients send artifacts through the server (the default);
                                    false: they write to S3 themselves
MLFLOW_S3_ENDPOINT_URL AWS_*        the S3 store and its keys, as boto3 reads them
MLFLOW_SERVER_ALLOWED_HOSTS         names under which the server may be called, with their ports
MLFLOW_SERVER_CORS_ALLOWED_ORIGINS  origins of browsers; by default those of the allowed hosts
MLFLOW_HOST MLFLOW_PORT             where it listens; 127.0.0.1 and 5000
MLFLOW_WORKERS                      processes that answer; 2
==================================  ==============================================================

``--show`` prints the command and ends. Needs Python, and what requirements/mlflow-server.txt holds.
"""

import logging
import os
import re
import shlex
import sys
import tempfile
import time
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Final

DATABASE: Final = "postgresql+psycopg://"
DATABASE_SECONDS: Final = 60
_DATABASE_VARIABLES: Final = ("PGHOST", "PGUSER", "PGPASSWORD", "PGDATABASE")
_OURS: Final = re.compile(r"(AWS|MLFLOW|PG)_?[A-Z0-9_]+")
_CONSUMED: Final = ("MLFLOW_ARTIFACTS_DESTINATION", "MLFLOW_SERVE_ARTIFACTS")
_FIXED: Final = {
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
}
_DEFAULTS: Final = {
    # Clients try again by themselves; while S3 is away each would wait for the server's tries too.
    "AWS_MAX_ATTEMPTS": "2",
    "AWS_RETRY_MODE": "standard",
}

log = logging.getLogger("serve")


class SetupError(Exception):
    """The environment does not make a server; the message says why and what to do."""


def main() -> None:
    """Check what the environment says, then become the server."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s: %(message)s", stream=sys.stderr)
    drop_empty(os.environ)
    try:
        command = server_command(os.environ)
        if "--show" in sys.argv[1:]:
            sys.stdout.write(shlex.join(command) + "\n")
            return
        check_artifacts(os.environ)
        wait_for_database(DATABASE_SECONDS)
    except SetupError as error:
        sys.exit(f"error: {error}")
    kept = {name: value for name, value in os.environ.items() if name not in _CONSUMED}
    os.execve(command[0], command, {**_DEFAULTS, **kept, **_FIXED})  # noqa: S606 - no shell is wanted


def drop_empty(environment: MutableMapping[str, str]) -> None:
    """Remove variables without a value: boto3 and libpq take an empty one for a name."""
    for name in [name for name, value in environment.items() if not value]:
        if _OURS.fullmatch(name):
            del environment[name]


def server_command(environment: Mapping[str, str]) -> list[str]:
    """The command line of the server; it holds no secret.

    Raises:
        SetupError: a variable is missing or cannot be used.
    """
    missing = [name for name in _DATABASE_VARIABLES if name not in environment]
    if missing:
        raise SetupError(f"{', '.join(missing)} must be set: they say where PostgreSQL is")
    hosts = _names(environment, "MLFLOW_SERVER_ALLOWED_HOSTS")
    if not hosts:
        raise SetupError(
            "MLFLOW_SERVER_ALLOWED_HOSTS must name the hosts under which the server is called, "
            "as in localhost:5000,mlflow.example.org"
        )
    origins = _names(environment, "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS") or own_origins(hosts)
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", DATABASE]
    command += ["--host", environment.get("MLFLOW_HOST", "127.0.0.1")]
    command += ["--port", _number(environment, "MLFLOW_PORT", 5000)]
    command += ["--workers", _number(environment, "MLFLOW_WORKERS", 2)]
    command += ["--allowed-hosts", ",".join(hosts), "--cors-allowed-origins", ",".join(origins)]
    return command + artifact_options(environment)


def artifact_options(environment: Mapping[str, str]) -> list[str]:
    """Options that say where artifacts lie and who writes them there."""
    destination = environment.get("MLFLOW_ARTIFACTS_DESTINATION", "")
    in_s3 = re.fullmatch(r"s3://[^/\s]+(/\S*)?", destination) is not None
    if not in_s3 and not destination.startswith("/"):
        raise SetupError(
            "MLFLOW_ARTIFACTS_DESTINATION must be s3://bucket/prefix or an absolute folder, "
            f"not {destination!r}"
        )
    through = environment.get("MLFLOW_SERVE_ARTIFACTS", "true").lower()
    if through not in ("true", "false"):
        raise SetupError(f"MLFLOW_SERVE_ARTIFACTS must be true or false, not {through!r}")
    if through == "true":
        return ["--serve-artifacts", "--artifacts-destination", destination]
    if not in_s3:
        raise SetupError(
            f"clients cannot write to {destination}, a folder of the server: "
            "set MLFLOW_SERVE_ARTIFACTS=true, or name a bucket in MLFLOW_ARTIFACTS_DESTINATION"
        )
    return ["--no-serve-artifacts", "--default-artifact-root", destination]


def own_origins(hosts: list[str]) -> list[str]:
    """Origins of pages that the server itself shows under its allowed hosts.

    Browsers name the origin of a page with every change that it sends, and MLflow refuses all
    but localhost by default, the pages of a server with another name included.
    """
    return [f"{scheme}://{host}" for host in hosts for scheme in ("http", "https")]


def check_artifacts(environment: Mapping[str, str]) -> None:
    """Find out now, not at the first upload, whether artifacts can be written.

    A store that does not answer may come back, so that is only a warning.

    Raises:
        SetupError: the folder cannot be written, or the store refuses.
    """
    destination = environment["MLFLOW_ARTIFACTS_DESTINATION"]
    if destination.startswith("s3://"):
        _check_bucket(destination.removeprefix("s3://").split("/")[0], environment)
        return
    folder = Path(destination)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        owner = folder.stat().st_uid if folder.exists() else "nobody"
        raise SetupError(
            f"user {os.geteuid()} cannot write to {folder}, which belongs to {owner} "
            f"({error.strerror}): give it to user {os.geteuid()}"
        ) from error


def wait_for_database(seconds: float) -> None:
    """Wait until PostgreSQL lets the server in.

    Raises:
        SetupError: it refuses, or is silent for too long.
    """
    import psycopg

    deadline = time.monotonic() + seconds
    while True:
        try:
            psycopg.connect(connect_timeout=5).close()
            return
        except psycopg.OperationalError as error:
            reason = str(error).strip().splitlines()[-1]
        if re.search(r"authentication failed|does not exist|no pg_hba", reason):
            raise SetupError(
                f"PostgreSQL refuses: {reason}. The password is the one with which the database "
                "was first made; docs/tracking-server.md says how to change it"
            )
        if time.monotonic() > deadline:
            raise SetupError(f"PostgreSQL has not answered for {seconds:.0f} s: {reason}")
        log.warning("waiting for PostgreSQL: %s", reason)
        time.sleep(1)


def _check_bucket(bucket: str, environment: Mapping[str, str]) -> None:
    import boto3
    from botocore.config import Config
    from botocore.exceptions import (
        BotoCoreError,
        ClientError,
        NoCredentialsError,
        PartialCredentialsError,
    )

    endpoint = environment.get("MLFLOW_S3_ENDPOINT_URL")
    where = f"s3://{bucket} at {endpoint or 'AWS'}"
    config = Config(connect_timeout=5, read_timeout=5, retries={"total_max_attempts": 2})
    try:
        client = boto3.client("s3", endpoint_url=endpoint, config=config)
        client.list_objects_v2(Bucket=bucket, MaxKeys=1)
    except (NoCredentialsError, PartialCredentialsError, ValueError) as error:
        raise SetupError(f"{where} cannot be asked: {error}; set AWS_ACCESS_KEY_ID …") from error
    except ClientError as error:
        code = error.response["Error"].get("Code", "")
        if error.response["ResponseMetadata"]["HTTPStatusCode"] < 500:
            raise SetupError(f"{where} refuses: {code}, {_ADVICE.get(code, error)}") from error
        log.warning("%s is in trouble (%s); artifacts wait for it", where, code)
    except BotoCoreError as error:
        log.warning("%s does not answer (%s); artifacts wait for it", where, error)


_ADVICE: Final = {
    "NoSuchBucket": "make the bucket, or correct MLFLOW_ARTIFACTS_DESTINATION",
    "InvalidAccessKeyId": "correct AWS_ACCESS_KEY_ID",
    "SignatureDoesNotMatch": "correct AWS_SECRET_ACCESS_KEY",
    "AccessDenied": "let these keys list, read, write and delete in it",
    "ExpiredToken": "renew the keys, AWS_SESSION_TOKEN too",
}


def _names(environment: Mapping[str, str], variable: str) -> list[str]:
    """The entries of a comma-separated list; none of them may stand for everybody."""
    names = [name.strip() for name in environment.get(variable, "").split(",") if name.strip()]
    for name in names:
        host = re.sub(r"^https?://|:[\d*]*$", "", name)
        if not host.strip("*?.[]!"):
            raise SetupError(f"{variable}: {name!r} lets everybody in; name the hosts")
    return names


def _number(environment: Mapping[str, str], variable: str, default: int) -> str:
    value = environment.get(variable, str(default))
    if not value.isdecimal() or int(value) < 1:
        raise SetupError(f"{variable} must be a number from 1, not {value!r}")
    return value


if __name__ == "__main__":
    main()
