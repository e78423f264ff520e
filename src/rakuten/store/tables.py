"""The tables; docs/store.md explains them, migrations/ makes them."""

from typing import Final

import sqlalchemy as sa

from rakuten.store.columns import SafeText, UtcTime

REVISION: Final = "r0003"
"""Migration that makes these tables; a database that is there needs no look at the others."""

metadata: Final = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)


def _id() -> "sa.Column[str]":
    return sa.Column("prediction_id", sa.Uuid(as_uuid=False), primary_key=True)


predictions: Final = sa.Table(
    "predictions",
    metadata,
    _id(),
    sa.Column("created_at", UtcTime, nullable=False, index=True),
    sa.Column("designation", SafeText),
    sa.Column("description", SafeText),
    sa.Column("image_sha256", sa.String(64)),
    sa.Column("prdtypecode", sa.Integer, nullable=False),
    sa.Column("label", SafeText, nullable=False),
    sa.Column("confidence", sa.Double, nullable=False),
    sa.Column("decision", sa.String(16), nullable=False),
    sa.Column("alternatives", sa.JSON, nullable=False),
    sa.Column("modalities", sa.JSON, nullable=False),
    sa.Column("image_status", sa.String(16), nullable=False),
    sa.Column("model_name", SafeText, nullable=False),
    sa.Column("model_version", sa.Integer, nullable=False),
    sa.Column("model_sha256", sa.String(64), nullable=False),
    sa.Column("latency_ms", sa.Double, nullable=False),
    sa.Column("key_id", sa.String(32)),
    sa.Column("features", sa.JSON, nullable=False),
    sa.Column("erased_at", UtcTime),
    # Keeps what was looked at out of the queue's index; the rows of feedback are what counts.
    sa.Column("reviewed_at", UtcTime),
)

to_review: Final = (
    (predictions.c.decision == sa.literal_column("'review'"))
    & predictions.c.erased_at.is_(None)
    & predictions.c.reviewed_at.is_(None)
    & (predictions.c.designation.is_not(None) | predictions.c.image_sha256.is_not(None))
)
"""Rows that a person should look at, can (their content is kept), and did not so far."""

sa.Index(
    "ix_predictions_to_review",
    predictions.c.confidence,
    predictions.c.prediction_id,
    postgresql_where=to_review,
    sqlite_where=to_review,
)
sa.Index(
    "ix_predictions_image_sha256",
    predictions.c.image_sha256,
    postgresql_where=predictions.c.image_sha256.is_not(None),
    sqlite_where=predictions.c.image_sha256.is_not(None),
)

# No foreign keys: a correction may arrive while its prediction still lies in the spool.
feedback: Final = sa.Table(
    "feedback",
    metadata,
    _id(),
    sa.Column("reviewer", SafeText, primary_key=True),
    sa.Column("prdtypecode", sa.Integer, nullable=False),
    sa.Column("note", SafeText, nullable=False),
    sa.Column("given_at", UtcTime, nullable=False, index=True),
    sa.Column("key_id", sa.String(32)),
)

claims: Final = sa.Table(
    "claims",
    metadata,
    _id(),
    sa.Column("reviewer", SafeText, nullable=False),
    sa.Column("expires_at", UtcTime, nullable=False, index=True),
)

# Ids that were erased, those among them that a spool still holds included.
erasures: Final = sa.Table(
    "erasures",
    metadata,
    _id(),
    sa.Column("erased_at", UtcTime, nullable=False),
)

api_keys: Final = sa.Table(
    "api_keys",
    metadata,
    sa.Column("key_id", sa.String(32), primary_key=True),
    sa.Column("name", SafeText, nullable=False),
    sa.Column("secret_sha256", sa.String(64), nullable=False),
    sa.Column("scopes", sa.JSON, nullable=False),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("expires_at", UtcTime),
    sa.Column("revoked_at", UtcTime),
)

rate_limits: Final = sa.Table(
    "rate_limits",
    metadata,
    sa.Column("key_id", sa.String(32), primary_key=True),
    sa.Column("tokens", sa.Double, nullable=False),
    sa.Column("updated_at", sa.Double, nullable=False, comment="seconds since 1970"),
)

# One row a window that was looked at; no text, photo or name of a seller is in it.
monitor_runs: Final = sa.Table(
    "monitor_runs",
    metadata,
    sa.Column("run_id", sa.Uuid(as_uuid=False), primary_key=True),
    sa.Column("started_at", UtcTime, nullable=False, index=True),
    sa.Column("finished_at", UtcTime),
    sa.Column("window_start", UtcTime),
    sa.Column("window_end", UtcTime),
    sa.Column("rows", sa.Integer, nullable=False),
    sa.Column("model_name", SafeText, nullable=False),
    sa.Column("model_version", sa.Integer),
    sa.Column("outcome", sa.String(32), nullable=False),
    sa.Column("findings", sa.JSON, nullable=False),
    sa.Column("report", SafeText),
    sa.Column("error", SafeText),
)

decisions: Final = sa.Table(
    "decisions",
    metadata,
    sa.Column("decision_id", sa.Uuid(as_uuid=False), primary_key=True),
    sa.Column("created_at", UtcTime, nullable=False, index=True),
    sa.Column("model_name", SafeText, nullable=False),
    sa.Column("model_version", sa.Integer),
    sa.Column("action", sa.String(16), nullable=False),
    sa.Column("reasons", sa.JSON, nullable=False),
    sa.Column("evidence", sa.JSON, nullable=False),
    # NULL until somebody has carried it out, or has found that it cannot be.
    sa.Column("finished_at", UtcTime),
    sa.Column("result", sa.JSON(none_as_null=True)),
)

# One row a run of a flow; stages are [{"stage", "outcome", "seconds"}] in their order.
flow_runs: Final = sa.Table(
    "flow_runs",
    metadata,
    sa.Column("run_id", sa.Uuid(as_uuid=False), primary_key=True),
    sa.Column("flow", sa.String(64), nullable=False),
    sa.Column("name", SafeText, nullable=False),
    sa.Column("model_name", SafeText, nullable=False),
    sa.Column("started_at", UtcTime, nullable=False, index=True),
    # NULL while it goes on; it stays so where the process was killed.
    sa.Column("finished_at", UtcTime),
    sa.Column("state", sa.String(16)),
    sa.Column("version", sa.Integer),
    sa.Column("mlflow_run_id", sa.String(64)),
    sa.Column("stages", sa.JSON, nullable=False),
    sa.Column("scores", sa.JSON, nullable=False),
    sa.Column("error", SafeText),
)
