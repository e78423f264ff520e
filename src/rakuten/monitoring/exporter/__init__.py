"""A long-lived process that shows Prometheus what checks, decisions, flows and people left."""
