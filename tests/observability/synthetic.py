"""Hours of a service's life as OpenMetrics text: with an outage, a new model and a drift."""

from typing import Final

import numpy as np

from tests.observability.catalogue import WINDOWS
from tests.observability.story import Story, Values
from tests.observability.synthetic_flows import tell_flows

PROCESSES: Final = ("api-1:8000", "api-2:8000")
SECONDS: Final = (0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.5, 1, 2, 5, np.inf)
SHARES: Final = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1, np.inf)
PHASES: Final = {
    "queue": 0.006,
    "decode": 0.018,
    "encode": 0.03,
    "vectorise": 0.002,
    "predict": 0.004,
    "store": 0.009,
}
TYPES: Final = (2583, 1560, 1300, 2060, 2522, 1280, 2403, 2280, 1920, 1160, 1320, 10, 2705, 1140)


def tell(end: float, seconds: float, step: float = 15) -> Story:
    """A busy day in short: an outage of the store, a swap, an overload, photos that go missing."""
    story = Story(end, seconds, step)
    _service(story)
    _model(story)
    _recorded(story)
    tell_flows(story)
    _alerts(story)
    return story


def _traffic(story: Story) -> Values:
    return 9 * (1.1 + np.sin(story.part * 5 - 1)) * story.noise(0.06) + 8 * story.between(
        0.62, 0.68
    )


def _service(story: Story) -> None:
    failing = story.between(0.62, 0.67) * 0.06
    for number, process in enumerate(PROCESSES):
        own = {"instance": process, "job": "api"}
        rate = _traffic(story) * (0.52 - 0.04 * number)
        story.put("up", 1, **own)
        story.put("rakuten_build_info", 1, version="0.7.0", python="3.11.2", **own)
        routes = (("/v1/predict", 0.9), ("/v1/predict/batch", 0.06), ("/v1/review", 0.04))
        for route, share in routes:
            for status, part in (("200", 0.97 - failing), ("422", 0.02), ("503", failing)):
                story.count(
                    "rakuten_requests_total", rate * share * part, route=route, status=status, **own
                )
        for reason, part in (
            ("image_unreadable", 0.013),
            ("too_long", 0.007),
            ("overloaded", failing),
        ):
            story.count("rakuten_problems_total", rate * part, reason=reason, **own)
        _latency(story, rate * 0.9, own)
        _capacity(story, rate, own)
        _storing(story, number, rate, own)


def _latency(story: Story, rate: Values, own: dict[str, str]) -> None:
    slower = 1 + 2.4 * story.between(0.62, 0.68) + 0.4 * story.between(0.44, 0.5)
    typical = 0.07 * slower * story.noise(0.1)
    shares = [1 / (1 + (typical / bound) ** 3.2) for bound in SECONDS[:-1]] + [np.ones_like(rate)]
    story.histogram(
        "rakuten_request_duration_seconds", SECONDS, shares, rate, route="/v1/predict", **own
    )
    for phase, seconds in PHASES.items():
        grown = slower if phase in ("queue", "store") else 1
        mean = seconds * grown * story.noise(0.08)
        found = [1 / (1 + (mean / bound) ** 3) for bound in SECONDS[:-1]] + [np.ones_like(rate)]
        story.histogram("rakuten_phase_duration_seconds", SECONDS, found, rate, phase=phase, **own)


def _capacity(story: Story, rate: Values, own: dict[str, str]) -> None:
    load = np.clip(rate / 14, 0, 1)
    for lane, share in (("text", 0.4), ("photo", 1.0)):
        story.put("rakuten_queue_products", np.round(420 * (load * share) ** 4), lane=lane, **own)
        story.put("rakuten_queue_limit_products", 512, lane=lane, **own)
        story.put(
            "rakuten_lane_busy_seconds_total",
            np.cumsum(load * share * story.step),
            lane=lane,
            **own,
        )
        sizes = (1, 2, 4, 8, 16, 32, np.inf)
        shares = [np.clip(1 - load / size**0.8, 0, 1) for size in sizes[:-1]] + [np.ones_like(load)]
        story.histogram("rakuten_batch_products", sizes, shares, rate * share, lane=lane, **own)
    story.put("process_cpu_seconds_total", np.cumsum(load * 1.6 * story.step), **own)
    memory = 410e6 * story.noise(0.004) + 170e6 * story.between(0.55, 0.56)
    story.put("process_resident_memory_bytes", memory, **own)
    story.put("process_virtual_memory_bytes", [4 * value for value in memory], **own)
    story.put("process_open_fds", np.round(60 + 90 * load), **own)
    story.put("process_max_fds", 4096, **own)
    story.put("process_start_time_seconds", story.end - 5.3 * 86400, **own)


def _storing(story: Story, number: int, rate: Values, own: dict[str, str]) -> None:
    away = story.between(0.30, 0.36 + number * 0.002)
    waiting = np.zeros_like(rate)
    for index in range(1, len(rate)):
        change = rate[index] * story.step * (1 if away[index] else -2.5)
        waiting[index] = max(0, waiting[index - 1] + change)
    story.put("rakuten_store_up", 1 - away, **own)
    story.put("rakuten_spool_records", np.round(waiting), **own)
    story.put("rakuten_spool_bytes", waiting * 52e3, **own)
    story.put("rakuten_spool_limit_bytes", 1 << 30, **own)
    story.put("rakuten:spool:used_ratio", waiting * 52e3 / (1 << 30), **own)


def _model(story: Story) -> None:
    missing = 0.04 + 0.22 * story.between(0.8, 1.01)
    sure = 1 - 0.25 * story.between(0.8, 1.01)
    for number, process in enumerate(PROCESSES):
        own = {"instance": process, "job": "api"}
        rate = _traffic(story) / 2
        swapped = story.between(0.55 + 0.001 * number, 1.01)
        for version, live in (("6", 1 - swapped), ("7", swapped)):
            labels = {"name": "rakuten", "version": version, "sha256": version * 8}
            story.put("rakuten_model_info", np.where(live > 0, 1, np.nan), **labels, **own)
        story.put("rakuten_model_ready", 1, **own)
        story.put("rakuten_model_swaps_total", 1 + swapped, **own)
        story.put("rakuten_registry_up", 1 - story.between(0.15, 0.17), **own)
        story.put(
            "rakuten_model_confirmed_timestamp_seconds", story.times - story.times % 15, **own
        )
        for reason in ("artifact", "golden", "inference", "no_hash"):
            refused = story.between(0.5, 1.01) if reason == "golden" else 0
            story.put("rakuten_model_refusals_total", refused, reason=reason, **own)
        for what in ("look_up", "fetch", "load", "record", "unexpected"):
            failed = 3 * story.between(0.16, 1.01) if what == "look_up" else 0
            story.put("rakuten_model_failures_total", failed, what=what, **own)
        for decision, part in (("auto", 0.84 * sure), ("review", 1 - 0.84 * sure)):
            for status, share in (
                ("ok", 1 - missing - 0.01),
                ("missing", missing),
                ("unreadable", 0.01),
            ):
                story.count(
                    "rakuten_predictions_total",
                    rate * part * share,
                    decision=decision,
                    image_status=status,
                    **own,
                )
        shares = [np.minimum(1, bound ** (4 * sure)) for bound in SHARES[:-2]]
        shares += [np.ones_like(rate)] * 2
        story.histogram("rakuten_prediction_confidence_ratio", SHARES, shares, rate, **own)
    weights = np.array([1 / (rank + 2) for rank in range(len(TYPES))])
    for code, weight in zip(TYPES, weights / weights.sum(), strict=True):
        labels = {"prdtypecode": str(code)}
        own = {"instance": PROCESSES[0], "job": "api"}
        story.count("rakuten_predictions_by_type_total", _traffic(story) * weight, **labels, **own)
        story.put("rakuten:predictions:type_ratio_rate1h", weight * story.noise(0.05), **labels)
    story.put("rakuten:predictions:review_ratio_rate1h", 1 - 0.84 * sure)
    story.put(
        "rakuten:predictions:image_missing_ratio_rate30m", (missing + 0.01) * story.noise(0.1)
    )
    story.put("rakuten:predictions:image_missing_ratio_rate1d", 0.05 + 0.02 * story.between(0.9, 2))


def _recorded(story: Story) -> None:
    length = len(story.times)
    errors, slow = story.between(0.62, 0.67) * 0.06, story.between(0.62, 0.68) * 0.05
    lengths = {"5m": 1, "30m": 6, "1h": 12, "2h": 24, "6h": 72, "1d": 288, "3d": 864}
    for window in WINDOWS:
        points = min(length, max(1, round(lengths[window] * 300 / story.step)))
        mean = np.ones(points) / points
        for name, values in (
            ("rakuten:requests:error_ratio_rate", errors),
            ("rakuten:predict:slow_ratio_rate", slow + 0.002),
        ):
            spread = np.convolve(values, mean)[:length] * story.noise(0.05)
            story.put(f"{name}{window}", np.clip(spread, 0, 1))
    slower = 1 + 2.4 * story.between(0.62, 0.68)
    for name, seconds in (("p50", 0.07), ("p95", 0.18), ("p99", 0.29)):
        story.put(f"rakuten:predict:{name}_seconds", seconds * slower * story.noise(0.05))
    story.put("rakuten:requests:rate5m", _traffic(story))
    for lane, share in (("text", 0.2), ("photo", 0.35)):
        story.put("rakuten:queue:used_ratio", share * story.noise(0.1), lane=lane)


def _alerts(story: Story) -> None:
    told = (
        ("RakutenStoreAway", "page", 0.30, 0.34, 0.36),
        ("RakutenAvailabilityBurn", "page", 0.62, 0.63, 0.71),
        ("RakutenCheckFailed", "ticket", 0.40, 0.40, 0.43),
        ("RakutenPhotosMissing", "check", 0.81, 0.83, 1.01),
        ("RakutenDrift", "ticket", 0.83, 0.90, 1.01),
    )
    for name, severity, pending, firing, over in told:
        labels = {"alertname": name, "severity": severity}
        for state, start, end in (("pending", pending, firing), ("firing", firing, over)):
            values = np.where(story.between(start, end) > 0, 1, np.nan)
            story.put("ALERTS", values, alertstate=state, **labels)
