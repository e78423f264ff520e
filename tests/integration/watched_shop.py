"""A shop that is watched: service, exporter, Prometheus and Alertmanager, quick as a test is.

Rules and routes are those of deploy/, with every length of time divided by 120.
"""

import json
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any, Final

from rakuten.client import Client
from rakuten.errors import RakutenError
from rakuten.observability.alertmanager import CHECK_PATH, Receivers, write_alertmanager
from rakuten.observability.evaluate import Span
from rakuten.observability.prometheus import Targets
from rakuten.observability.rules import write_rules
from rakuten.observability.timescale import TimeScale
from tests.integration.test_loop import rakuten
from tests.servers.postgres import Postgres
from tests.servers.process import ServerProcess, free_port
from tests.servers.prometheus import (
    Alertmanager,
    Prometheus,
    alertmanager,
    answers_ok,
    eventually,
    prometheus,
)
from tests.serving.api.served import Served

SCALE: Final = TimeScale.parse("1/120")
SCRAPE_SECONDS: Final = 0.5
WINDOW: Final = 120
STORE: Final = "watched"
_SERVICE: Final = {"RAKUTEN_SERVE_SPOOL_MIB": "0.5"}
_PAUSE_SECONDS: Final = 0.03


class Unready(Served):
    """The service, which is there as soon as it listens: it may have no model."""

    def is_ready(self) -> bool:
        """Whether it listens."""
        return answers_ok(f"{self.url}/healthz")


@dataclass
class Pager:
    """Takes what Alertmanager sends: for people, and to start a check of the traffic."""

    address: str
    messages: list[dict[str, Any]] = field(default_factory=list)
    checks: list[str] = field(default_factory=list)

    def told(self, name: str, status: str = "firing", **labels: str) -> bool:
        """Whether a message said that an alert with some labels fires, or is resolved."""
        return any(
            alert["status"] == status
            and alert["labels"]["alertname"] == name
            and labels.items() <= alert["labels"].items()
            for message in list(self.messages)
            for alert in message["alerts"]
        )


@contextmanager
def pager(token: str) -> Iterator[Pager]:
    """Listen on loopback until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self.path == CHECK_PATH:
                assert self.headers["Authorization"] == f"Bearer {token}"
                found.checks += [alert["labels"]["alertname"] for alert in message["alerts"]]
            else:
                found.messages.append(message)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found = Pager(f"127.0.0.1:{server.server_port}")
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()


@dataclass(frozen=True)
class Shop:
    """What a test asks of the processes."""

    root: Path
    variables: Mapping[str, str]
    served: Served
    store: Postgres
    exporter: ServerProcess
    prometheus: Prometheus
    alertmanager: Alertmanager
    pager: Pager

    def sell(self, drift: str = "none", *, seed: int, labels: float = 0.0) -> None:
        """One window of traffic, and a few more: there are photos that are refused."""
        rakuten(
            self.root,
            self.variables,
            *("simulate-drift", drift, "--rows", str(WINDOW + 20), "--seed", str(seed)),
            *("--labels", str(labels), "--url", self.served.url, "--api-key", self.served.key),
        )

    def check(self) -> None:
        """Check the newest answers, and decide."""
        rakuten(self.root, self.variables, "flow", "run", "monitor")

    @contextmanager
    def visitors(self) -> Iterator[None]:
        """Listings without photos come in all the time, until the block ends."""
        leave = threading.Event()

        def visit() -> None:
            with Client(self.served.url, api_key=self.served.key) as client:
                for number in count():
                    if leave.wait(_PAUSE_SECONDS):
                        return
                    try:
                        client.predict(f"Console de jeux portable numéro {number}")
                    except RakutenError:  # what the alerts are about
                        continue

        thread = threading.Thread(target=visit)
        thread.start()
        try:
            yield
        finally:
            leave.set()
            thread.join()

    def told(self, name: str, *, seconds: float = 40, **labels: str) -> None:
        """Wait until Prometheus says that an alert fires, and people are told."""
        eventually(lambda: self.prometheus.firing(name, **labels), seconds=seconds)
        eventually(lambda: self.pager.told(name, **labels), seconds=seconds)

    def mended(self, name: str, *, seconds: float = 60, **labels: str) -> None:
        """Wait until an alert no longer fires, and people are told that too."""
        eventually(lambda: not self.prometheus.firing(name, **labels), seconds=seconds)
        eventually(lambda: self.pager.told(name, "resolved", **labels), seconds=seconds)

    def span(self, began: float) -> Span:
        """The time since a moment, as dashboards look at it."""
        return Span(
            seconds=time.time() - began,
            scrape_seconds=SCRAPE_SECONDS,
            scaled=SCALE.duration,
        )


@contextmanager
def watched_shop(
    folder: Path, root: Path, variables: Mapping[str, str], store: Postgres
) -> Iterator[Shop]:
    """Start what watches and what is watched.

    Args:
        folder: where processes write.
        root: the project.
        variables: what its processes find in their environment; the store's database among it.
        store: the cluster that holds that database.
    """
    token = "a-token-of-this-test"
    ports = {name: free_port() for name in ("exporter", "prometheus", "alertmanager")}
    served = Unready(root, settings={**variables, **_SERVICE}, keys=True)
    (folder / "token").write_text(token)
    with ExitStack() as stack:
        people = stack.enter_context(pager(token))
        targets = Targets(
            api=(served.url.removeprefix("http://"),),
            exporter=f"127.0.0.1:{ports['exporter']}",
            alertmanager=f"127.0.0.1:{ports['alertmanager']}",
            prometheus=f"127.0.0.1:{ports['prometheus']}",
        )
        write_rules(folder, SCALE, targets, interval=f"{SCRAPE_SECONDS * 1000:.0f}ms")
        receivers = Receivers(people.address, str(folder / "token"))
        write_alertmanager(folder / "alertmanager.yml", SCALE, receivers)
        command = [sys.executable, "-m", "rakuten.cli", "--root", str(root), "exporter"]
        shown = f"http://127.0.0.1:{ports['exporter']}/metrics"
        exporter = ServerProcess(
            [*command, "--port", str(ports["exporter"]), "--every", "0.1"],
            folder / "exporter.log",
            lambda: answers_ok(shown),
            environment=variables,
        )
        stack.enter_context(exporter)
        stack.enter_context(served.process)
        telling = stack.enter_context(
            alertmanager(folder, folder / "alertmanager.yml", port=ports["alertmanager"])
        )
        watching = stack.enter_context(
            prometheus(
                folder,
                folder / "prometheus.yml",
                port=ports["prometheus"],
                lookback=SCALE.duration("5m"),
                flags=["--enable-feature=exemplar-storage"],
            )
        )
        yield Shop(root, variables, served, store, exporter, watching, telling, people)
