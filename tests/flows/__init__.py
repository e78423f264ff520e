"""Tests of the flows' parts that need no Prefect server."""
