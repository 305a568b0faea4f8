"""Rate limits that several hosts keep together."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "ring",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("ring", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_ring"),
    )


def downgrade() -> None:
    op.drop_table("ring")
