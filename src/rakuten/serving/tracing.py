"""Traces of requests in OpenTelemetry, for who asks for them: FastAPI's spans, with our ids."""

import os
from collections.abc import Mapping, MutableMapping
from importlib import import_module
from typing import Any, Final, Literal

from fastapi.telemetry import TelemetryConfig
from opentelemetry import trace

from rakuten.errors import ConfigurationError, MissingExtraError

_PLACES: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
EXPORTER: Final = "opentelemetry.exporter.otlp.proto.http.trace_exporter"
"""What sends them."""
_PROBES: Final = ("/healthz", "/readyz", "/metrics")
_IDS: Final = ("request_id", "prediction_id", "key_id", "model_name", "model_version", "reason")


def telemetry(tracing: Literal["on", "off"]) -> TelemetryConfig:
    """What FastAPI is to send: nothing, or a span for each request by OTLP over HTTP.

    Metrics are Prometheus' and logs go to standard error, whether there are traces or not.

    Raises:
        ConfigurationError: traces are asked for, and no place where they go.
        MissingExtraError: what sends them is not installed.
    """
    if tracing == "off":
        return {"tracing": False, "metrics": False, "logs": False}
    if not any(map(os.environ.get, _PLACES)):
        raise ConfigurationError(
            "RAKUTEN_SERVE_TRACING=on, and nothing says where traces go.",
            hint=f"set {_PLACES[0]}, as in http://127.0.0.1:4318",
        )
    try:  # FastAPI would only warn, and go on without
        import_module(EXPORTER)
    except ModuleNotFoundError as error:
        package = "opentelemetry-exporter-otlp-proto-http"
        raise MissingExtraError(package, "tracing", "Tracing") from error
    return {
        "tracing": True,
        "metrics": False,
        "logs": False,
        "operation_spans": False,
        "auto_configure": True,
        "exclude": _is_probe,
    }


def name_span(method: str, route: str, state: MutableMapping[str, Any]) -> None:
    """Give the span of a request its route and ids, and the request's state the trace's id."""
    span = trace.get_current_span()
    if not span.is_recording():
        return
    span.update_name(f"{method} {route}")
    span.set_attribute("http.route", route)
    for name in _IDS:
        if state.get(name) is not None:
            span.set_attribute(f"rakuten.{name}", state[name])
    state["trace_id"] = f"{span.get_span_context().trace_id:032x}"


def _is_probe(scope: Mapping[str, Any]) -> bool:
    return scope.get("path") in _PROBES
