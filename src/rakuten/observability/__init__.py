"""Text that watches the system: Prometheus' rules and configuration, Alertmanager's routes."""
