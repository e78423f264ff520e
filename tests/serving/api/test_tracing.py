"""Traces, for who asks for them: one span a request, with the ids of its log line."""

import json
import sys
import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from rakuten.errors import ConfigurationError, MissingExtraError
from rakuten.serving.tracing import EXPORTER, telemetry
from tests.serving.api.conftest import Running
from tests.serving.api.served import Served

PLACE = "OTEL_EXPORTER_OTLP_ENDPOINT"

Span = dict[str, Any]


@pytest.fixture
def spans() -> Iterator[tuple[str, list[Span]]]:
    """Address of a collector, and the spans that it was sent."""
    found: list[Span] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                for scope in resource.scope_spans:
                    found.extend(
                        {
                            "name": span.name,
                            "trace_id": span.trace_id.hex(),
                            **{a.key: a.value.string_value for a in span.attributes},
                        }
                        for span in scope.spans
                    )
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", found
    server.shutdown()
    server.server_close()


def test_traces_need_a_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PLACE, raising=False)
    with pytest.raises(ConfigurationError, match="where traces go"):
        telemetry("on")


def test_what_is_not_installed_is_said_before_anything_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(PLACE, "http://127.0.0.1:9")
    monkeypatch.setitem(sys.modules, EXPORTER, None)
    with pytest.raises(MissingExtraError, match="opentelemetry-exporter-otlp-proto-http"):
        telemetry("on")


def test_without_being_asked_nothing_is_traced(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PLACE, "http://127.0.0.1:9")
    assert telemetry("off") == {"tracing": False, "metrics": False, "logs": False}
    assert running.service.settings.tracing == "off"


@pytest.mark.slow
@pytest.mark.xdist_group("promoted")
def test_a_span_names_its_route_and_the_ids_of_its_log_line(
    promoted: Path, tmp_path: Path, spans: tuple[str, list[Span]]
) -> None:
    place, found = spans
    settings = {PLACE: place, "RAKUTEN_SERVE_TRACING": "on", "LOG_FORMAT": "json"}
    served = Served(promoted, tmp_path, settings)
    secret = "Piscine gonflable"
    headers = {
        "content-type": "application/json",
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "x-request-id": "mine-1",
    }
    with served.process:
        for query in ("", "?explain=true"):
            body = json.dumps({"designation": secret}).encode()
            url = f"{served.url}/v1/predict{query}"
            urllib.request.urlopen(urllib.request.Request(url, body, headers)).close()
        served.process.stop()  # what is left is sent
    predicted = [span for span in found if span["name"] == "POST /v1/predict"]
    assert len(predicted) == len(found) == 2  # none of a probe
    assert {span["trace_id"] for span in predicted} == {"0af7651916cd43dd8448eb211c80319c"}
    lines = [json.loads(line) for line in served.process.log.read_text().splitlines()]
    logged = [line for line in lines if line.get("prediction_id")]
    assert [span["rakuten.prediction_id"] for span in predicted] == [
        line["prediction_id"] for line in logged
    ]
    assert {line["trace_id"] for line in logged} == {span["trace_id"] for span in predicted}
    assert {span["rakuten.request_id"] for span in predicted} == {"mine-1"}
    assert secret not in json.dumps(found)
