"""The doctor's checks of what a project talks to: the tracking store, S3, DVC and git."""

import fcntl
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import quote, unquote, urlsplit

import yaml

from rakuten.errors import ConfigurationError, MissingExtraError, TrackingError
from rakuten.io import read_json
from rakuten.settings import ENV_FILE, ProjectPaths, Settings

CONNECT_SECONDS: Final = 2
ANSWER_SECONDS: Final = 3
_DATABASES: Final = ("postgresql", "mysql", "mssql")
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")
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
_SOURCE: Final = f"in this shell: set -a; source {ENV_FILE}; set +a"
_S3_ALIASES: Final = {
    "404": "NoSuchBucket",
    "403": "AccessDenied",
    "301": "PermanentRedirect",
    "AuthorizationHeaderMalformed": "PermanentRedirect",
    "InvalidToken": "ExpiredToken",
    "TokenRefreshRequired": "ExpiredToken",
}


@dataclass(frozen=True)
class Check:
    """A finding: what was looked at, how it is, and what to do about it."""

    name: str
    state: Literal["ok", "warning", "failed", "skipped"]
    detail: str
    hint: str = ""


@dataclass
class Subject:
    """The project under examination; ``artifact_root`` is found out on the way."""

    paths: ProjectPaths
    settings: Settings
    shell: Mapping[str, str]
    full: bool = False
    artifact_root: str = ""


@dataclass(frozen=True)
class Store:
    """A place in S3 and the credentials that its configuration names."""

    purpose: str
    bucket: str
    endpoint: str | None = None
    profile: str | None = None
    key: str | None = None
    secret: str | None = None
    region: str | None = None

    @property
    def url(self) -> str:
        """Where requests go, "" for AWS itself."""
        names = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
        return self.endpoint or next(filter(None, map(os.environ.get, names)), "")


def unwritable(path: Path) -> str:
    """Why nothing can be written at a path that need not exist yet; "" where it can."""
    folder = path.absolute()
    while not os.path.lexists(folder):
        folder = folder.parent
    if not folder.is_dir():
        return f"{folder} is not a folder"
    try:
        with tempfile.TemporaryFile(dir=folder):
            return ""
    except OSError as error:
        return f"{folder}: {error.strerror}"


def git_files(root: Path, *patterns: str) -> list[str]:
    """Files of the git index below some paths; none where there is no repository."""
    git = shutil.which("git")
    if git is None or not patterns:
        return []
    command = [git, "-C", str(root), "ls-files", "-z", "--", *patterns]
    done = subprocess.run(command, capture_output=True, timeout=30, check=False)
    return [name for name in done.stdout.decode("utf-8", "replace").split("\0") if name]


def tracking_checks(subject: Subject) -> Iterator[Check]:
    """Reach the tracking store and find out where artifacts go."""
    uri, experiment = subject.settings.tracking_uri(subject.paths.root), None
    parts, shown = urlsplit(uri), _without_password(uri)
    if re.match(r"[\w.-]+:\d+", uri):
        hint = f"write MLFLOW_TRACKING_URI=http://{shown}"
        yield Check("tracking", "failed", f"{shown} does not say http:// or https://", hint)
    elif parts.scheme in ("http", "https"):
        experiment = _ask_server(uri, subject.settings.mlflow_experiment_name)
        yield Check("tracking", "ok", f"{shown} answers")
    elif parts.scheme == "sqlite":
        path = Path(uri.removeprefix("sqlite:///").partition("?")[0])
        experiment = _read_database(path, subject.settings.mlflow_experiment_name)
        state = "is usable" if path.is_file() else "will be made by the first run"
        yield Check("tracking", "ok", f"{path} {state}")
        if experiment is None and not subject.settings.mlflow_tracking_uri:
            experiment = {"artifact_location": str(subject.paths.root / "mlartifacts")}
    elif parts.scheme.partition("+")[0] in _DATABASES:
        yield Check("tracking", "skipped", f"{shown} is not asked", "rakuten runs list asks it")
    else:
        yield Check("tracking", "skipped", f"{shown} is of a kind that is not checked")
    if experiment:
        yield _artifact_check(subject, experiment, parts.hostname)


def _ask_server(uri: str, experiment: str) -> dict[str, Any] | None:
    """The experiment of a tracking server, or where its default one keeps artifacts.

    Raises:
        TrackingError: it cannot be reached, refuses, or is not an MLflow server.
    """
    api = "api/2.0/mlflow/experiments/"
    by_name = f"{api}get-by-name?experiment_name={quote(experiment, safe='')}"
    for path in ("health", by_name, f"{api}get?experiment_id=0"):
        answer = _get(uri, path)
        if path == "health":
            continue  # hosted servers may have none; the next answer tells
        try:
            content = answer.json()
            if answer.ok and path == by_name:
                return dict(content["experiment"])
            if answer.ok:
                return {"artifact_location": content["experiment"]["artifact_location"]}
            content["error_code"]
        except (ValueError, KeyError, TypeError) as error:
            raise TrackingError(
                f"{_without_password(uri)} is not an MLflow server ({answer.status_code}).",
                hint="correct MLFLOW_TRACKING_URI (host, port, path)",
            ) from error
    return None


def _get(uri: str, path: str) -> Any:
    import requests

    environment, shown = os.environ, _without_password(uri)
    token = environment.get("MLFLOW_TRACKING_TOKEN")
    user = environment.get("MLFLOW_TRACKING_USERNAME")
    insecure = environment.get("MLFLOW_TRACKING_INSECURE_TLS", "").lower() in ("true", "1")
    try:
        answer = requests.get(
            f"{uri.rstrip('/')}/{path}",
            headers={"Authorization": f"Bearer {token}"} if token and not user else {},
            auth=(user, environment.get("MLFLOW_TRACKING_PASSWORD", "")) if user else None,
            timeout=(CONNECT_SECONDS, ANSWER_SECONDS),
            verify=not insecure and environment.get("MLFLOW_TRACKING_SERVER_CERT_PATH", True),
        )
    except requests.Timeout as error:
        hint = "see in its log whether it hangs; runs wait in .rakuten/pending meanwhile"
        raise TrackingError(f"{shown} did not answer in time.", hint=hint) from error
    except requests.exceptions.SSLError as error:
        hint = "name its authority: MLFLOW_TRACKING_SERVER_CERT_PATH=FILE.pem"
        raise TrackingError(f"The certificate of {shown} is not trusted.", hint=hint) from error
    except requests.RequestException as error:
        refused = "refuses connections" if "refused" in str(error) else "cannot be reached"
        hint = "start it, or correct MLFLOW_TRACKING_URI; runs wait in .rakuten/pending meanwhile"
        raise TrackingError(f"{shown} {refused}.", hint=hint) from error
    refusal = _refusal(answer.status_code, answer.text)
    if refusal:
        raise TrackingError(f"{shown} {refusal[0]}.", hint=refusal[1])
    return answer


def _refusal(status: int, text: str) -> tuple[str, str] | None:
    if "Invalid Host header" in text:
        return "refuses this host name", "start the server with --allowed-hosts HOST:PORT"
    if status in (401, 403):
        names = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_TOKEN")
        known = any(os.environ.get(name) for name in names)
        reason = "refuses the credentials" if known else "asks for credentials"
        hint = "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD in .env"
        return f"{reason} ({status})", hint
    if status >= 500:
        return f"answers with error {status}", "the server's log says why (its database?)"
    return None


def _read_database(path: Path, experiment: str) -> dict[str, Any] | None:
    """An experiment of an SQLite store, after a look at whether a run could be written."""
    reason = unwritable(path.parent)
    if reason:
        raise TrackingError(
            f"{path} cannot be written: {reason}.",
            hint="give this user write permission, or set MLFLOW_TRACKING_URI",
        )
    if not path.exists() or not path.stat().st_size:
        return None
    query = "SELECT artifact_location, lifecycle_stage FROM experiments WHERE name = ?"
    try:
        uri = f"file:{quote(str(path))}?mode=rw"
        with closing(sqlite3.connect(uri, uri=True, timeout=1)) as connection:
            connection.execute("BEGIN IMMEDIATE")  # fails where a run could not be written
            row = connection.execute(query, (experiment,)).fetchone()
            connection.rollback()
    except sqlite3.DatabaseError as error:
        locked = "locked" in str(error)
        hint = "move it away: the next run makes a new one"
        raise TrackingError(
            f"{path} cannot be used: {error}.",
            hint=f"end the program that holds it: lsof '{path}' names it" if locked else hint,
        ) from error
    return {"artifact_location": row[0], "lifecycle_stage": row[1]} if row else None


def _artifact_check(subject: Subject, experiment: Mapping[str, Any], host: str | None) -> Check:
    location, name = str(experiment["artifact_location"]), "artifacts"
    parts = urlsplit(location)
    if experiment.get("lifecycle_stage") == "deleted":
        hint = "mlflow experiments restore, or another MLFLOW_EXPERIMENT_NAME"
        return Check("tracking", "failed", "the experiment is deleted; no run can be added", hint)
    if parts.scheme == "s3":
        subject.artifact_root = location
        return Check(name, "ok", f"this machine writes them to {location}: see s3")
    if parts.scheme not in ("", "file"):
        return Check(name, "ok", f"they go to {location}")
    path = Path(unquote(parts.path))
    reason = unwritable(path)
    proxy = "start the server with --artifacts-destination so that it takes them; or mount it here"
    if reason:
        hint = proxy if host else f"chmod -R u+w '{path}', or move mlflow.db away if it was copied"
        return Check(name, "failed", f"artifact root {path} is not writable: {reason}", hint)
    if host and host not in _LOOPBACK:
        detail = f"they would stay on this machine, in {path}, where {host} may not see them"
        return Check(name, "warning", detail, proxy)
    ours = not subject.settings.mlflow_tracking_uri
    if ours and not path.resolve().is_relative_to(subject.paths.root.resolve()):
        detail = f"they go to {path}, outside this project: was mlflow.db copied from there?"
        return Check(name, "warning", detail, "move mlflow.db away, or name another experiment")
    return Check(name, "ok", f"{path} is writable")


def s3_checks(subject: Subject) -> Iterator[Check]:
    """Resolve credentials as boto3 does and ask each store that the project names."""
    stores = _dvc_stores(subject.paths.root)
    artifacts = urlsplit(subject.artifact_root)
    if artifacts.scheme == "s3":
        endpoint = subject.settings.mlflow_s3_endpoint_url
        stores.append(Store("artifacts of runs", artifacts.netloc, endpoint))
    named = [name for name, value in os.environ.items() if value and _S3_NAMES.fullmatch(name)]
    if not stores and not named:
        yield Check("s3", "skipped", "nothing points to S3")
        return
    unnamed = Store(", ".join(sorted(named)), "", subject.settings.mlflow_s3_endpoint_url)
    for store in stores or [unnamed]:
        yield _ask_store(store)
    if any(store.purpose.startswith("DVC") and not store.key for store in stores):
        yield from _seen_by_dvc(subject.shell)


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
    if not (root / ".dvc").is_dir():
        return []
    config = _dvc_config(root)
    chosen = config.get("core", {}).get("remote")
    return [
        Store(
            f"DVC remote {name}",
            urlsplit(remote["url"]).netloc,
            *(remote.get(option) for option in _DVC_OPTIONS),
        )
        for name, remote in config.get("remote", {}).items()
        if remote["url"].startswith("s3://") and name == (chosen or name)
    ]


def _dvc_config(root: Path) -> Mapping[str, Any]:
    try:
        from dvc.config import Config, ConfigError
    except ModuleNotFoundError as error:
        raise MissingExtraError("dvc", "pipeline", "Reading DVC's configuration") from error
    try:
        config: Mapping[str, Any] = Config(dvc_dir=str(root / ".dvc"))
    except ConfigError as error:
        hint = "correct .dvc/config or .dvc/config.local"
        raise ConfigurationError(
            f"DVC's configuration is not usable: {error}.", hint=hint
        ) from error
    return config


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


def _ask_store(store: Store) -> Check:
    from botocore import exceptions as aws

    place = f"s3://{store.bucket}" if store.bucket else "S3"
    place += f" at {store.url or 'AWS'}"
    try:
        with _no_instance_role():
            found = _request(store)
    except aws.ClientError as error:
        answer = error.response.get("Error", {})
        code = str(answer.get("Code", ""))
        reason, hint = _S3_ANSWERS.get(
            _S3_ALIASES.get(code, code),
            (f"answers {code}: {answer.get('Message', '')}", "its log or documentation says more"),
        )
        return Check("s3", "failed", f"{store.purpose}: {place} {reason}", hint)
    except (aws.BotoCoreError, ValueError) as error:
        away = isinstance(error, aws.ConnectionError | aws.HTTPClientError)
        hint = "start it, or correct the endpoint" if away else "correct the AWS_* settings in .env"
        return Check("s3", "failed", f"{store.purpose}: {place}: {error}", hint)
    if found:
        return Check("s3", "ok", f"{store.purpose}: {place} answers, credentials from {found}")
    return Check(
        "s3",
        "failed" if store.bucket else "warning",
        f"{store.purpose}: no S3 credentials are found (an instance's role is not looked for)",
        f"set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in {ENV_FILE}; only `rakuten` reads it, "
        f"for others: rakuten exec PROGRAM, or {_SOURCE}",
    )


def _request(store: Store) -> str:
    """Ask for the bucket, where one is known; the source of the credentials, "" for none."""
    from botocore.config import Config
    from botocore.exceptions import ClientError
    from botocore.session import Session

    session = Session(profile=store.profile)
    if store.key and store.secret:
        session.set_credentials(store.key, store.secret)
    credentials = session.get_credentials()
    if credentials is None or not (store.bucket or store.url):
        return credentials.method if credentials else ""
    timeouts = {"connect_timeout": CONNECT_SECONDS, "read_timeout": ANSWER_SECONDS}
    config = Config(**timeouts, retries={"total_max_attempts": 1})
    client = session.create_client("s3", store.region, endpoint_url=store.endpoint, config=config)
    if not store.bucket:
        client.list_buckets()
        return str(credentials.method)
    try:
        client.head_bucket(Bucket=store.bucket)
    except ClientError:
        client.list_objects_v2(Bucket=store.bucket, MaxKeys=1)  # unlike HEAD, this says why
    return str(credentials.method)


def dvc_checks(subject: Subject) -> Iterator[Check]:
    """Look at DVC's files, at what git tracks of its outputs, and at locks."""
    root = subject.paths.root
    if not (root / ".dvc").is_dir():
        yield Check("dvc", "failed", f"{root.resolve()} is no DVC project", "dvc init")
        return
    _dvc_config(root)
    stages = (_read_yaml(root / "dvc.yaml") or {}).get("stages")
    if not isinstance(stages, dict):
        raise ConfigurationError(
            f"{root / 'dvc.yaml'} names no stages.", hint="git checkout -- dvc.yaml"
        )
    ran = (_read_yaml(root / "dvc.lock") or {}).get("stages", {})
    yield Check("dvc", "ok", f"{len(stages)} stages in dvc.yaml, {len(ran)} of them have run")
    yield from _in_git(root, stages)
    yield from _locks(root / ".dvc" / "tmp")
    if subject.full:
        yield _stale(root)
    else:
        hint = "rakuten doctor --full hashes the data"
        yield Check("dvc", "skipped", "whether stages are stale was not looked at", hint)


def _read_yaml(path: Path) -> Any:
    if not path.is_file():
        return None
    text = path.read_text(encoding="utf-8")
    name = path.name
    if re.search(r"^(<{7}|={7}|>{7})", text, re.MULTILINE):
        raise ConfigurationError(
            f"{path} holds conflict markers of a git merge.",
            hint=f"git checkout --ours {name} (or --theirs), git add {name}, dvc repro",
        )
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        lines = " ".join(str(error).split())
        hint = f"correct it, or git checkout -- {name}"
        raise ConfigurationError(f"{path} is not valid YAML: {lines}.", hint=hint) from error


def _in_git(root: Path, stages: Mapping[str, Any]) -> Iterator[Check]:
    files = [_read_yaml(path) or {} for path in sorted((root / "data").glob("*.dvc"))]
    places = [f"data/{out['path']}" for file in files for out in file.get("outs", [])]
    places += [
        path
        for stage in stages.values()
        for kind in ("outs", "metrics", "plots")
        for path in _cached(stage.get(kind, []))
    ]
    tracked = {place for place in places if git_files(root, place)}
    raw = [name for name in git_files(root, "data/raw") if not name.endswith(".gitkeep")]
    tracked |= {"/".join(name.split("/")[:3]) for name in raw}
    if tracked:
        shown = " ".join(sorted(tracked))
        detail = f"in git, but DVC's (output is already tracked by SCM): {shown}"
        yield Check("dvc", "failed", detail, f"git rm -r --cached {shown}")
    shared = root / ".dvc" / "config"
    if shared.is_file() and "secret_access_key" in shared.read_text(encoding="utf-8"):
        hint = "dvc remote modify --unset NAME secret_access_key, then with --local; change the key"
        yield Check("dvc", "failed", f"{shared}, which belongs in git, holds a secret key", hint)


def _cached(entries: list[Any]) -> Iterator[str]:
    for entry in entries:
        named = entry if isinstance(entry, dict) else {entry: None}
        for path, options in named.items():
            if (options or {}).get("cache", True):
                yield str(path)


def _locks(folder: Path) -> Iterator[Check]:
    if (folder / "lock").is_file():
        with (folder / "lock").open() as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                hint = f"wait for it; kill {handle.read().strip()} if it hangs"
                yield Check("dvc", "warning", "a running dvc command holds DVC's lock", hint)
    path = folder / "rwlock"
    if not path.is_file():
        return
    held = read_json(path)
    entries = [*held.get("write", {}).values(), *sum(held.get("read", {}).values(), [])]
    for pid, command in sorted({(entry["pid"], entry["cmd"]) for entry in entries}):
        alive = Path(f"/proc/{pid}").exists()
        hint = "wait for it" if alive else f"rm '{path}'   (if no dvc command runs)"
        state = "holds" if alive else "has gone and left"
        yield Check("dvc", "warning", f"process {pid} ({command}) {state} a lock of DVC", hint)


def _stale(root: Path) -> Check:
    command = [sys.executable, "-m", "dvc", "status", "--json"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if done.returncode:
        detail = f"dvc status fails: {done.stderr.strip()[-300:]}"
        return Check("dvc", "failed", detail, "dvc status --verbose says more")
    stale = json.loads(done.stdout or "{}")
    if stale:
        return Check("dvc", "warning", f"stale stages: {', '.join(stale)}", "dvc repro")
    return Check("dvc", "ok", "no stage is stale")


def _without_password(uri: str) -> str:
    return re.sub(r"(://[^:/@]*):[^@]*@", r"\1:***@", uri)
