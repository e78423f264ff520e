"""Signed webhooks of MLflow: is it from the registry, is it new, and is it about the champion?"""

import base64
import binascii
import hashlib
import hmac
import json
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from rakuten.errors import ConfigurationError, WebhookError
from rakuten.tracking.registry import CHAMPION

SIGNATURE_HEADER: Final = "X-MLflow-Signature"
DELIVERY_HEADER: Final = "X-MLflow-Delivery-Id"
TIMESTAMP_HEADER: Final = "X-MLflow-Timestamp"
WINDOW_SECONDS: Final = 300.0
"""MLflow signs a delivery once and repeats it for about two minutes where nobody takes it."""

_VERSION: Final = "v1"
_ENTITY: Final = "model_version_alias"
_MOST_REMEMBERED: Final = 10_000
_LONGEST: Final = 256


@dataclass(frozen=True)
class Delivery:
    """A delivery whose signature holds; ``repeated`` where it came before."""

    delivery_id: str
    entity: str
    action: str
    data: Mapping[str, Any]
    repeated: bool

    def moves_champion(self, name: str) -> bool:
        """Whether it says that the alias of a registered model was set or removed."""
        found = (self.entity, self.data.get("name"), self.data.get("alias"))
        return found == (_ENTITY, name, CHAMPION)


class WebhookVerifier:
    """Verifies deliveries; several secrets are valid at once, so that they can be exchanged.

    The signature is that of Standard Webhooks as MLflow 3 makes it: ``v1,`` and the base64 of
    HMAC-SHA256 over ``delivery id.timestamp.body``, keyed with the secret as text.

    Raises:
        ConfigurationError: there is no secret, or an empty one.
    """

    def __init__(self, secrets: Sequence[str], *, window: float = WINDOW_SECONDS) -> None:
        if not secrets or not all(secrets):
            raise ConfigurationError(
                "Webhooks need a secret that is not empty.",
                hint="give the secret that the webhook was made with in MLflow",
            )
        self._keys = [secret.encode() for secret in secrets]
        self._window = window
        self._seen: OrderedDict[str, float] = OrderedDict()
        self._lock = threading.Lock()

    def verify(
        self, headers: Mapping[str, str], body: bytes, *, now: float | None = None
    ) -> Delivery:
        """What a delivery says.

        Args:
            headers: of the request; names are compared without regard to case.
            body: as it came, byte for byte.
            now: seconds since 1970; the clock's without it.

        Raises:
            WebhookError: a header is missing, the signature is another one, the time is too far
                off, or the body is no event.
        """
        now = time.time() if now is None else now
        given = {name.lower(): value for name, value in headers.items()}
        delivery_id, timestamp, signature = (
            given.get(name.lower(), "")
            for name in (DELIVERY_HEADER, TIMESTAMP_HEADER, SIGNATURE_HEADER)
        )
        # The signature first: whoever cannot sign learns nothing else.
        if not self._signed(delivery_id, timestamp, body, signature):
            raise WebhookError("The webhook's signature does not hold.")
        if not timestamp.isdecimal() or abs(now - int(timestamp)) > self._window:
            raise WebhookError(
                f"The webhook is from another time, more than {self._window:g} s away.",
                hint="compare the clocks of this machine and of the registry's",
            )
        try:
            content = json.loads(body)
            entity, action, data = content["entity"], content["action"], dict(content["data"])
        except (ValueError, LookupError, TypeError, RecursionError) as error:
            raise WebhookError(f"The webhook's body is no event: {error!r}.") from error
        return Delivery(
            delivery_id, str(entity), str(action), data, self._repeated(delivery_id, now)
        )

    def _signed(self, delivery_id: str, timestamp: str, body: bytes, signature: str) -> bool:
        if not delivery_id or max(len(delivery_id), len(timestamp)) > _LONGEST:
            return False
        content = f"{delivery_id}.{timestamp}.".encode("utf-8", "replace") + body
        expected = [hmac.new(key, content, hashlib.sha256).digest() for key in self._keys]
        # Standard Webhooks allows several signatures, one for each secret in use.
        presented = [_decoded(part) for part in signature[:4096].split(" ")]
        matches = [hmac.compare_digest(one, other) for one in expected for other in presented]
        return any(matches)

    def _repeated(self, delivery_id: str, now: float) -> bool:
        with self._lock:
            while self._seen and (
                len(self._seen) > _MOST_REMEMBERED
                or now - next(iter(self._seen.values())) > 2 * self._window
            ):
                self._seen.popitem(last=False)
            repeated = delivery_id in self._seen
            self._seen.setdefault(delivery_id, now)
        return repeated


def _decoded(part: str) -> bytes:
    version, _, encoded = part.partition(",")
    if version != _VERSION:
        return b""
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return b""
