"""What runs of flows did."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "r0003"
down_revision: str | None = "r0002"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Make the table; those that are there are not touched."""
    op.create_table(
        "flow_runs",
        sa.Column("run_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("flow", sa.String(64), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("model_name", sa.Text, nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True)),
        sa.Column("state", sa.String(16)),
        sa.Column("version", sa.Integer),
        sa.Column("mlflow_run_id", sa.String(64)),
        sa.Column("stages", sa.JSON, nullable=False),
        sa.Column("scores", sa.JSON, nullable=False),
        sa.Column("error", sa.Text),
        sa.PrimaryKeyConstraint("run_id", name="pk_flow_runs"),
    )
    op.create_index("ix_flow_runs_started_at", "flow_runs", ["started_at"])


def downgrade() -> None:
    """Drop it with all it holds."""
    op.drop_table("flow_runs")
