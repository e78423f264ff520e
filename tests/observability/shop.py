"""Metrics of a service and an exporter that are well, or in every trouble at once."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

DAY = 86_400


class Shop:
    """Counters grow with time; ``break_down`` changes how.

    It only stands for what is scraped: rules are evaluated by the real Prometheus.
    """

    def __init__(self) -> None:
        self.started = time.time()
        self.broken_at: float | None = None
        self.store_readable = True
        self.port = 0

    def break_down(self) -> None:
        """From now on everything goes wrong that can go wrong at once."""
        self.broken_at = time.time()

    def metrics(self) -> str:
        """The page of metrics of both."""
        return "".join(f"{series} {value}\n" for series, value in self._series())

    def _series(self) -> Iterator[tuple[str, float]]:
        yield "process_start_time_seconds", self.started
        yield from self._service()
        yield "rakuten_exporter_store_up", int(self.store_readable)
        if self.store_readable:
            yield from self._flows()

    def _service(self) -> Iterator[tuple[str, float]]:
        now, bad = time.time(), self.broken_at is not None
        well = 1000 * ((self.broken_at or now) - self.started)
        ill = 1000 * (now - self.broken_at) if self.broken_at else 0.0
        route = 'route="/v1/predict"'
        yield f'rakuten_requests_total{{{route},status="200"}}', well
        yield f'rakuten_requests_total{{{route},status="503"}}', ill
        histogram = "rakuten_request_duration_seconds"
        for edge, count in (("0.25", well * 0.9), ("0.5", well), ("+Inf", well + ill)):
            yield f'{histogram}_bucket{{{route},le="{edge}"}}', count
        yield f"{histogram}_count{{{route}}}", well + ill
        yield 'rakuten_predictions_total{decision="auto",image_status="ok"}', well
        yield 'rakuten_predictions_total{decision="review",image_status="missing"}', ill
        yield 'rakuten_predictions_by_type_total{prdtypecode="10"}', well + ill
        yield "rakuten_model_ready", int(not bad)
        yield 'rakuten_queue_products{lane="text"}', 99 if bad else 3
        yield 'rakuten_queue_limit_products{lane="text"}', 100
        yield "rakuten_store_up", int(not bad)
        yield "rakuten_spool_records", ill
        yield "rakuten_spool_bytes", 99 if bad else 0
        yield "rakuten_spool_limit_bytes", 100
        yield 'rakuten_model_refusals_total{reason="golden"}', int(bad)
        yield "rakuten_model_confirmed_timestamp_seconds", self.started - DAY if bad else now

    def _flows(self) -> Iterator[tuple[str, float]]:
        now, bad = time.time(), self.broken_at is not None
        for state in ("none", "warning", "critical", "check_failed"):
            yield f'rakuten_drift_state{{state="{state}"}}', int((state != "none") == bad)
        yield "rakuten_performance_violated", int(bad)
        yield "rakuten_monitor_last_success_timestamp_seconds", now - bad * DAY
        yield "rakuten_pipeline_last_success_timestamp_seconds", now - bad * 50 * DAY
        yield 'rakuten_pipeline_runs_total{state="failed"}', int(bad)
        yield "rakuten_retraining_open", 0
        yield "rakuten_retraining_open_age_seconds", bad * DAY
        yield "rakuten_review_oldest_age_seconds", bad * 3 * DAY


@contextmanager
def open_shop() -> Iterator[tuple[Shop, ThreadingHTTPServer]]:
    """Answer scrapes on a free port of loopback until the block ends."""
    shop = Shop()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = shop.metrics().encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    shop.port = server.server_port
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield shop, server
    finally:
        server.shutdown()
        server.server_close()
