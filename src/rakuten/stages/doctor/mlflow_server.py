"""Questions to a tracking server over HTTP, as MLflow's client would ask them, in seconds."""

import configparser
import os
import posixpath
from contextlib import suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlsplit

from rakuten.errors import StoreAwayError, TrackingError
from rakuten.settings import without_password
from rakuten.stages.doctor.check import ANSWER_SECONDS, CONNECT_SECONDS, PROBE, PROBE_CONTENT

_API: Final = "api/2.0/mlflow/experiments/"
_ARTIFACTS: Final = "api/2.0/mlflow-artifacts/artifacts"
_WRITE_SECONDS: Final = 6
"""A server loads its S3 client when the first artifact comes."""
_BUSY: Final = (408, 425, 429)
_PASSING: Final = ("reduce your request rate", "internal error", "try again", "unavailable")
"""What stores say when they only have too much to do."""
_ARTIFACT_HINTS: Final = {
    "RESOURCE_DOES_NOT_EXIST": "create the bucket of the server's --artifacts-destination",
    "UNAUTHENTICATED": "correct the AWS_* keys in the server's environment, and restart it",
    "PERMISSION_DENIED": "grant the server's keys s3:ListBucket, s3:GetObject and s3:PutObject",
    "INTERNAL_ERROR": "correct what the server's artifact store complains about, and restart it",
}


def find_experiment(uri: str, name: str) -> dict[str, Any] | None:
    """An experiment of a tracking server, or where its default one keeps artifacts, if known.

    Raises:
        StoreAwayError: it does not answer.
        TrackingError: it refuses, or is not an MLflow server.
    """
    shown = without_password(uri)
    # One that hangs is told by the first question. Hosted servers may have no /health.
    _refuse(shown, _ask("GET", uri, "health"))
    answer = _ask("GET", uri, f"{_API}get-by-name?experiment_name={quote(name, safe='')}")
    _refuse(shown, answer)
    try:
        content = answer.json()
        if answer.ok:
            return dict(content["experiment"])
        content["error_code"]
        answer = _ask("GET", uri, f"{_API}get?experiment_id=0")
        if not answer.ok:  # deleted, or not for this user to see
            return None
        return {"artifact_location": answer.json()["experiment"]["artifact_location"]}
    except (ValueError, KeyError, TypeError) as error:
        raise TrackingError(
            f"{shown} is not an MLflow server ({answer.status_code}).",
            hint="correct MLFLOW_TRACKING_URI (host, port, path)",
        ) from error


def write_artifact(uri: str, location: str) -> None:
    """Put a small artifact through a tracking server, and delete it again.

    Raises:
        StoreAwayError: the server or its artifact store does not answer.
        TrackingError: it refuses the artifact.
    """
    base, path = _artifact_address(uri, location)
    target = f"{_ARTIFACTS}/{posixpath.join(path, PROBE)}"
    answer = _ask("PUT", base, target, PROBE_CONTENT)
    if answer.status_code < 500:
        _refuse(without_password(base), answer)
    if not answer.ok:
        raise _artifact_refusal(base, answer)
    with suppress(TrackingError):  # who may write need not be allowed to delete
        _ask("DELETE", base, target)


def _artifact_address(uri: str, location: str) -> tuple[str, str]:
    """Server and path of proxied artifacts, as MLflow resolves ``mlflow-artifacts:`` locations."""
    parts = urlsplit(location)
    if parts.scheme in ("http", "https"):
        base, _, path = location.partition(f"/{_ARTIFACTS}")
        return base, path.strip("/")
    if not parts.netloc:
        return uri, parts.path.strip("/")
    server = urlsplit(uri)
    return f"{server.scheme}://{parts.netloc}{server.path}", parts.path.strip("/")


def _artifact_refusal(base: str, answer: Any) -> TrackingError:
    """Why a server did not take an artifact: its own answer to a PUT does not say."""
    shown, status = without_password(base), answer.status_code
    if "serve-artifacts" in answer.text or "not configured" in answer.text:
        return TrackingError(
            f"{shown} was started without serving artifacts, which its experiment relies on.",
            hint="start it with --serve-artifacts, or use another MLFLOW_EXPERIMENT_NAME",
        )
    if status < 500:
        hint = "see what stands between here and the server (a size limit?), and its log"
        return TrackingError(f"{shown} does not take artifacts ({status}).", hint=hint)
    away = StoreAwayError(
        f"{shown} cannot write its artifacts at present ({status}).",
        hint="the server's log says why (its artifact store?)",
    )
    if status != 500:
        return away
    listed = _ask("GET", base, f"{_ARTIFACTS}?path={PROBE}")
    if listed.ok:
        return TrackingError(
            f"{shown} cannot write its artifacts, although it can read them.",
            hint="give the server write permission there, or free its disk; its log says which",
        )
    try:
        content = listed.json()
        code, message = str(content["error_code"]), str(content["message"])
    except (ValueError, KeyError, TypeError):
        return away  # a store that does not answer leaves the server without words
    if any(word in message.lower() for word in _PASSING):
        return away
    hint = _ARTIFACT_HINTS.get(code, _ARTIFACT_HINTS["INTERNAL_ERROR"])
    return TrackingError(
        f"{shown} cannot write its artifacts: {message.rstrip('.')} ({code}).", hint=hint
    )


def _ask(method: str, uri: str, path: str, body: bytes | None = None) -> Any:
    """The answer of a tracking server, whatever its status.

    Raises:
        StoreAwayError: there is none.
        TrackingError: there cannot be one at this address.
    """
    import requests

    shown, seconds = without_password(uri), _WRITE_SECONDS if body else ANSWER_SECONDS
    try:
        return requests.request(
            method,
            f"{uri.rstrip('/')}/{path}",
            data=body,
            timeout=(CONNECT_SECONDS, seconds),
            **_identity(),
        )
    except requests.Timeout as error:
        hint = "see in its log whether it hangs"
        raise StoreAwayError(f"{shown} did not answer in time.", hint=hint) from error
    except requests.exceptions.SSLError as error:
        hint = "name its authority: MLFLOW_TRACKING_SERVER_CERT_PATH=FILE.pem"
        raise TrackingError(f"The certificate of {shown} is not trusted.", hint=hint) from error
    except requests.exceptions.InvalidURL as error:
        hint = "correct MLFLOW_TRACKING_URI (host, port, path)"
        raise TrackingError(f"{shown} is not an address: {error}.", hint=hint) from error
    except (requests.RequestException, OSError) as error:
        refused = "refuses connections" if "refused" in str(error) else "cannot be reached"
        hint = "start it, or correct MLFLOW_TRACKING_URI"
        raise StoreAwayError(f"{shown} {refused}.", hint=hint) from error


def _identity() -> dict[str, Any]:
    """How MLflow's client shows who it is, and whom it trusts, as arguments of a request."""
    environment = os.environ
    user, password = (
        environment.get(name) or _kept_credential(name)
        for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD")
    )
    token = environment.get("MLFLOW_TRACKING_TOKEN")
    insecure = environment.get("MLFLOW_TRACKING_INSECURE_TLS", "").lower() in ("true", "1")
    return {
        "headers": {"Authorization": f"Bearer {token}"} if token and not user else {},
        "auth": (user, password or "") if user else None,
        "verify": not insecure and environment.get("MLFLOW_TRACKING_SERVER_CERT_PATH", True),
        "cert": environment.get("MLFLOW_TRACKING_CLIENT_CERT_PATH"),
    }


def _kept_credential(name: str) -> str | None:
    """A name or password in the file that `mlflow` keeps for all projects of a user."""
    config = configparser.ConfigParser(interpolation=None)
    with suppress(configparser.Error, OSError, UnicodeDecodeError):
        config.read(Path("~/.mlflow/credentials").expanduser(), encoding="utf-8")
    return config.get("mlflow", name.lower(), fallback=None)


def _refuse(shown: str, answer: Any) -> None:
    """Raise what an answer says against whoever asks, or that it is none.

    Raises:
        StoreAwayError: the server has a problem of its own.
        TrackingError: the server refuses.
    """
    status = answer.status_code
    if "Invalid Host header" in answer.text:
        hint = "start the server with --allowed-hosts HOST:PORT"
        raise TrackingError(f"{shown} refuses this host name.", hint=hint)
    if status in (401, 403):
        reason = "refuses the credentials" if _known() else "asks for credentials"
        hint = "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD in .env"
        raise TrackingError(f"{shown} {reason} ({status}).", hint=hint)
    if status >= 500 or status in _BUSY:
        hint = "the server's log says why (its database?)"
        raise StoreAwayError(f"{shown} answers with error {status}.", hint=hint)


def _known() -> bool:
    identity = _identity()
    return bool(identity["auth"] or identity["headers"])
