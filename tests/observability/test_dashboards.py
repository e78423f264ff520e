"""The dashboards as they are written: complete, consistent, the same each time."""

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from rakuten.cli.app import app
from rakuten.observability.dashboards import all_dashboards, dashboard_texts, write_dashboards
from rakuten.observability.expressions import concrete, faults, metric_names
from rakuten.observability.panels import COLUMNS, Dashboard, Panel, Place, place
from tests.conftest import REPOSITORY
from tests.observability.catalogue import KNOWN

FOLDER = REPOSITORY / "deploy" / "grafana"
BOARDS = all_dashboards()
PANELS = [pytest.param(panel, id=f"{b.uid}-{panel.title}") for b in BOARDS for panel in b.panels]
QUERIES = sorted(
    {query for board in BOARDS for panel in board.panels for query in panel.queries}
    | {found.expression for board in BOARDS for found in board.annotations}
)


def _uid(board: Dashboard) -> str:
    return board.uid


def _models() -> dict[str, Any]:
    return {name: json.loads(text) for name, text in dashboard_texts().items()}


def test_the_committed_files_are_those_that_the_code_writes(tmp_path: Path) -> None:
    written = write_dashboards(tmp_path)
    committed = sorted((FOLDER / "dashboards").iterdir())
    assert [path.name for path in committed] == sorted(path.name for path in written)
    for path in committed:
        assert path.read_bytes() == (tmp_path / path.name).read_bytes(), (
            "run `rakuten observability dashboards --output deploy/grafana/dashboards`"
        )


def test_the_command_writes_them(tmp_path: Path) -> None:
    done = CliRunner().invoke(
        app,
        [
            "observability",
            "dashboards",
            "--output",
            str(tmp_path),
            "--runbooks",
            "https://b.example/r/",
        ],
    )
    assert done.exit_code == 0, done.output
    text = (tmp_path / "rakuten-service.json").read_text()
    assert '"query": "https://b.example/r"' in text


@pytest.mark.parametrize("query", QUERIES)
def test_every_query_is_whole_and_rates_only_counters(query: str) -> None:
    assert faults(query) == []
    assert "$" not in concrete(query).replace("${1}", "")


@pytest.mark.parametrize("query", QUERIES)
def test_every_query_reads_metrics_that_exist(query: str) -> None:
    names = metric_names(query)
    assert names
    assert names <= KNOWN


@pytest.mark.parametrize("panel", PANELS)
def test_every_panel_says_what_it_shows_what_is_good_and_what_to_do(panel: Panel) -> None:
    assert panel.unit
    for part in (panel.title, panel.what, panel.good, panel.action):
        assert part
        assert part == part.strip()
    assert panel.description.count("**") == 4
    assert panel.action.endswith(".")


@pytest.mark.parametrize("panel", PANELS)
def test_thresholds_rise_from_the_lowest_and_words_are_used_once(panel: Panel) -> None:
    values = [step.value for step in panel.thresholds]
    assert values[:1] in ([], [None])
    rising = [value for value in values[1:] if value is not None]
    assert len(rising) == len(values[1:])
    assert rising == sorted(set(rising))
    assert len({word.value for word in panel.words}) == len(panel.words)


@pytest.mark.parametrize("panel", PANELS)
def test_a_single_number_is_evaluated_now_so_that_what_is_gone_is_not_shown(panel: Panel) -> None:
    now = panel.kind in ("stat", "table", "bargauge")
    assert {query.instant for query in panel.targets} == {now}


@pytest.mark.parametrize("panel", PANELS)
def test_several_series_of_one_panel_have_names(panel: Panel) -> None:
    if panel.kind != "table" and (len(panel.targets) > 1 or panel.kind == "bargauge"):
        assert all(query.legend for query in panel.targets)


def test_addresses_of_dashboards_are_those_that_links_lead_to() -> None:
    assert [board.uid for board in BOARDS] == [
        "rakuten-service",
        "rakuten-model",
        "rakuten-data",
        "rakuten-pipeline",
    ]


@pytest.mark.parametrize("board", BOARDS, ids=_uid)
def test_nothing_overlaps_and_everything_is_on_the_grid(board: Dashboard) -> None:
    places = [where for _, where in place(board)]
    for where in places:
        assert where.x >= 0
        assert where.x + where.width <= COLUMNS
    for one, other in itertools.combinations(places, 2):
        assert not one.overlaps(other), (one, other)


def test_places_that_share_a_cell_overlap_and_neighbours_do_not() -> None:
    one = Place(0, 0, 4, 3)
    assert one.overlaps(Place(3, 2, 4, 3))
    assert not one.overlaps(Place(4, 0, 4, 3))
    assert not one.overlaps(Place(0, 3, 4, 3))


@pytest.mark.parametrize("board", BOARDS, ids=_uid)
def test_the_files_places_are_those_of_the_grid(board: Dashboard) -> None:
    panels = _models()[f"{board.uid}.json"]["panels"]
    placed = [Place(*(panel["gridPos"][key] for key in "xywh")) for panel in panels]
    assert placed == [where for _, where in place(board)]
    assert [panel["title"] for panel in panels] == [what.title for what, _ in place(board)]


def test_panels_of_a_file_have_numbers_of_their_own() -> None:
    for model in _models().values():
        numbers = [panel["id"] for panel in model["panels"]]
        assert len(set(numbers)) == len(numbers)


def test_every_query_asks_the_chosen_data_source() -> None:
    for model in _models().values():
        shown = [panel for panel in model["panels"] if panel["type"] != "row"]
        asked = [found for panel in shown for found in (panel, *panel["targets"])]
        asked += model["annotations"]["list"]
        assert {found["datasource"]["uid"] for found in asked} == {"${datasource}"}
        assert model["templating"]["list"][0]["name"] == "datasource"


def test_processes_can_be_chosen_wherever_a_query_asks_for_them() -> None:
    for board in BOARDS:
        used = any("$instance" in query for panel in board.panels for query in panel.queries)
        names = [one["name"] for one in _models()[f"{board.uid}.json"]["templating"]["list"]]
        assert used == bool(board.instances) == ("instance" in names)


def test_panels_link_to_the_runbooks_of_their_alerts() -> None:
    for model, board in zip(_models().values(), BOARDS, strict=True):
        shown = [panel for panel in model["panels"] if panel["type"] != "row"]
        for found, panel in zip(shown, board.panels, strict=True):
            links = [link["url"] for link in found["links"]]
            assert links == [f"${{runbooks}}/{alert}.md" for alert in panel.alerts]


def test_single_predictions_can_be_seen_on_the_latency_panel() -> None:
    (latency,) = (
        panel
        for panel in _models()["rakuten-service.json"]["panels"]
        if panel["title"] == "Latency of predictions"
    )
    assert any(target["exemplar"] for target in latency["targets"])


def test_grafana_finds_data_sources_and_dashboards_by_its_environment() -> None:
    sources = yaml.safe_load((FOLDER / "provisioning/datasources/prometheus.yml").read_text())
    by_type = {source["type"]: source for source in sources["datasources"]}
    assert by_type["prometheus"]["url"] == "${PROMETHEUS_URL}"
    assert by_type["alertmanager"]["url"] == "${ALERTMANAGER_URL}"
    (exemplars,) = by_type["prometheus"]["jsonData"]["exemplarTraceIdDestinations"]
    assert exemplars["name"] == "prediction_id"
    assert exemplars["url"].endswith("/v1/predictions/$${__value.raw}")
    provider = yaml.safe_load((FOLDER / "provisioning/dashboards/rakuten.yml").read_text())
    assert provider["providers"][0]["options"]["path"] == "${RAKUTEN_DASHBOARDS}"


def test_provisioning_holds_no_secret() -> None:
    for path in (FOLDER / "provisioning").rglob("*.yml"):
        text = path.read_text().lower()
        assert not any(word in text for word in ("password", "secure", "token", "basicauth"))
