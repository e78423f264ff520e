"""Every query on a real Prometheus that holds an hour of made-up life, and the pictures of it."""

import json
import math
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
from PIL import Image
from prometheus_client import CollectorRegistry, Histogram, start_http_server
from typer.testing import CliRunner

from rakuten.cli.app import app
from rakuten.errors import ConfigurationError, PrometheusError
from rakuten.observability.dashboards import all_dashboards
from rakuten.observability.evaluate import Span, ask, table, table_text
from rakuten.observability.expressions import concrete
from rakuten.observability.panels import Dashboard, Kind, Panel, Query, Row
from rakuten.observability.pictures import write_pictures
from rakuten.observability.prometheus_api import Prometheus
from tests.observability.catalogue import KNOWN
from tests.observability.synthetic import tell
from tests.servers.process import ServerProcess, free_port

pytestmark = pytest.mark.servers
HOUR = 3600.0
AHEAD = 300.0


def _evaluates(url: str) -> bool:
    """Whether the server has read its storage; until then it answers 503."""
    try:
        return bool(Prometheus(url).instant("vector(1)", time.time()))
    except PrometheusError:
        return False


@contextmanager
def _prometheus(folder: Path, *, config: str = "{}", blocks: str = "tsdb") -> Iterator[str]:
    port = free_port()
    (folder / "prometheus.yml").write_text(config)
    url = f"http://127.0.0.1:{port}"
    command = [
        "prometheus",
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / blocks}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--enable-feature=exemplar-storage",
        # Imported series have no mark where they end, as those of a target have.
        "--query.lookback-delta=40s",
    ]
    with ServerProcess(command, folder / "log", lambda: _evaluates(url)):
        yield url


@pytest.fixture(scope="module")
def span() -> Span:
    """The hour that is looked at."""
    return Span(end=float(round(time.time())), seconds=HOUR)


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory, span: Span) -> Iterator[str]:
    """A server with the whole story of that hour in its storage."""
    folder = tmp_path_factory.mktemp("prometheus")
    # It goes on while the tests run: a command looks at the time that it is.
    story = tell(span.end + AHEAD, HOUR + AHEAD)
    assert set(story.series) == KNOWN
    (folder / "metrics.txt").write_text("".join(story.text()))
    subprocess.run(
        ["promtool", "tsdb", "create-blocks-from", "openmetrics", "metrics.txt", "tsdb"],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    with _prometheus(folder) as url:
        yield url


def _board(*queries: Query, quiet: bool = False) -> Dashboard:
    panel = Panel("p", "what", "good", "action.", "none", "timeseries", queries, quiet=quiet)
    return Dashboard("rakuten-test", "Test", "?", 1, (Row("r", 4, (panel,)),))


def test_promtool_reads_every_query(tmp_path: Path) -> None:
    queries = [query for b in all_dashboards() for panel in b.panels for query in panel.queries]
    queries += [found.expression for b in all_dashboards() for found in b.annotations]
    rules = [
        {"record": f"query:number{number}", "expr": concrete(query)}
        for number, query in enumerate(queries)
    ]
    path = tmp_path / "rules.yml"
    path.write_text(json.dumps({"groups": [{"name": "queries", "rules": rules}]}))
    done = subprocess.run(
        ["promtool", "check", "rules", path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert f"{len(rules)} rules found" in done.stdout


def test_every_query_of_every_panel_finds_something(prometheus: str, span: Span) -> None:
    rows = table(prometheus, span)
    assert [row for row in rows if row.state != "ok"] == [], table_text(rows)
    assert len(rows) == sum(len(p.targets) for b in all_dashboards() for p in b.panels)
    assert not any(math.isnan(row.sample) for row in rows)


def test_every_series_has_a_legend_of_its_own(prometheus: str, span: Span) -> None:
    from rakuten.observability.canvas import named

    server = Prometheus(prometheus)
    for board in all_dashboards():
        for panel in board.panels:
            if panel.kind in ("timeseries", "state-timeline", "bargauge"):
                answers = [(query, ask(server, query, span)) for query in panel.targets]
                names = [one.name for one in named(panel, answers)]
                assert len(set(names)) == len(names), panel.title
                assert all(name.strip() for name in names), panel.title


def test_colours_are_given_to_series_that_there_are(prometheus: str, span: Span) -> None:
    from rakuten.observability.canvas import named

    server = Prometheus(prometheus)
    for board in all_dashboards():
        for panel in board.panels:
            if panel.colours and panel.kind == "timeseries":
                answers = [(query, ask(server, query, span)) for query in panel.targets]
                names = {one.name for one in named(panel, answers)}
                assert names & set(panel.colours), panel.title


def test_a_process_that_is_chosen_leaves_the_others_out(prometheus: str, span: Span) -> None:
    server = Prometheus(prometheus)
    query = Query('rakuten_store_up{instance=~"$instance"}')
    both = ask(server, query, span)
    one = ask(server, query, replace(span, instance="api-1:8000"))
    assert [series.labels["instance"] for series in both] == ["api-1:8000", "api-2:8000"]
    assert [series.labels["instance"] for series in one] == ["api-1:8000"]


def test_what_is_absent_wrong_or_no_number_is_flagged(prometheus: str, span: Span) -> None:
    queries = (Query("no_such_metric"), Query("sum(up"), Query("up * NaN"), Query("up"))
    rows = table(prometheus, span, [_board(*queries)])
    assert [row.state for row in rows] == ["empty", "error", "empty", "ok"]
    assert "parse error" in rows[1].error
    assert "1 ok, 0 quiet, 2 empty, 1 error" in table_text(rows)


def test_nothing_to_show_is_no_fault_where_it_is_good_news(prometheus: str, span: Span) -> None:
    (row,) = table(prometheus, span, [_board(Query("no_such_metric"), quiet=True)])
    assert row.state == "quiet"


def test_a_store_that_is_away_is_a_gap_and_no_zero(prometheus: str, span: Span) -> None:
    away = replace(span, end=span.start + 0.35 * HOUR)
    verdict, columns = (
        ask(Prometheus(prometheus), query, away)
        for board in all_dashboards()
        for panel in board.panels
        for query in panel.targets
        if board.uid == "rakuten-data" and panel.title in ("Drift", "Columns that drifted")
    )
    assert verdict == columns == []


def test_a_server_that_is_away_is_said_and_never_nothing(span: Span) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    (row,) = table(nobody, span, [_board(Query("up"))])
    assert row.state == "error"
    with pytest.raises(PrometheusError, match="gave no answer"):
        Prometheus(nobody).instant("up", span.end)


@pytest.mark.parametrize("address", ["127.0.0.1:9090", "file:///etc/passwd", "http://"])
def test_an_address_that_is_none_of_http_is_refused(address: str) -> None:
    with pytest.raises(ConfigurationError, match="no address"):
        Prometheus(address)


def test_each_dashboard_becomes_one_picture(prometheus: str, span: Span, tmp_path: Path) -> None:
    boards = [b for b in all_dashboards() if b.uid in ("rakuten-service", "rakuten-pipeline")]
    kinds = {panel.kind for board in boards for panel in board.panels}
    assert kinds == set(get_args(Kind))
    paths = write_pictures(prometheus, tmp_path, span, boards)
    assert [path.name for path in paths] == [f"{board.uid}.png" for board in boards]
    for path in paths:
        with Image.open(path) as picture:
            assert picture.width > 1500
            assert len(picture.convert("RGB").quantize(64).getcolors() or []) > 20


def test_a_panel_without_data_says_so_in_its_picture(
    prometheus: str, span: Span, tmp_path: Path
) -> None:
    (empty,) = write_pictures(prometheus, tmp_path, span, [_board(Query("no_such_metric"))])
    first = empty.read_bytes()
    (known,) = write_pictures(prometheus, tmp_path, span, [_board(Query("up"))])
    assert known.read_bytes() != first


def test_the_command_prints_the_table_and_its_exit_code_tells(prometheus: str) -> None:
    found = CliRunner().invoke(
        app, ["observability", "panels", "--prometheus", prometheus, "--hours", "1"]
    )
    assert found.exit_code == 0, found.output
    assert " ok, 0 quiet, 0 empty, 0 error" in found.output


def test_single_requests_are_found_as_exemplars(tmp_path: Path) -> None:
    registry, port = CollectorRegistry(), free_port()
    seconds = Histogram("a_seconds", "Some time.", registry=registry)
    server, thread = start_http_server(port, "127.0.0.1", registry)
    target = f"{{job_name: api, static_configs: [{{targets: ['127.0.0.1:{port}']}}]}}"
    config = f"{{global: {{scrape_interval: 200ms}}, scrape_configs: [{target}]}}"
    try:
        with _prometheus(tmp_path, config=config) as url:
            seconds.observe(0.3, {"prediction_id": "p1"})
            query = "histogram_quantile(0.9, sum by (le) (rate(a_seconds_bucket[1m])))"
            deadline = time.monotonic() + 15
            found: list[tuple[float, float]] = []
            while not found and time.monotonic() < deadline:
                time.sleep(0.2)
                found = Prometheus(url).exemplars(query, time.time() - 60, time.time() + 5)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    assert [value for _, value in found] == [0.3]
