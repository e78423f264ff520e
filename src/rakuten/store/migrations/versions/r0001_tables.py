"""The first tables."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "r0001"
down_revision: str | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_TO_REVIEW = sa.text(
    "decision = 'review' AND erased_at IS NULL AND reviewed_at IS NULL"
    " AND (designation IS NOT NULL OR image_sha256 IS NOT NULL)"
)
_PHOTO = sa.text("image_sha256 IS NOT NULL")


def upgrade() -> None:
    """Make them."""
    _predictions()
    op.create_table(
        "feedback",
        sa.Column("prediction_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("reviewer", sa.Text, nullable=False),
        sa.Column("prdtypecode", sa.Integer, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("given_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("key_id", sa.String(32)),
        sa.PrimaryKeyConstraint("prediction_id", "reviewer", name="pk_feedback"),
    )
    op.create_index("ix_feedback_given_at", "feedback", ["given_at"])
    op.create_table(
        "claims",
        sa.Column("prediction_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("reviewer", sa.Text, nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("prediction_id", name="pk_claims"),
    )
    op.create_index("ix_claims_expires_at", "claims", ["expires_at"])
    op.create_table(
        "erasures",
        sa.Column("prediction_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("erased_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("prediction_id", name="pk_erasures"),
    )
    _keys()


def downgrade() -> None:
    """Drop them with all they hold."""
    for table in ("rate_limits", "api_keys", "erasures", "claims", "feedback", "predictions"):
        op.drop_table(table)


def _predictions() -> None:
    op.create_table(
        "predictions",
        sa.Column("prediction_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("designation", sa.Text),
        sa.Column("description", sa.Text),
        sa.Column("image_sha256", sa.String(64)),
        sa.Column("prdtypecode", sa.Integer, nullable=False),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("confidence", sa.Double, nullable=False),
        sa.Column("decision", sa.String(16), nullable=False),
        sa.Column("alternatives", sa.JSON, nullable=False),
        sa.Column("modalities", sa.JSON, nullable=False),
        sa.Column("image_status", sa.String(16), nullable=False),
        sa.Column("model_name", sa.Text, nullable=False),
        sa.Column("model_version", sa.Integer, nullable=False),
        sa.Column("model_sha256", sa.String(64), nullable=False),
        sa.Column("latency_ms", sa.Double, nullable=False),
        sa.Column("key_id", sa.String(32)),
        sa.Column("features", sa.JSON, nullable=False),
        sa.Column("erased_at", sa.DateTime(timezone=True)),
        sa.Column("reviewed_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("prediction_id", name="pk_predictions"),
    )
    op.create_index("ix_predictions_created_at", "predictions", ["created_at"])
    for name, columns, where in (
        ("ix_predictions_to_review", ["confidence", "prediction_id"], _TO_REVIEW),
        ("ix_predictions_image_sha256", ["image_sha256"], _PHOTO),
    ):
        op.create_index(name, "predictions", columns, postgresql_where=where, sqlite_where=where)


def _keys() -> None:
    op.create_table(
        "api_keys",
        sa.Column("key_id", sa.String(32), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("secret_sha256", sa.String(64), nullable=False),
        sa.Column("scopes", sa.JSON, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True)),
        sa.Column("revoked_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("key_id", name="pk_api_keys"),
    )
    op.create_table(
        "rate_limits",
        sa.Column("key_id", sa.String(32), nullable=False),
        sa.Column("tokens", sa.Double, nullable=False),
        sa.Column("updated_at", sa.Double, nullable=False, comment="seconds since 1970"),
        sa.PrimaryKeyConstraint("key_id", name="pk_rate_limits"),
    )
