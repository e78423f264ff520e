"""Checks of the tracking store and of where the artifacts of runs go."""

import os
import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, unquote, urlsplit

from rakuten.errors import TrackingError
from rakuten.settings import without_password
from rakuten.stages.doctor.check import ANSWER_SECONDS, CONNECT_SECONDS, Check, Subject, unwritable

_DATABASES: Final = ("postgresql", "mysql", "mssql")
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")
_LOCK_SECONDS: Final = 1


def tracking_checks(subject: Subject) -> Iterator[Check]:
    """Reach the tracking store and find out where artifacts go."""
    uri, experiment = subject.settings.tracking_uri(subject.paths.root), None
    parts, shown = urlsplit(uri), without_password(uri)
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
                f"{without_password(uri)} is not an MLflow server ({answer.status_code}).",
                hint="correct MLFLOW_TRACKING_URI (host, port, path)",
            ) from error
    return None


def _get(uri: str, path: str) -> Any:
    import requests

    environment, shown = os.environ, without_password(uri)
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
        with closing(sqlite3.connect(uri, uri=True, timeout=_LOCK_SECONDS)) as connection:
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
