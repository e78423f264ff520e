"""One panel in Grafana's JSON model."""

from collections.abc import Sequence
from typing import Any, Final

from rakuten.observability.panels import Column, Panel, Query, Threshold, Word

DATASOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
LINK: Final[dict[str, Any]] = {
    "type": "link",
    "title": "",
    "url": "",
    "tags": [],
    "asDropdown": False,
    "includeVars": False,
    "keepTime": False,
    "targetBlank": True,
    "icon": "external link",
    "tooltip": "",
}
PLUGINS: Final = "11.0.0"
"""Version of Grafana whose panel options these are."""
_LAST: Final = {"calcs": ["lastNotNull"], "fields": "", "values": False}


def panel_model(panel: Panel) -> dict[str, Any]:
    """Everything of a panel but its number and its place."""
    model: dict[str, Any] = {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": DATASOURCE,
        "pluginVersion": PLUGINS,
        "targets": [_target(panel, number, query) for number, query in enumerate(panel.targets)],
        "fieldConfig": {"defaults": _defaults(panel), "overrides": _overrides(panel)},
        "options": _OPTIONS[panel.kind](panel),
        "links": [_runbook(alert) for alert in panel.alerts],
    }
    if panel.kind == "table":
        model["transformations"] = _transformations(panel)
    return model


def _runbook(alert: str) -> dict[str, Any]:
    return LINK | {"title": f"Runbook: {alert}", "url": f"${{runbooks}}/{alert}.md"}


def _target(panel: Panel, number: int, query: Query) -> dict[str, Any]:
    shape = {"table": "table", "heatmap": "heatmap"}.get(panel.kind, "time_series")
    return {
        "refId": chr(ord("A") + number),
        "datasource": DATASOURCE,
        "editorMode": "code",
        "expr": query.expression,
        "legendFormat": query.legend or "__auto",
        "format": shape,
        "instant": query.instant,
        "range": not query.instant,
        "exemplar": query.exemplars,
    }


def _defaults(panel: Panel) -> dict[str, Any]:
    one_colour_each = panel.kind in ("timeseries", "heatmap")
    found: dict[str, Any] = {
        "unit": panel.unit,
        "noValue": panel.absent,
        "color": {"mode": "palette-classic" if one_colour_each else "thresholds"},
        "thresholds": _thresholds(panel.thresholds),
        "mappings": _mappings(panel.words),
        "custom": _custom(panel),
    }
    numbers = {"min": panel.minimum, "max": panel.maximum, "decimals": panel.decimals}
    return found | {name: value for name, value in numbers.items() if value is not None}


def _thresholds(steps: Sequence[Threshold]) -> dict[str, Any]:
    known = steps or (Threshold(None, "text"),)
    return {
        "mode": "absolute",
        "steps": [{"value": step.value, "color": step.colour} for step in known],
    }


def _mappings(words: Sequence[Word]) -> list[dict[str, Any]]:
    if not words:
        return []
    options = {
        f"{word.value:g}": {"text": word.text, "color": word.colour, "index": index}
        for index, word in enumerate(words)
    }
    return [{"type": "value", "options": options}]


def _overrides(panel: Panel) -> list[dict[str, Any]]:
    coloured = [
        _override(name, color={"mode": "fixed", "fixedColor": colour})
        for name, colour in panel.colours.items()
    ]
    return coloured + [_column(column) for column in panel.columns]


def _override(name: str, **properties: Any) -> dict[str, Any]:
    return {
        "matcher": {"id": "byName", "options": name},
        "properties": [{"id": key, "value": value} for key, value in properties.items()],
    }


def _column(column: Column) -> dict[str, Any]:
    override = _override(column.title, unit=column.unit, mappings=_mappings(column.words))
    if column.words:
        cell = {"id": "custom.cellOptions", "value": {"type": "color-text"}}
        override["properties"].append(cell)
    if column.runbook:
        address = {"title": "Runbook", "url": "${runbooks}/${__value.raw}.md", "targetBlank": True}
        override["properties"].append({"id": "links", "value": [address]})
    return override


def _transformations(panel: Panel) -> list[dict[str, Any]]:
    """The queries side by side, by the labels that they share; only the named columns."""
    columns = panel.columns
    order = {column.source: index for index, column in enumerate(columns)}
    return [
        {"id": "merge", "options": {}},
        {"id": "filterFieldsByName", "options": {"include": {"names": list(order)}}},
        {
            "id": "organize",
            "options": {
                "excludeByName": {},
                "indexByName": order,
                "renameByName": {column.source: column.title for column in columns},
            },
        },
    ]


def _series_custom(panel: Panel) -> dict[str, Any]:
    stacked = panel.shown == "stacked"
    return {
        "drawStyle": "line",
        "lineInterpolation": "stepAfter" if panel.shown == "steps" else "linear",
        "lineWidth": 1,
        "fillOpacity": 40 if stacked else 8,
        "showPoints": "never",
        "spanNulls": False,
        "stacking": {"mode": "normal" if stacked else "none", "group": "A"},
        "thresholdsStyle": {"mode": "dashed" if panel.limit_lines else "off"},
    }


def _custom(panel: Panel) -> dict[str, Any]:
    if panel.kind == "timeseries":
        return _series_custom(panel)
    return _CUSTOM.get(panel.kind, {})


_CUSTOM: Final[dict[str, dict[str, Any]]] = {
    "state-timeline": {"fillOpacity": 80, "lineWidth": 0},
    "table": {"align": "auto", "cellOptions": {"type": "auto"}, "inspect": False},
    "heatmap": {"scaleDistribution": {"type": "linear"}},
}


def _legend(shown: bool = True) -> dict[str, Any]:
    return {
        "showLegend": shown,
        "displayMode": "list",
        "placement": "bottom",
        "calcs": ["lastNotNull"] if shown else [],
    }


def _series_options(panel: Panel) -> dict[str, Any]:
    many = len(panel.targets) > 1 or "{{" in panel.targets[0].legend
    return {"legend": _legend(many), "tooltip": {"mode": "multi", "sort": "desc"}}


def _stat_options(panel: Panel) -> dict[str, Any]:
    return {
        "reduceOptions": _LAST,
        "colorMode": "background" if panel.words or panel.thresholds else "none",
        "graphMode": "none",
        "justifyMode": "center",
        "orientation": "auto",
        "textMode": "name" if panel.names else "value",
        "percentChangeColorMode": "standard",
        "showPercentChange": False,
        "wideLayout": True,
    }


def _bar_options(_: Panel) -> dict[str, Any]:
    return {
        "reduceOptions": _LAST,
        "orientation": "horizontal",
        "displayMode": "basic",
        "valueMode": "color",
        "namePlacement": "left",
        "showUnfilled": True,
        "sizing": "auto",
        "minVizWidth": 8,
        "minVizHeight": 12,
        "maxVizHeight": 300,
        "legend": _legend(shown=False),
    }


def _heatmap_options(panel: Panel) -> dict[str, Any]:
    return {
        "calculate": False,
        "cellGap": 1,
        "color": {
            "mode": "scheme",
            "scheme": "Oranges",
            "fill": "dark-orange",
            "scale": "exponential",
            "exponent": 0.5,
            "steps": 64,
            "reverse": False,
        },
        "exemplars": {"color": "rgba(255,0,255,0.7)"},
        "filterValues": {"le": 1e-9},
        "legend": {"show": True},
        "rowsFrame": {"layout": "auto"},
        "showValue": "never",
        "tooltip": {"mode": "single", "yHistogram": False, "showColorScale": False},
        "yAxis": {"axisPlacement": "left", "reverse": False, "unit": panel.unit},
    }


def _timeline_options(_: Panel) -> dict[str, Any]:
    return {
        "mergeValues": True,
        "showValue": "auto",
        "alignValue": "left",
        "rowHeight": 0.9,
        "legend": _legend(shown=False),
        "tooltip": {"mode": "single", "sort": "none"},
    }


def _table_options(_: Panel) -> dict[str, Any]:
    return {"showHeader": True, "cellHeight": "sm", "frameIndex": 0}


_OPTIONS: Final = {
    "timeseries": _series_options,
    "stat": _stat_options,
    "bargauge": _bar_options,
    "heatmap": _heatmap_options,
    "state-timeline": _timeline_options,
    "table": _table_options,
}
