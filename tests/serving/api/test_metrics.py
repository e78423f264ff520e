"""What /metrics says after what has happened, and how it can be asked for."""

import asyncio
import base64
import json
import re
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prometheus_client.core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_families
from prometheus_client.parser import text_string_to_metric_families

from rakuten.logs import configure_logs
from rakuten.metrics.service import PHASES, ServiceMetrics
from rakuten.serving.lane import Job, Lane
from rakuten.serving.problems import REASONS
from rakuten.store.predictions import read_prediction
from tests.serving.api.conftest import Running, Start

REPOSITORY = Path(__file__).resolve().parents[3]
OPENMETRICS = {"accept": "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"}
PRODUCT = {"designation": "Console de jeux portable"}

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def scrape(running: Running) -> Samples:
    """Every sample of a scrape."""
    text = running.client.get("/metrics").text
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def opened(text: str) -> list[Metric]:
    """The families of an OpenMetrics text."""
    return list(open_families(text))  # type: ignore[no-untyped-call]


def value(samples: Samples, name: str, **labels: str) -> float | None:
    return samples.get((f"rakuten_{name}", frozenset(labels.items())))


def test_known_values_of_labels_are_there_before_anything_happens(running: Running) -> None:
    found = scrape(running)
    for decision in ("auto", "review"):
        for status in ("ok", "missing", "unreadable"):
            labels = {"decision": decision, "image_status": status}
            assert value(found, "predictions_total", **labels) == 0
    for route in ("/v1/predict", "/v1/predict/batch", "/v1/review"):
        assert value(found, "request_duration_seconds_count", route=route) == 0
        for answer in ("200", "500", "503", "504"):
            assert value(found, "requests_total", route=route, status=answer) == 0
    for phase in PHASES:
        assert value(found, "phase_duration_seconds_count", phase=phase) == 0
    for lane in ("text", "photo", "bulk", "explanation"):
        assert value(found, "batch_products_count", lane=lane) == 0
        assert value(found, "queue_limit_products", lane=lane) == 512
        assert value(found, "lane_busy_seconds_total", lane=lane) == 0
    for reason in REASONS:
        assert value(found, "problems_total", reason=reason) == 0
    for what in ("look_up", "fetch", "load", "record", "unexpected"):
        assert value(found, "model_failures_total", what=what) is not None
    for reason in ("artifact", "golden", "inference", "no_hash"):
        assert value(found, "model_refusals_total", reason=reason) == 0
    for known in running.predictor.types:
        assert value(found, "predictions_by_type_total", prdtypecode=str(known.code)) == 0
    assert (value(found, "model_ready"), value(found, "store_up")) == (1, 1)
    assert value(found, "model_confirmed_timestamp_seconds") is None
    assert found["process_open_fds", frozenset()] > 0


def test_an_answer_is_counted_with_its_phases(running: Running, photo: bytes) -> None:
    image = base64.b64encode(photo).decode()
    answers = [running.predict(**PRODUCT), running.predict(**PRODUCT, image=image)]
    found = scrape(running)
    counts = [value(found, "phase_duration_seconds_count", phase=phase) for phase in PHASES]
    assert dict(zip(PHASES, counts, strict=True)) == {
        "queue": 2,
        "decode": 1,  # of the photo alone
        "encode": 1,
        "vectorise": 2,
        "predict": 2,
        "store": 2,
    }
    sums = {phase: value(found, "phase_duration_seconds_sum", phase=phase) or 0 for phase in PHASES}
    assert all(sums.values())
    inference = sum(sums[phase] for phase in ("decode", "encode", "vectorise", "predict"))
    busy = sum(
        value(found, "lane_busy_seconds_total", lane=lane) or 0 for lane in ("text", "photo")
    )
    whole = value(found, "request_duration_seconds_sum", route="/v1/predict") or 0
    assert inference < busy < whole
    for answer in answers:
        labels = {"decision": answer["decision"], "image_status": answer["image_status"]}
        assert value(found, "predictions_total", **labels) in (1, 2)
    codes = [str(answer["prdtypecode"]) for answer in answers]
    for code in codes:
        seen = value(found, "predictions_by_type_total", prdtypecode=code)
        assert seen == codes.count(code)
    assert value(found, "prediction_confidence_ratio_sum") == pytest.approx(
        sum(answer["confidence"] for answer in answers)
    )


def test_a_batch_is_one_batch_and_its_items_are_predictions_or_problems(running: Running) -> None:
    items = [{"designation": "console"}, {"designation": " "}, {"designation": "livre"}, 7]
    running.client.post("/v1/predict/batch", json={"items": items})
    found = scrape(running)
    assert value(found, "batch_products_count", lane="bulk") == 1
    assert value(found, "batch_products_sum", lane="bulk") == 2
    assert value(found, "prediction_confidence_ratio_count") == 2
    assert value(found, "problems_total", reason="empty") == 1
    assert value(found, "problems_total", reason="invalid") == 1
    assert value(found, "requests_total", route="/v1/predict/batch", status="200") == 1


def test_problems_are_counted_by_their_reason_on_every_way(running: Running) -> None:
    running.client.post("/v1/predict", json={"designation": ""})
    running.client.post("/v1/predict?explain=true", json={"designation": ""})
    running.client.get("/nowhere")
    running.client.get("/v1/predict")
    running.client.post("/v1/predict", content=b"{", headers={"content-type": "application/json"})
    found = scrape(running)
    assert value(found, "problems_total", reason="empty") == 2
    assert value(found, "problems_total", reason="http") == 2
    assert value(found, "problems_total", reason="invalid") == 1
    assert value(found, "prediction_confidence_ratio_count") == 0


def test_every_reason_of_the_code_is_known() -> None:
    source = REPOSITORY / "src/rakuten"
    texts = [path.read_text() for path in (source / "serving").rglob("*.py")]
    given = set(re.findall(r'reason="(\w+)"', "\n".join(texts))) | {"http"}
    decoding = (source / "imaging.py").read_text().partition("def decode_image")[2]
    given |= {f"image_{word}" for word in re.findall(r'ImageError\(\s*"(\w+)"', decoding)}
    given |= {"image_truncated", "image_corrupt"}  # chosen between in one expression
    assert given == set(REASONS)


def test_what_could_not_be_kept_was_not_given(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(type(running.service), "_record", fail)
    assert running.client.post("/v1/predict", json=PRODUCT).status_code == 500
    found = scrape(running)
    assert value(found, "prediction_confidence_ratio_count") == 0
    assert value(found, "phase_duration_seconds_count", phase="predict") == 1
    assert value(found, "phase_duration_seconds_count", phase="store") == 0
    assert value(found, "problems_total", reason="unexpected") == 1


def test_curl_gets_text_and_who_accepts_it_openmetrics_with_exemplars(running: Running) -> None:
    running.predict(**PRODUCT)
    plain = running.client.get("/metrics")
    assert plain.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert "# {" not in plain.text
    assert "_created" not in plain.text
    rich = running.client.get("/metrics", headers=OPENMETRICS)
    assert rich.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    names = {family.name for family in opened(rich.text)}
    assert {family.name for family in text_string_to_metric_families(plain.text)} == {
        # The text format has no type for these; its parser leaves the name as it is.
        {"rakuten_build": "rakuten_build_info", "rakuten_model": "rakuten_model_info"}.get(n, n)
        for n in names
    }


def test_log_line_exemplar_stored_row_and_model_tell_of_one_request(
    start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    longest = "r" * 64
    with start(keyless=False) as running:
        headers = {"x-api-key": running.key("predict"), "x-request-id": longest}
        configure_logs(json_lines=True)
        capsys.readouterr()
        answer = running.client.post("/v1/predict", json=PRODUCT, headers=headers)
        text = running.client.get("/metrics", headers=OPENMETRICS).text
        model = running.client.get("/v1/model", headers=headers).json()
        prediction_id = answer.json()["prediction_id"]
        stored = read_prediction(running.service.database, prediction_id)
    (line, *_) = (
        event
        for event in map(json.loads, capsys.readouterr().err.splitlines())
        if event.get("prediction_id")
    )
    exemplars = [
        sample.exemplar.labels
        for family in opened(text)
        for sample in family.samples
        if sample.exemplar
    ]
    assert exemplars == [{"prediction_id": prediction_id, "request_id": longest}]
    assert answer.headers["x-request-id"] == line["request_id"] == longest
    assert line["prediction_id"] == prediction_id
    assert stored is not None
    assert stored.key_id == line["key_id"]
    assert (stored.model_name, stored.model_version) == (line["model_name"], line["model_version"])
    assert (model["name"], model["version"], model["sha256"]) == (
        stored.model_name,
        stored.model_version,
        stored.model_sha256,
    )
    (shown,) = (
        sample.labels
        for family in opened(text)
        for sample in family.samples
        if sample.name == "rakuten_model_info"
    )
    assert shown == {**shown, "version": str(model["version"]), "sha256": model["sha256"]}


def test_a_line_of_a_batch_names_all_its_predictions(
    running: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logs(json_lines=True)
    items = [{"designation": "console"}, {"designation": ""}, {"designation": "livre"}]
    answer = running.client.post("/v1/predict/batch", json={"items": items})
    running.client.get("/healthz")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    (named,) = (line["prediction_ids"] for line in lines if "prediction_ids" in line)
    assert named == [
        item["prediction_id"] for item in answer.json()["items"] if "prediction_id" in item
    ]
    assert len(named) == 2


def test_switched_off_nothing_is_counted_and_answers_are_the_same(
    start: Start, running: Running
) -> None:
    with start(metrics="off") as quiet:
        answer = quiet.client.get("/metrics")
        assert (answer.status_code, answer.json()["reason"]) == (404, "no_metrics")
        assert not isinstance(quiet.service.meter, ServiceMetrics)
        found, expected = quiet.predict(**PRODUCT), running.predict(**PRODUCT)
    found.pop("prediction_id")
    expected.pop("prediction_id")
    assert found == expected


def test_a_database_that_is_away_from_the_start_is_not_up(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:9/nothing")
    with start() as running:
        assert value(scrape(running), "store_up") == 0
        running.predict(**PRODUCT)
        found = scrape(running)
        ready = running.client.get("/readyz").json()
    assert value(found, "store_up") == 0
    assert value(found, "spool_records") == 1
    assert value(found, "spool_bytes") == sum(
        path.stat().st_size for path in running.service.spool.folder.iterdir()
    )
    assert ready["store"] == {"database_up": False, "spooled": 1}


def test_without_a_store_nothing_is_said_of_it(start: Start) -> None:
    with start(store="off") as running:
        found = scrape(running)
    assert [value(found, name) for name in ("store_up", "spool_records", "spool_bytes")] == [
        None
    ] * 3


def test_the_live_model_counts_for_itself(running: Running) -> None:
    live = running.service.live
    live.swaps, live.confirmed_at = 3, datetime(2026, 1, 1, tzinfo=UTC)
    live.refusals["golden"] += 2
    live.failures["fetch"] += 1
    found = scrape(running)
    assert value(found, "model_swaps_total") == 3
    assert value(found, "model_refusals_total", reason="golden") == 2
    assert value(found, "model_failures_total", what="fetch") == 1
    stamp = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
    assert value(found, "model_confirmed_timestamp_seconds") == stamp
    assert value(found, "registry_up") == 0  # there is none in this project
    live.current = None
    found = scrape(running)
    assert value(found, "model_ready") == 0
    assert not any(name == "rakuten_model_info" for name, _ in found)


def test_a_lane_is_busy_while_its_thread_works() -> None:
    gate = threading.Event()

    def work(jobs: Sequence[Job[int, int]]) -> list[list[int]]:
        gate.wait(10)
        return [list(job.items) for job in jobs]

    async def run() -> None:
        metrics = ServiceMetrics(["text"], [])
        lane = Lane(work, max_batch=4, max_waiting=9, seconds=10, name="text", meter=metrics)
        first = lane.submit([1])
        await asyncio.sleep(0.1)
        second = lane.submit([2, 3])
        before = lane.busy_seconds
        assert 0 < before < 0.5
        await asyncio.sleep(0.1)
        assert lane.busy_seconds >= before + 0.09
        gate.set()
        assert [await first, await second] == [[1], [2, 3]]
        await lane.drain()
        after = lane.busy_seconds
        await asyncio.sleep(0.02)
        assert lane.busy_seconds == after
        read = metrics.registry.get_sample_value
        assert read("rakuten_batch_products_sum", {"lane": "text"}) == 3
        assert read("rakuten_phase_duration_seconds_count", {"phase": "queue"}) == 2
        waited = read("rakuten_phase_duration_seconds_sum", {"phase": "queue"})
        assert waited is not None
        assert 0.1 <= waited < 1  # the second, while the first was under way

    start = time.perf_counter()
    asyncio.run(run())
    assert time.perf_counter() - start < 5
