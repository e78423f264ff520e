"""Prefect flows: when the pipeline runs, what is tried again, and who is told."""
