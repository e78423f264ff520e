"""Prometheus and Alertmanager on loopback, from configuration that a test wrote."""

import json
import shutil
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from tests.servers.process import ServerProcess, free_port

_HINT: Final = (
    "apt-get install prometheus prometheus-alertmanager (Debian, Ubuntu), "
    "brew install prometheus alertmanager (macOS)"
)


def find_program(*names: str) -> str:
    """Path of the first of some programs that is on the PATH; Debian's name comes first.

    Raises:
        RuntimeError: there is none of them.
    """
    for name in names:
        found = shutil.which(name)
        if found:
            return found
    raise RuntimeError(f"There is no {' or '.join(names)} on the PATH: {_HINT}.")


def _ask(url: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=20) as answer:
        return json.loads(answer.read() or b"null")


@dataclass(frozen=True)
class Prometheus:
    """A running Prometheus; ``process.stop()`` takes it away, ``process.start()`` back."""

    url: str
    process: ServerProcess

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Series that an expression has now: ``metric`` and ``value`` of each."""
        return list(self._data("query", query=expression)["result"])

    def value(self, expression: str) -> float | None:
        """The value of an expression that has one series now; None where it has none.

        Raises:
            ValueError: it has several.
        """
        found = self.query(expression)
        if len(found) > 1:
            raise ValueError(f"{expression} has {len(found)} series")
        return float(found[0]["value"][1]) if found else None

    def query_range(self, expression: str, *, seconds: float, step: float) -> list[dict[str, Any]]:
        """Series that an expression had over the last ``seconds``: ``metric`` and ``values``."""
        end = time.time()
        found = self._data(
            "query_range", query=expression, start=f"{end - seconds}", end=f"{end}", step=f"{step}"
        )
        return list(found["result"])

    def alerts(self) -> list[dict[str, Any]]:
        """Alerts that are pending or firing: labels, annotations, state, activeAt, value."""
        return list(self._data("alerts")["alerts"])

    def firing(self, name: str, **labels: str) -> list[dict[str, Any]]:
        """Firing alerts of a name that carry some labels."""
        return [
            alert
            for alert in self.alerts()
            if alert["state"] == "firing"
            and alert["labels"]["alertname"] == name
            and labels.items() <= alert["labels"].items()
        ]

    def rules(self) -> list[dict[str, Any]]:
        """Every rule with its ``health`` and, where it failed, ``lastError``."""
        return [rule for group in self._data("rules")["groups"] for rule in group["rules"]]

    def targets(self) -> dict[str, str]:
        """Health of each target, by its address."""
        return {
            target["labels"]["instance"]: target["health"]
            for target in self._data("targets")["activeTargets"]
        }

    def _data(self, endpoint: str, **parameters: str) -> Any:
        query = urllib.parse.urlencode(parameters)
        return _ask(f"{self.url}/api/v1/{endpoint}?{query}")["data"]


@dataclass(frozen=True)
class Alertmanager:
    """A running Alertmanager."""

    url: str
    process: ServerProcess

    def post(self, labels: Mapping[str, str], *, over: bool = False, **annotations: str) -> None:
        """Report an alert as Prometheus does: firing for an hour from now on, or over."""
        now = datetime.now(UTC)
        end = now if over else now + timedelta(hours=1)
        alert = {
            "labels": dict(labels),
            "annotations": annotations,
            "startsAt": (now - timedelta(seconds=1)).isoformat(),
            "endsAt": end.isoformat(),
        }
        _ask(f"{self.url}/api/v2/alerts", [alert])

    def alerts(self) -> list[dict[str, Any]]:
        """Alerts that it knows, muted ones included (``status`` says by what)."""
        return list(_ask(f"{self.url}/api/v2/alerts"))


@contextmanager
def prometheus(
    folder: Path,
    config: Path,
    *,
    port: int | None = None,
    lookback: str = "5m",
    flags: Sequence[str] = (),
) -> Iterator[Prometheus]:
    """Run Prometheus on loopback until the block ends; its data and its log lie in ``folder``.

    Args:
        folder: where it writes.
        config: ``prometheus.yml``.
        port: one that a configuration names already; a free one without it.
        lookback: how old a sample may be and still count; scale it as the rules are scaled.
        flags: more of its options.
    """
    port = port or free_port()
    url = f"http://127.0.0.1:{port}"
    command = [
        find_program("prometheus"),
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'prometheus'}",
        f"--web.listen-address=127.0.0.1:{port}",
        f"--query.lookback-delta={lookback}",
        *flags,
    ]
    ready = f"{url}/-/ready"
    with _running(command, folder / "prometheus.log", ready) as process:
        yield Prometheus(url, process)


@contextmanager
def alertmanager(
    folder: Path, config: Path, *, port: int | None = None, flags: Sequence[str] = ()
) -> Iterator[Alertmanager]:
    """Run Alertmanager on loopback, alone, until the block ends; it writes into ``folder``."""
    port = port or free_port()
    url = f"http://127.0.0.1:{port}"
    command = [
        find_program("prometheus-alertmanager", "alertmanager"),
        f"--config.file={config}",
        f"--storage.path={folder / 'alertmanager'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
        *flags,
    ]
    with _running(command, folder / "alertmanager.log", f"{url}/-/ready") as process:
        yield Alertmanager(url, process)


@contextmanager
def _running(command: Sequence[str], log: Path, ready: str) -> Iterator[ServerProcess]:
    with ServerProcess(command, log, lambda: answers_ok(ready)) as process:
        yield process


def answers_ok(url: str) -> bool:
    """Whether a server answers with 200; Prometheus says 503 while it starts."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        opener.open(url, timeout=2).close()
    except OSError:
        return False
    return True


def eventually(what: Callable[[], Any], *, seconds: float = 30, pause: float = 0.1) -> Any:
    """The first result of ``what`` that is true; asked again and again.

    Raises:
        AssertionError: it was not true in time; the last result is shown.
    """
    deadline = time.monotonic() + seconds
    while True:
        found = what()
        if found:
            return found
        assert time.monotonic() < deadline, f"not within {seconds} s: {found!r}"
        time.sleep(pause)
