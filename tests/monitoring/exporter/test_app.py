"""The exporter over HTTP: formats, refusals, and a page that documents every metric."""

import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from rakuten.monitoring.exporter.app import make_app
from rakuten.monitoring.exporter.collector import make_exporter_registry
from rakuten.monitoring.exporter.source import StoreSource
from rakuten.store.database import Database
from tests.conftest import REPOSITORY
from tests.monitoring.exporter.material import MODEL, parse, samples_of

OPEN_METRICS = "application/openmetrics-text; version=1.0.0"


@pytest.fixture
def source(tmp_path: Path) -> StoreSource:
    """An empty store, read at every scrape."""
    url = f"sqlite:///{tmp_path / 'store.db'}"
    Database(url).migrate()
    return StoreSource(url, MODEL, every=0)


@pytest.fixture
def client(source: StoreSource) -> Iterator[TestClient]:
    """A client of the application."""
    with TestClient(make_app(source)) as made:
        yield made


def test_metrics_come_as_text_or_as_openmetrics_as_asked(client: TestClient) -> None:
    plain = client.get("/metrics", headers={"Accept": "text/html"})
    assert plain.headers["content-type"].startswith("text/plain; version=0.0.4")
    found = parse(plain.text)
    assert found.of("rakuten_exporter_store_up") == 1
    assert found.of("process_resident_memory_bytes")
    other = client.get("/metrics", headers={"Accept": f"{OPEN_METRICS},text/plain;q=0.5"})
    assert other.headers["content-type"].startswith(OPEN_METRICS)
    families = samples_of(text_string_to_metric_families(other.text))  # type: ignore[no-untyped-call]
    assert families.names == found.names


def test_only_reading_is_allowed_and_nothing_else_is_there(client: TestClient) -> None:
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        assert client.request(method, "/metrics").status_code == 405
    assert client.get("/").status_code == 404
    assert client.get("/metrics/").history  # to /metrics itself


def test_process_lives_while_a_scrape_waits_for_the_store(
    client: TestClient, source: StoreSource
) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def wait(*_: object) -> None:
        begun.set()
        assert go_on.wait(30)

    sa.event.listen(source._database.engine, "checkout", wait)
    with ThreadPoolExecutor(1) as pool:
        scrape = pool.submit(client.get, "/metrics")
        assert begun.wait(30)
        assert client.get("/healthz").json() == {"status": "ok"}
        assert not scrape.done()
        go_on.set()
        assert scrape.result(30).status_code == 200


def test_every_metric_is_documented_with_its_type_and_labels(source: StoreSource) -> None:
    page = (REPOSITORY / "docs" / "exporter.md").read_text()
    rows = re.findall(r"^\| `(rakuten_\w+)(?:\{([\w,]+)\})?` \| (\w+) \|", page, re.MULTILINE)
    documented = {name: (kind, set(filter(None, labels.split(",")))) for name, labels, kind in rows}
    shown = {}
    for family in make_exporter_registry(source).collect():
        if not family.name.startswith("rakuten_"):
            continue
        suffix = {"counter": "_total", "info": "_info"}.get(family.type, "")
        labels = family.samples[0].labels if family.type == "info" else family._labelnames  # type: ignore[attr-defined]
        shown[family.name + suffix] = (family.type, set(labels))
    assert len(shown) > 25
    assert documented == shown
