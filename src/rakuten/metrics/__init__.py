"""Prometheus metrics: base units, bounded labels, a registry for each process."""
