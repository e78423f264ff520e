"""Tracking on real parts: PostgreSQL, an S3 store and the MLflow server, all on loopback."""
