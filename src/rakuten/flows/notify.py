"""Telling people: a line in the log, and a message to a chat where an address is set."""

import http.client
import json
import urllib.error
import urllib.request
from typing import Final

from rakuten.logs import get_logger
from rakuten.settings import Settings

log = get_logger(__name__)

_SECONDS: Final = 10.0
_LONGEST: Final = 3000


def notify(text: str, settings: Settings) -> bool:
    """Write a line to the log and, where ``RAKUTEN_NOTIFY_URL`` is set, post ``{"text": …}``.

    Nothing that goes wrong here is an error of the work that is reported on. The address is a
    secret: it stands in no message.

    Returns:
        Whether somebody took the message.
    """
    log.warning("%s", text)
    url = settings.rakuten_notify_url
    if url is None:
        return False
    problem = _post(url.get_secret_value(), text)
    if problem:
        log.error("this message did not reach RAKUTEN_NOTIFY_URL: %s", problem)
    return not problem


def _post(url: str, text: str) -> str:
    """Post a message; what went wrong in words that do not name the address, "" for nothing."""
    if not url.startswith(("http://", "https://")):
        return "it does not begin with http:// or https://"
    body = json.dumps({"text": text[:_LONGEST]}).encode()
    headers = {"Content-Type": "application/json", "User-Agent": "rakuten-classifier"}
    try:
        request = urllib.request.Request(url, body, headers)  # noqa: S310 - checked above
        with urllib.request.urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310
            answer.read(_LONGEST)
    except urllib.error.HTTPError as error:
        error.close()
        return f"it answered {error.code}"
    except urllib.error.URLError as error:
        reason = error.reason
        return f"no connection ({getattr(reason, 'strerror', None) or type(reason).__name__})"
    except (OSError, ValueError, http.client.HTTPException) as error:  # a time-out, no address
        return type(error).__name__
    return ""
