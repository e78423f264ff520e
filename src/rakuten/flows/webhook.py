"""What Alertmanager's messages lead to: people are told, or a check of the traffic starts."""

import hmac
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from rakuten.errors import ConfigurationError, SchedulerAwayError, WebhookError
from rakuten.flows.alert_message import Message, read_message
from rakuten.flows.notify import notify
from rakuten.flows.trigger import Started, start_check
from rakuten.flows.webhook_server import WebhookServer
from rakuten.flows.webhook_settings import WebhookSettings
from rakuten.logs import get_logger
from rakuten.settings import Settings

log = get_logger(__name__)

TELL: Final = "/alerts"
CHECK: Final = "/monitor"


@dataclass(frozen=True)
class Answer:
    """Status and JSON of an answer."""

    status: int
    content: dict[str, Any]


class Webhook:
    """Answers to requests, apart from HTTP itself.

    Args:
        token: what a request that starts a check has to show; None starts none.
        start: starts a check, or says why not.
        tell: tells people; false where somebody should have got it and did not.
    """

    def __init__(
        self,
        token: bytes | None,
        *,
        start: Callable[[], Started],
        tell: Callable[[str], bool],
    ) -> None:
        self._token, self._start, self._tell = token, start, tell
        self._one_at_a_time = threading.Lock()

    @property
    def starts_checks(self) -> bool:
        """Whether anybody may start a check."""
        return self._token is not None

    def refusal(self, path: str, content_type: str, authorization: str) -> Answer | None:
        """Why a request is refused, before its body is read; None if it is not."""
        if path not in (TELL, CHECK):
            return _problem(404, f"There is {TELL} and {CHECK}.")
        # A page in a browser cannot send this type to another origin unasked.
        if content_type.partition(";")[0].strip() != "application/json":
            return _problem(415, "Send application/json.")
        if path == CHECK and not self.starts_checks:
            log.error("a check was asked for, but no token is set: RAKUTEN_WEBHOOK_TOKEN")
            return _problem(503, "No token is set, so that nobody may start checks.")
        if path == CHECK and not self._is_allowed(authorization):
            return _problem(401, "The bearer token is missing or wrong.")
        return None

    def answer(self, path: str, body: bytes) -> Answer:
        """The answer to a request that was not refused."""
        try:
            message = read_message(body)
        except WebhookError as error:
            return _problem(400, error.message)
        return self._told(message) if path == TELL else self._checked(message)

    def _told(self, message: Message) -> Answer:
        if self._tell(message.text()):
            return Answer(200, {"told": len(message.alerts)})
        return _problem(503, "The message did not reach people; send it again.")

    def _checked(self, message: Message) -> Answer:
        names = sorted({alert.name for alert in message.firing})
        if not names:
            return Answer(200, {"started": False, "detail": "nothing is firing"})
        try:
            with self._one_at_a_time:
                found = self._start()
        except (SchedulerAwayError, ConfigurationError) as error:
            log.error("no check could be started for %s: %s", ", ".join(names), error.message)
            return _problem(503, error.message)
        what = "a check was started" if found.started else "no check was started"
        log.info("%s for %s: %s", what, ", ".join(names), found.detail)
        return Answer(200, {"started": found.started, "detail": found.detail})

    def _is_allowed(self, authorization: str) -> bool:
        scheme, _, shown = authorization.partition(" ")
        given = shown.strip().encode("utf-8", "surrogateescape")
        return hmac.compare_digest(given, self._token or b"") and scheme.lower() == "bearer"


def make_webhook(settings: Settings, webhook: WebhookSettings) -> Webhook:
    """The webhook as it is set up.

    Raises:
        ConfigurationError: the token cannot be read, or is too short.
    """

    def tell(text: str) -> bool:
        # Without an address the line in the log is all there is to do.
        return notify(text, settings) or settings.rakuten_notify_url is None

    return Webhook(webhook.read_token(), start=lambda: start_check(webhook.minutes), tell=tell)


def serve_webhook(settings: Settings, webhook: WebhookSettings) -> None:
    """Answer until the process is told to end.

    Raises:
        ConfigurationError: the token cannot be used, or the address cannot be listened on.
    """
    answers = make_webhook(settings, webhook)
    if not answers.starts_checks:
        log.warning("no token is set (RAKUTEN_WEBHOOK_TOKEN): alerts are told and start no check")
    try:
        server = WebhookServer((webhook.host, webhook.port), answers, webhook.max_body_kib * 1024)
    except OSError as error:
        raise ConfigurationError(
            f"Cannot listen on {webhook.host}:{webhook.port}: {error.strerror or error}.",
            hint="choose another: rakuten flow webhook --port",
        ) from error
    with server:
        signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
        log.info("Alertmanager is heard at http://%s:%d", webhook.host, server.server_port)
        with suppress(KeyboardInterrupt):
            server.serve_forever()


def _problem(status: int, detail: str) -> Answer:
    return Answer(status, {"problem": detail})
