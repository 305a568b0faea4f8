"""What HR's webhooks said, until it is done."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "signal",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("people", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("at", TIME, nullable=True),
        sa.Column("received_at", TIME, nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("next_try", TIME, nullable=False),
        sa.Column("done_at", TIME, nullable=True),
        sa.Column("result", sa.Text(), nullable=True),
        sa.Column("effects", sa.JSON(none_as_null=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_signal"),
        sa.UniqueConstraint("source", "key", name="uq_signal_source_key"),
    )
    open_ones = sa.text("done_at IS NULL")
    op.create_index("ix_signal_open", "signal", ["next_try"], sqlite_where=open_ones, postgresql_where=open_ones)
    op.create_index("ix_signal_done_at", "signal", ["done_at"])


def downgrade() -> None:
    op.drop_table("signal")
