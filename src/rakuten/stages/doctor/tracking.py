"""Checks of the tracking store and of where the artifacts of runs go."""

import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, unquote, urlsplit

from rakuten.errors import StoreAwayError, TrackingError
from rakuten.settings import without_password
from rakuten.stages.doctor.check import Check, Subject, unwritable
from rakuten.stages.doctor.mlflow_server import find_experiment, write_artifact

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
        experiment = find_experiment(uri, subject.settings.mlflow_experiment_name)
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
        yield _artifact_check(subject, experiment, uri)


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
        kind = StoreAwayError if locked else TrackingError
        raise kind(
            f"{path} cannot be used: {error}.",
            hint=f"end the program that holds it: lsof '{path}' names it" if locked else hint,
        ) from error
    return {"artifact_location": row[0], "lifecycle_stage": row[1]} if row else None


def _artifact_check(subject: Subject, experiment: Mapping[str, Any], uri: str) -> Check:
    location, name = str(experiment["artifact_location"]), "artifacts"
    parts, host = urlsplit(location), urlsplit(uri).hostname
    if experiment.get("lifecycle_stage") == "deleted":
        hint = "mlflow experiments restore, or another MLFLOW_EXPERIMENT_NAME"
        return Check("tracking", "failed", "the experiment is deleted; no run can be added", hint)
    if parts.scheme == "s3":
        subject.artifact_root = location
        return Check(name, "ok", f"this machine writes them to {location}: see s3")
    if subject.prove and parts.scheme in ("mlflow-artifacts", "http", "https"):
        write_artifact(uri, location)
        return Check(name, "ok", f"{without_password(uri)} takes them")
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
