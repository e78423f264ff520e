"""MLflow's REST API by the standard library: short time-outs, MLflow's own credentials."""

import base64
import configparser
import http.client
import json
import os
import ssl
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlencode, urlsplit, urlunsplit

from rakuten.errors import ConfigurationError, StoreAwayError, TrackingError
from rakuten.settings import without_password

_API: Final = "/api/2.0/mlflow/"
_SECONDS: Final = 5.0
_WHOLE_SECONDS: Final = 20.0
_MOST_BYTES: Final = 8 << 20
_PIECE: Final = 1 << 16
_AWAY: Final = (408, 425, 429)


class RestClient:
    """Asks a tracking server; each failure is a TrackingError, and none of them an answer."""

    def __init__(self, uri: str) -> None:
        parts = urlsplit(uri)
        host = parts.netloc.rpartition("@")[2]
        self.shown = without_password(uri)
        self._base = urlunsplit((parts.scheme, host, parts.path.rstrip("/"), "", ""))
        self._headers = {"Accept": "application/json", **_authorisation(parts.username and parts)}
        context = _tls() if parts.scheme == "https" else None
        self._opener = urllib.request.build_opener(
            _NoRedirect(), urllib.request.HTTPSHandler(context=context)
        )

    def get(self, method: str, **query: str) -> dict[str, Any]:
        """The JSON object that a method of the API answers.

        Raises:
            StoreAwayError: nobody answered, or not now.
            TrackingError: it refused, or its answer is no JSON object.
        """
        address = f"{self._base}{_API}{method}?{urlencode(query)}"
        request = urllib.request.Request(address, headers=self._headers)  # noqa: S310 - http(s)
        try:
            with self._opener.open(request, timeout=_SECONDS) as answer:
                content = json.loads(_read(answer))
        except urllib.error.HTTPError as error:
            error.close()
            away = error.code >= 500 or error.code in _AWAY
            raise self._failed(f"it answers {error.code}", away=away) from error
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            raise self._failed(str(reason) or type(error).__name__, away=True) from error
        except (ValueError, RecursionError) as error:
            raise self._failed("its answer is no JSON", away=False) from error
        if not isinstance(content, dict):
            raise self._failed("its answer is no JSON object", away=False)
        return content

    def _failed(self, reason: str, *, away: bool) -> TrackingError:
        kind = StoreAwayError if away else TrackingError
        return kind(
            f"The model registry {self.shown} failed: {reason}.",
            hint="rakuten doctor checks it",
        )


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect is a refusal: credentials go to the address that was configured, and no other."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _read(answer: http.client.HTTPResponse) -> bytes:
    """The body, unless it is endless or trickles."""
    deadline = time.monotonic() + _WHOLE_SECONDS
    content = bytearray()
    while piece := answer.read1(_PIECE):
        content += piece
        if len(content) > _MOST_BYTES:
            raise ValueError("too long")
        if time.monotonic() > deadline:
            raise TimeoutError("the answer takes too long")
    return bytes(content)


def _authorisation(from_address: Any) -> dict[str, str]:
    """As MLflow's client does it: name and password first, else a token."""
    kept = configparser.ConfigParser(interpolation=None)
    path = Path("~/.mlflow/credentials").expanduser()
    try:
        kept.read(path, encoding="utf-8")
    except (configparser.Error, OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}.") from error
    name, password = (
        os.environ.get(f"MLFLOW_TRACKING_{part}")
        or kept.get("mlflow", f"mlflow_tracking_{part.lower()}", fallback=None)
        for part in ("USERNAME", "PASSWORD")
    )
    token = os.environ.get("MLFLOW_TRACKING_TOKEN")
    if name and password:
        return _basic(name, password)
    if token:
        return {"Authorization": f"Bearer {token}"}
    if from_address:
        return _basic(unquote(from_address.username), unquote(from_address.password or ""))
    return {}


def _basic(name: str, password: str) -> dict[str, str]:
    pair = base64.b64encode(f"{name}:{password}".encode()).decode("ascii")
    return {"Authorization": f"Basic {pair}"}


def _tls() -> ssl.SSLContext:
    """Certificates as MLflow's client takes them: its own variables, requests', the system's."""
    names = ("MLFLOW_TRACKING_SERVER_CERT_PATH", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
    trusted = next(filter(None, map(os.environ.get, names)), None)
    if trusted is None and not os.environ.get("SSL_CERT_FILE"):
        try:
            import certifi
        except ModuleNotFoundError:
            pass
        else:
            trusted = certifi.where()
    folder = trusted if trusted and Path(trusted).is_dir() else None
    context = ssl.create_default_context(cafile=None if folder else trusted, capath=folder)
    own = os.environ.get("MLFLOW_TRACKING_CLIENT_CERT_PATH")
    if own:
        context.load_cert_chain(own)
    if os.environ.get("MLFLOW_TRACKING_INSECURE_TLS", "").lower() in ("true", "1"):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
