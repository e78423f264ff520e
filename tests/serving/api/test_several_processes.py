"""Several processes of the service, seen by a real Prometheus: their counts add up."""

import json
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from rakuten.observability.prometheus import Targets
from rakuten.observability.rules import write_rules
from rakuten.observability.timescale import TimeScale
from tests.servers.process import free_port
from tests.servers.prometheus import Prometheus, eventually, prometheus
from tests.serving.api.served import Served

pytestmark = pytest.mark.servers

SCALE = TimeScale.parse("1/120")
PREDICTIONS = 'rakuten_requests_total{job="api",route="/v1/predict",status="200"}'
WINDOW = "1m"


@pytest.fixture
def both(promoted: Path, tmp_path: Path) -> Iterator[list[Served]]:
    with ExitStack() as stack:
        served = []
        for name in ("one", "other"):
            (tmp_path / name).mkdir()
            served.append(Served(promoted, tmp_path / name))
            stack.enter_context(served[-1].process)
        yield served


@pytest.fixture
def watching(both: list[Served], tmp_path: Path) -> Iterator[Prometheus]:
    targets = Targets(
        api=tuple(one.url.removeprefix("http://") for one in both),
        exporter=f"127.0.0.1:{free_port()}",  # nobody
        alertmanager=f"127.0.0.1:{free_port()}",
    )
    write_rules(tmp_path / "rules", SCALE, targets, interval="500ms")
    config = tmp_path / "rules" / "prometheus.yml"
    with prometheus(tmp_path, config, lookback="2500ms") as running:
        yield running


def predict(served: Served, times: int) -> None:
    body = json.dumps({"designation": "Console de jeux portable"}).encode()
    for _ in range(times):
        request = urllib.request.Request(
            f"{served.url}/v1/predict", body, {"Content-Type": "application/json"}
        )
        urllib.request.urlopen(request, timeout=10).close()


def test_counts_of_processes_add_up_and_those_of_one_that_starts_anew_are_not_lost(
    both: list[Served], watching: Prometheus
) -> None:
    one, other = both
    predict(one, 1)
    predict(other, 1)  # the first of a process makes its series
    eventually(lambda: watching.value(f"sum({PREDICTIONS})") == 2)
    predict(one, 3)
    predict(other, 5)
    eventually(lambda: watching.value(f"sum({PREDICTIONS})") == 10)
    assert len(watching.query(PREDICTIONS)) == 2
    assert len(watching.query("rakuten_model_info")) == 2
    assert eventually(lambda: watching.value("rakuten:requests:rate5m"))

    one.process.stop()
    eventually(lambda: watching.firing("RakutenServiceDown", scope="process"))
    assert watching.firing("RakutenServiceDown", scope="service") == []
    one.process.start()
    predict(one, 2)
    eventually(lambda: watching.value(f"sum({PREDICTIONS})") == 8)
    # It is seen that a count began anew, so that rate() and increase() go on from there.
    assert watching.value(f"sum(resets({PREDICTIONS}[{WINDOW}]))") == 1
    eventually(lambda: not watching.firing("RakutenServiceDown"))
