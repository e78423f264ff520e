"""Checks of the stores in S3 and of the credentials for them."""

import json
import os
import posixpath
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from rakuten.errors import MissingExtraError
from rakuten.settings import ENV_FILE
from rakuten.stages.doctor.check import (
    ANSWER_SECONDS,
    CONNECT_SECONDS,
    PROBE,
    PROBE_CONTENT,
    Check,
    Store,
    Subject,
)
from rakuten.stages.doctor.dvc import chosen_remotes

_DVC_OPTIONS: Final = ("endpointurl", "profile", "access_key_id", "secret_access_key", "region")
_S3_NAMES: Final = re.compile(
    r"AWS_(ACCESS_KEY_ID|SECRET_ACCESS_KEY|PROFILE|ENDPOINT_URL\w*)|MLFLOW_S3_ENDPOINT_URL"
)
_S3_ANSWERS: Final = {
    "InvalidAccessKeyId": ("does not know the access key id", "correct AWS_ACCESS_KEY_ID"),
    "SignatureDoesNotMatch": (
        "refuses the secret key",
        "correct AWS_SECRET_ACCESS_KEY: it is not the one of this AWS_ACCESS_KEY_ID",
    ),
    "NoSuchBucket": ("has no such bucket", "create it, or correct the name of the bucket"),
    "ExpiredToken": ("says that the session token has expired", "get new temporary keys"),
    "AccessDenied": (
        "refuses these credentials",
        "correct the keys, or grant them s3:ListBucket, s3:GetObject and s3:PutObject",
    ),
    "PermanentRedirect": ("has the bucket in another region", "set AWS_DEFAULT_REGION to it"),
    "RequestTimeTooSkewed": ("has another time than this machine", "set this machine's clock"),
}
_S3_ALIASES: Final = {
    "404": "NoSuchBucket",
    "403": "AccessDenied",
    "301": "PermanentRedirect",
    "AuthorizationHeaderMalformed": "PermanentRedirect",
    "InvalidToken": "ExpiredToken",
    "TokenRefreshRequired": "ExpiredToken",
}
_S3_BUSY: Final = ("SlowDown", "ServiceUnavailable", "RequestTimeout", "InternalError")
_SOURCE: Final = f"in this shell: set -a; source {ENV_FILE}; set +a"


def s3_checks(subject: Subject) -> Iterator[Check]:
    """Resolve credentials as boto3 does and ask each store that the project names."""
    remotes = list(remote_store_checks(subject))
    artifacts = list(artifact_store_checks(subject))
    yield from remotes
    yield from artifacts
    if remotes or artifacts:
        return
    named = [name for name, value in os.environ.items() if value and _S3_NAMES.fullmatch(name)]
    if not named:
        yield Check("s3", "skipped", "nothing points to S3")
        return
    endpoint = subject.settings.mlflow_s3_endpoint_url
    yield _ask_store(Store(", ".join(sorted(named)), "", endpoint=endpoint), prove=False)


def remote_store_checks(subject: Subject) -> Iterator[Check]:
    """Ask the stores in S3 that DVC pushes to."""
    stores = _dvc_stores(subject.paths.root)
    for store in stores:
        yield _ask_store(store, prove=subject.prove)
    if any(not store.key for store in stores):
        yield from _seen_by_dvc(subject.shell)


def artifact_store_checks(subject: Subject) -> Iterator[Check]:
    """Ask the store in S3 where this machine itself writes the artifacts of runs."""
    root = urlsplit(subject.artifact_root)
    if root.scheme == "s3":
        if find_spec("boto3") is None:
            raise MissingExtraError("boto3", "pipeline", "Writing artifacts to S3")
        endpoint = subject.settings.mlflow_s3_endpoint_url
        store = Store("artifacts of runs", root.netloc, root.path.strip("/"), endpoint)
        yield _ask_store(store, prove=subject.prove)


def _seen_by_dvc(shell: Mapping[str, str]) -> Iterator[Check]:
    """What a `dvc push` of this shell, which reads no ``.env``, would stumble over."""
    keys = [name for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE") if os.environ.get(name)]
    if keys and not any(shell.get(name) for name in keys):
        detail = f"{keys[0]} is in {ENV_FILE}, which `rakuten` reads and `dvc push` does not"
        yield Check("s3", "warning", detail, f"rakuten exec dvc push, or {_SOURCE}")
    empty = [name for name in ("AWS_PROFILE", "AWS_DEFAULT_REGION") if shell.get(name) == ""]
    if empty:
        detail = f"the shell exports {', '.join(empty)} empty; boto3 takes that for a name"
        hint = f"unset {' '.join(empty)}, and take the empty lines out of {ENV_FILE}"
        yield Check("s3", "warning", detail, hint)


def _dvc_stores(root: Path) -> list[Store]:
    return [
        Store(
            f"DVC remote {name}",
            urlsplit(remote["url"]).netloc,
            urlsplit(remote["url"]).path.strip("/"),
            *(remote.get(option) for option in _DVC_OPTIONS),
        )
        for name, remote in chosen_remotes(root).items()
        if remote["url"].startswith("s3://")
    ]


@contextmanager
def _no_instance_role() -> Iterator[None]:
    """Ask no cloud metadata service: off the cloud it only costs time."""
    name = "AWS_EC2_METADATA_DISABLED"
    before = os.environ.get(name)
    os.environ[name] = "true"
    try:
        yield
    finally:
        os.environ.pop(name)
        if before is not None:
            os.environ[name] = before


def _ask_store(store: Store, *, prove: bool) -> Check:
    from botocore import exceptions as aws

    place = f"s3://{store.bucket}" if store.bucket else "S3"
    place += f" at {store.url or 'AWS'}"
    try:
        # A program that is about to write waits a second for an instance's role; a look does not.
        with nullcontext() if prove else _no_instance_role():
            found = _request(store, prove=prove)
    except aws.ClientError as error:
        answer = error.response.get("Error", {})
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        code = str(answer.get("Code", ""))
        reason, hint = _S3_ANSWERS.get(
            _S3_ALIASES.get(code, code),
            (f"answers {code}: {answer.get('Message', '')}", "its log or documentation says more"),
        )
        if store.key and "AWS_" in hint:
            hint = "correct the keys of the remote: dvc remote modify --local"
        away = status >= 500 or code in _S3_BUSY
        return Check("s3", "failed", f"{store.purpose}: {place} {reason}", hint, away)
    except (aws.BotoCoreError, ValueError) as error:
        silent = isinstance(error, aws.ConnectionError | aws.HTTPClientError)
        away = silent and not isinstance(error, aws.SSLError)
        hint = "start it, or correct the endpoint" if away else "correct the AWS_* settings in .env"
        return Check("s3", "failed", f"{store.purpose}: {place}: {error}", hint, away)
    if found:
        done = "takes objects" if prove else "answers"
        return Check("s3", "ok", f"{store.purpose}: {place} {done}, credentials from {found}")
    unsought = "" if prove else " (an instance's role is not looked for)"
    return Check(
        "s3",
        "failed" if store.bucket else "warning",
        f"{store.purpose}: no S3 credentials are found{unsought}",
        f"set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in {ENV_FILE}; only `rakuten` reads it, "
        f"for others: rakuten exec PROGRAM, or {_SOURCE}",
    )


def _request(store: Store, *, prove: bool) -> str:
    """Ask for the bucket, where one is known; the source of the credentials, "" for none."""
    from botocore.session import Session

    session = Session(profile=store.profile)
    if store.key and store.secret:
        session.set_credentials(store.key, store.secret)
    credentials = session.get_credentials()
    if credentials is None or not (store.bucket or store.url):
        return credentials.method if credentials else ""
    client = _client(session, store)
    if not store.bucket:
        client.list_buckets()
    elif prove:
        _write(client, store)
    else:
        _look(client, store.bucket)
    return str(credentials.method)


def _client(session: Any, store: Store) -> Any:
    """A client with short time-outs that tries once; of MLflow's own settings, those for S3."""
    from botocore.config import Config

    style = os.environ.get("MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE", "auto")
    config = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=ANSWER_SECONDS,
        retries={"total_max_attempts": 1},
        s3={"addressing_style": style},
    )
    insecure = os.environ.get("MLFLOW_S3_IGNORE_TLS", "").lower() in ("true", "1")
    verify = False if insecure else None
    return session.create_client(
        "s3", store.region, endpoint_url=store.endpoint, config=config, verify=verify
    )


def _look(client: Any, bucket: str) -> None:
    from botocore.exceptions import ClientError

    try:
        client.head_bucket(Bucket=bucket)
    except ClientError:
        client.list_objects_v2(Bucket=bucket, MaxKeys=1)  # unlike HEAD, this says why


def _write(client: Any, store: Store) -> None:
    """Put a small object, and delete it where that is allowed."""
    from botocore.exceptions import BotoCoreError, ClientError

    place = {"Bucket": store.bucket, "Key": posixpath.join(store.prefix, PROBE)}
    # Buckets may ask for encryption, for example.
    extra = json.loads(os.environ.get("MLFLOW_S3_UPLOAD_EXTRA_ARGS") or "{}")
    client.put_object(**place, Body=PROBE_CONTENT, **extra)
    with suppress(BotoCoreError, ClientError):
        client.delete_object(**place)
