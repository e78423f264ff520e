"""Counts and distributions as a scrape sees them."""

import threading
from types import SimpleNamespace

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.exposition import generate_latest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from rakuten.metrics.series import Counts, Histogram


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


def histogram(registry: CollectorRegistry, *known: tuple[str, ...]) -> Histogram:
    found = Histogram("wait_seconds", "Time.", ["what"], [0.1, 0.5, 2], known)
    registry.register(found)
    return found


def test_known_values_are_there_at_zero_and_others_from_their_first_event(
    registry: CollectorRegistry,
) -> None:
    counts = Counts("events_total", "Events.", ["kind", "code"], [("a", "1")])
    registry.register(counts)
    counts.add("b", 2)
    counts.add("b", 2)
    counts.expect("b", 2)
    counts.expect("c", 3)
    found = {
        (kind, code): registry.get_sample_value("events_total", {"kind": kind, "code": code})
        for kind, code in [("a", "1"), ("b", "2"), ("c", "3"), ("d", "4")]
    }
    assert found == {("a", "1"): 0, ("b", "2"): 2, ("c", "3"): 0, ("d", "4"): None}


def test_a_value_on_a_bound_belongs_to_the_bucket_below_and_buckets_add_up(
    registry: CollectorRegistry,
) -> None:
    one = histogram(registry, ("x",)).series("x")
    for value in (0.1, 0.1001, 0.5, 3):
        one.observe(value)

    def bucket(bound: str) -> float | None:
        return registry.get_sample_value("wait_seconds_bucket", {"what": "x", "le": bound})

    assert [bucket(bound) for bound in ("0.1", "0.5", "2.0", "+Inf")] == [1, 3, 3, 4]
    assert registry.get_sample_value("wait_seconds_count", {"what": "x"}) == 4
    total = registry.get_sample_value("wait_seconds_sum", {"what": "x"})
    assert total == pytest.approx(3.7001)


def test_each_bucket_shows_one_observation_a_second(
    registry: CollectorRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [1_000.0]
    clocks = SimpleNamespace(time=lambda: clock[0])
    monkeypatch.setattr("rakuten.metrics.series.time", clocks)
    one = histogram(registry).series("x")

    def shown() -> list[str]:
        text = generate_latest(registry).decode()  # type: ignore[no-untyped-call]
        (family,) = text_string_to_metric_families(text)  # type: ignore[no-untyped-call]
        return [s.exemplar.labels["id"] for s in family.samples if s.exemplar]

    one.observe_shown(0.01, {"id": "first"})
    one.observe_shown(0.02, {"id": "too soon"})
    one.observe_shown(1.0, {"id": "slow"})
    assert shown() == ["first", "slow"]
    clock[0] += 1
    one.observe_shown(0.03, {"id": "later"})
    assert shown() == ["later", "slow"]


def test_a_scrape_while_series_come_up_sees_counters_that_only_rise(
    registry: CollectorRegistry,
) -> None:
    counts = Counts("events_total", "Events.", ["number"])
    registry.register(counts)
    done = threading.Event()

    def write() -> None:
        for number in range(20_000):
            counts.add(number % 500)
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    totals = []
    while not done.is_set():
        totals.append(sum(s.value for m in registry.collect() for s in m.samples))
    writer.join()
    totals.append(sum(s.value for m in registry.collect() for s in m.samples))
    assert totals == sorted(totals)
    assert totals[-1] == 20_000
