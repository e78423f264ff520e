"""Tests of what watches the system: rules, routes, runbooks, dashboards."""
