"""The page about metrics and the registry hold the same, and promtool has nothing to say."""

import re
import subprocess
from pathlib import Path

import pytest
from prometheus_client.core import Metric

from tests.serving.api.conftest import Running

PAGE = Path(__file__).resolve().parents[3] / "docs/metrics.md"
ROW = re.compile(r"^\| `([a-z_]+)` \| (\w+) \|([^|]*)\|", re.MULTILINE)
SUFFIXES = {"counter": "_total", "info": "_info"}


def _labels(family: Metric) -> frozenset[str]:
    return frozenset(name for sample in family.samples for name in sample.labels) - {"le"}


def test_the_page_has_every_metric_with_its_type_and_labels(running: Running) -> None:
    running.predict(designation="Console")
    registry = running.service.meter.registry
    assert registry is not None
    found = {
        family.name + SUFFIXES.get(family.type, ""): (family.type, _labels(family))
        for family in registry.collect()
    }
    section = PAGE.read_text(encoding="utf-8").partition("## The service")[2].partition("\n## ")[0]
    rows = ROW.findall(section)
    described = {
        name: (kind, frozenset(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows
    }
    assert len(rows) == len(described)
    assert described == found


@pytest.mark.servers
def test_promtool_has_nothing_to_say(running: Running, photo: bytes) -> None:
    running.predict(designation="Console")
    running.client.post("/v1/predict", data={"designation": "x"}, files={"image": photo})
    running.client.get("/nowhere")
    text = running.client.get("/metrics").content
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=text, capture_output=True, check=False
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")
