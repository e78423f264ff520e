"""Alertmanager's messages over HTTP: people are told, checks start for whoever has the token."""

import http.client
import json
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from pydantic import SecretStr

from rakuten.errors import ConfigurationError, SchedulerAwayError
from rakuten.flows.trigger import Started, start_check
from rakuten.flows.webhook import Webhook, make_webhook
from rakuten.flows.webhook_server import WebhookServer
from rakuten.flows.webhook_settings import WebhookSettings
from rakuten.settings import Settings
from tests.flows.chat import chat

TOKEN = "0123456789abcdefghijklmnop"
MOST = 4096
Asked = tuple[int, dict[str, Any]]


def message(status: str = "firing", name: str = "RakutenPhotosMissing") -> dict[str, Any]:
    """A message as Alertmanager 0.25 sends it."""
    return {
        "version": "4",
        "groupKey": '{}:{alertname="x"}',
        "truncatedAlerts": 0,
        "status": status,
        "receiver": "check",
        "groupLabels": {"alertname": name},
        "commonLabels": {"alertname": name, "severity": "check"},
        "commonAnnotations": {},
        "externalURL": "http://am:9093",
        "alerts": [
            {
                "status": status,
                "labels": {"alertname": name, "severity": "check", "instance": "api:8000"},
                "annotations": {
                    "summary": "Photos are missing.",
                    "description": "Many.",
                    "runbook_url": "docs/runbooks/X.md",
                },
                "startsAt": "2026-11-26T10:00:00Z",
                "endsAt": "0001-01-01T00:00:00Z",
                "generatorURL": "http://p:9090/graph",
                "fingerprint": "c0ffee",
            }
        ],
    }


@contextmanager
def serving(webhook: Webhook, most: int = MOST) -> Iterator[int]:
    """Serve on a free port of loopback until the block ends."""
    with WebhookServer(("127.0.0.1", 0), webhook, most) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield server.server_port
        finally:
            server.shutdown()


def ask(port: int, path: str, body: bytes | None, **headers: str) -> Asked:
    """Status and JSON of the answer to a POST; ``headers`` use ``_`` for ``-``."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    named = {"Content-Type": "application/json"}
    named |= {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        connection.request("POST", path, body, named)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


class Starter:
    """Counts how often a check was to be started."""

    def __init__(self, error: Exception | None = None) -> None:
        self.calls, self.error = 0, error

    def __call__(self) -> Started:
        self.calls += 1
        if self.error:
            raise self.error
        return Started(True, "clever-otter")


def checking(port: int, body: dict[str, Any], token: str = TOKEN, path: str = "/monitor") -> Asked:
    return ask(port, path, json.dumps(body).encode(), Authorization=f"Bearer {token}")


def test_a_firing_alert_with_the_token_starts_a_check() -> None:
    start = Starter()
    with serving(Webhook(TOKEN.encode(), start=start, tell=lambda _: True)) as port:
        assert checking(port, message()) == (200, {"started": True, "detail": "clever-otter"})
        assert start.calls == 1


def test_an_alert_that_is_over_starts_nothing() -> None:
    start = Starter()
    with serving(Webhook(TOKEN.encode(), start=start, tell=lambda _: True)) as port:
        status, content = checking(port, message("resolved"))
        assert (status, content["started"], start.calls) == (200, False, 0)


@pytest.mark.parametrize(
    "header", ["", "Bearer", f"Bearer {TOKEN}x", f"Basic {TOKEN}", TOKEN, "Bearer \xff"]
)
def test_without_the_token_nothing_starts(header: str) -> None:
    start = Starter()
    with serving(Webhook(TOKEN.encode(), start=start, tell=lambda _: True)) as port:
        status, content = ask(port, "/monitor", b"{}", Authorization=header)
        assert (status, start.calls) == (401, 0)
        assert TOKEN not in str(content)


def test_where_no_token_is_set_nothing_starts_and_an_empty_one_is_none() -> None:
    start = Starter()
    with serving(Webhook(None, start=start, tell=lambda _: True)) as port:
        assert checking(port, message(), token="")[0] == 503
        assert start.calls == 0


@pytest.mark.parametrize(
    "error", [SchedulerAwayError("The Prefect server did not answer."), ConfigurationError("None.")]
)
def test_where_no_check_can_be_started_alertmanager_is_to_ask_again(error: Exception) -> None:
    with serving(Webhook(TOKEN.encode(), start=Starter(error), tell=lambda _: True)) as port:
        status, content = checking(port, message())
        assert (status, content["problem"]) == (503, str(error))


def test_checks_are_started_one_at_a_time() -> None:
    running = threading.Semaphore(1)
    overlapped = threading.Event()
    entered = threading.Barrier(3)

    def start() -> Started:
        if not running.acquire(blocking=False):
            overlapped.set()
        threading.Event().wait(0.05)
        running.release()
        return Started(True, "one")

    with serving(Webhook(TOKEN.encode(), start=start, tell=lambda _: True)) as port:

        def call() -> None:
            entered.wait()
            assert checking(port, message())[0] == 200

        threads = [threading.Thread(target=call) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not overlapped.is_set()


def test_people_are_told_without_a_token_of_what_fires_and_of_what_is_over(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with chat() as room:
        settings = Settings(rakuten_notify_url=SecretStr(room.url))
        with serving(make_webhook(settings, WebhookSettings())) as port:
            logging.getLogger("rakuten").propagate = True
            for status in ("firing", "resolved"):
                assert checking(port, message(status), "", "/alerts") == (200, {"told": 1})
    said = " (check) RakutenPhotosMissing on api:8000: Photos are missing. Many. docs/runbooks/X.md"
    assert [one["text"] for one in room.messages] == [f"firing{said}", f"resolved{said}"]
    assert f"firing{said}" in caplog.messages


def test_a_message_that_the_chat_did_not_take_is_to_come_again() -> None:
    with chat(status=500) as room:
        settings = Settings(rakuten_notify_url=SecretStr(room.url))
        with serving(make_webhook(settings, WebhookSettings())) as port:
            assert checking(port, message(), path="/alerts")[0] == 503


def test_without_a_chat_the_log_is_enough() -> None:
    with serving(make_webhook(Settings(), WebhookSettings())) as port:
        assert checking(port, message(), path="/alerts") == (200, {"told": 1})


def test_of_many_alerts_twenty_are_told_and_the_others_counted() -> None:
    told: list[str] = []

    def tell(text: str) -> bool:
        told.append(text)
        return True

    many = message()
    many["alerts"] = many["alerts"] * 2
    many["alerts"][0]["annotations"] = {}
    many["alerts"] *= 11
    many["truncatedAlerts"] = 5
    with serving(Webhook(None, start=Starter(), tell=tell), most=1 << 20) as port:
        assert checking(port, many, path="/alerts")[0] == 200
    lines = told[0].splitlines()
    assert len(lines) == 21
    assert lines[-1] == "and 7 more"


BROKEN: dict[str, Callable[[dict[str, Any]], object]] = {
    "another version": lambda m: m.update(version="3"),
    "no alerts": lambda m: m.update(alerts=[]),
    "no status": lambda m: m.pop("status"),
    "an alert without labels": lambda m: m["alerts"][0].pop("labels"),
    "labels that are no texts": lambda m: m["alerts"][0].update(labels={"alertname": 7}),
}


@pytest.mark.parametrize("how", BROKEN)
def test_what_is_no_message_is_refused(how: str) -> None:
    body = message()
    BROKEN[how](body)
    start = Starter()
    with serving(Webhook(TOKEN.encode(), start=start, tell=lambda _: False)) as port:
        for path in ("/monitor", "/alerts"):
            status, content = checking(port, body, path=path)
            assert status == 400
            assert "no message of Alertmanager" in content["problem"]
    assert start.calls == 0


def test_requests_of_another_kind_are_refused() -> None:
    refused = Webhook(TOKEN.encode(), start=Starter(), tell=lambda _: True)
    good = json.dumps(message()).encode()
    with serving(refused) as port:
        assert ask(port, "/other", good)[0] == 404
        assert ask(port, "/alerts", good, Content_Type="text/plain")[0] == 415
        assert ask(port, "/alerts", b"x" * (MOST + 1))[0] == 413
        assert ask(port, "/alerts", b"\xff\x00{")[0] == 400
        assert ask(port, "/alerts", None, Content_Length="-1")[0] == 411
        assert ask(port, "/alerts", None, Content_Length="9" * 5000)[0] == 411
        assert ask(port, "/alerts", good)[0] == 200


def test_a_body_that_ends_early_is_refused_and_the_next_request_answered() -> None:
    with serving(Webhook(TOKEN.encode(), start=Starter(), tell=lambda _: True)) as port:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
            head = ["POST /alerts HTTP/1.1", "Content-Type: application/json", "Content-Length: 99"]
            client.sendall("\r\n".join([*head, "", "{"]).encode())
            client.shutdown(socket.SHUT_WR)
            assert b"ended too early" in everything(client)
        assert checking(port, message())[0] == 200


def test_what_follows_a_refused_request_is_no_request() -> None:
    inner = "GET /healthz HTTP/1.1\r\n\r\n"
    head = ["POST /other HTTP/1.1", f"Content-Length: {len(inner)}", "", inner]
    with (
        serving(Webhook(TOKEN.encode(), start=Starter(), tell=lambda _: True)) as port,
        socket.create_connection(("127.0.0.1", port), timeout=10) as client,
    ):
        client.sendall("\r\n".join(head).encode())
        answer = everything(client)
    assert answer.startswith(b"HTTP/1.1 404")
    assert answer.count(b"HTTP/1.1") == 1


def everything(client: socket.socket) -> bytes:
    """What comes until the other side closes the connection."""
    found = b""
    while part := client.recv(4096):
        found += part
    return found


def test_a_check_needs_a_prefect_server() -> None:
    from prefect.settings import PREFECT_API_URL, temporary_settings

    with (
        temporary_settings(restore_defaults=[PREFECT_API_URL]),
        pytest.raises(ConfigurationError, match="none is named"),
    ):
        start_check(15)
