"""Dashboards in Grafana's classic JSON model, which Grafana 11, 12 and 13 read from files."""

from typing import Any, Final

from rakuten.observability.grafana_panels import DATASOURCE, LINK, panel_model
from rakuten.observability.panels import Annotation, Dashboard, Panel, Place, Row, place

SCHEMA: Final = 39
"""Version of the model: that of Grafana 11.0. Newer ones migrate it when they read it."""
TAG: Final = "rakuten"


def dashboard_model(dashboard: Dashboard, runbooks: str) -> dict[str, Any]:
    """A dashboard as the JSON value that Grafana reads.

    Args:
        dashboard: what it shows.
        runbooks: address of the folder that holds ``<Alert>.md``.
    """
    placed = enumerate(place(dashboard), start=1)
    return {
        "uid": dashboard.uid,
        "title": dashboard.title,
        "description": dashboard.question,
        "tags": [TAG],
        "schemaVersion": SCHEMA,
        "version": 1,
        "editable": False,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": f"now-{dashboard.hours}h", "to": "now"},
        "timepicker": {"refresh_intervals": ["15s", "30s", "1m", "5m"]},
        "timezone": "browser",
        "fiscalYearStartMonth": 0,
        "weekStart": "",
        "links": [_siblings()],
        "annotations": {"list": [_annotation(found) for found in dashboard.annotations]},
        "templating": {"list": _variables(dashboard, runbooks)},
        "panels": [_placed(number, what, where) for number, (what, where) in placed],
    }


def _placed(number: int, what: Row | Panel, where: Place) -> dict[str, Any]:
    grid = {"x": where.x, "y": where.y, "w": where.width, "h": where.height}
    if isinstance(what, Panel):
        return {"id": number, "gridPos": grid, **panel_model(what)}
    return {
        "id": number,
        "type": "row",
        "title": what.title,
        "collapsed": False,
        "gridPos": grid,
        "panels": [],
    }


def _siblings() -> dict[str, Any]:
    """The other dashboards, at the same time range and with the same choices."""
    carried = {"includeVars": True, "keepTime": True, "targetBlank": False}
    return LINK | carried | {"type": "dashboards", "title": "Rakuten", "tags": [TAG]}


def _annotation(found: Annotation) -> dict[str, Any]:
    return {
        "name": found.name,
        "datasource": DATASOURCE,
        "enable": True,
        "hide": False,
        "iconColor": found.colour,
        "target": {
            "refId": "Annotation",
            "datasource": DATASOURCE,
            "expr": found.expression,
            "interval": "15s",
            "range": True,
        },
        "titleFormat": found.title,
        "textFormat": found.text,
        "tagKeys": "",
        "useValueForTime": False,
    }


def _variables(dashboard: Dashboard, runbooks: str) -> list[dict[str, Any]]:
    source = {
        "name": "datasource",
        "label": "Prometheus",
        "type": "datasource",
        "query": "prometheus",
        "regex": "",
        "refresh": 1,
        "hide": 0,
        "includeAll": False,
        "multi": False,
        "options": [],
    }
    constant = {
        "name": "runbooks",
        "type": "constant",
        "query": runbooks,
        "hide": 2,
        "skipUrlSync": True,
        "current": {"text": runbooks, "value": runbooks},
        "options": [],
    }
    chosen = [_instances(dashboard.instances)] if dashboard.instances else []
    return [source, *chosen, constant]


def _instances(job: str) -> dict[str, Any]:
    query = f'label_values(up{{job="{job}"}}, instance)'
    return {
        "name": "instance",
        "label": "Process",
        "type": "query",
        "datasource": DATASOURCE,
        "query": {"query": query, "qryType": 1, "refId": "instance"},
        "refresh": 2,
        "sort": 1,
        "regex": "",
        "hide": 0,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": ["All"], "value": ["$__all"]},
        "options": [],
    }
