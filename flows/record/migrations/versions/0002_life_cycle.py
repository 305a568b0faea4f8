"""Grace and next looks, HR's facts, approvals, overrides, identities."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)


def text(name: str) -> sa.Column[str]:
    """A column that is never empty."""
    return sa.Column(name, sa.String(), nullable=False)


def upgrade() -> None:
    op.add_column("held", sa.Column("until", TIME, nullable=True))
    op.add_column("settled", sa.Column("next_look", TIME, nullable=True))
    make_fact()
    make_approval()
    make_override()
    make_identity()


def make_fact() -> None:
    op.create_table(
        "fact",
        sa.Column("id", sa.Integer(), nullable=False),
        text("source"),
        text("person_id"),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("known_since", TIME, nullable=False),
        sa.Column("body", sa.JSON(none_as_null=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_fact"),
        sa.UniqueConstraint(
            "source", "person_id", "valid_from", "known_since", name="uq_fact_source_person_id_valid_from_known_since"
        ),
    )
    op.create_index("ix_fact_person_id", "fact", ["person_id"], unique=False)


def make_approval() -> None:
    op.create_table(
        "approval",
        sa.Column("id", sa.Integer(), nullable=False),
        text("person_id"),
        text("plan_hash"),
        text("fingerprint"),
        text("approver"),
        text("title"),
        sa.Column("body", sa.Text(), nullable=False),
        text("run_id"),
        sa.Column("asked_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        text("state"),
        sa.Column("answered_at", TIME, nullable=True),
        text("by"),
        text("reason"),
        sa.PrimaryKeyConstraint("id", name="pk_approval"),
    )
    op.create_index("ix_approval_person_id", "approval", ["person_id"], unique=False)
    op.create_index("ix_approval_plan_hash", "approval", ["plan_hash"], unique=False)
    op.create_index(
        "uq_approval_open",
        "approval",
        ["person_id", "plan_hash"],
        unique=True,
        sqlite_where=sa.text("state = 'open'"),
        postgresql_where=sa.text("state = 'open'"),
    )


def make_override() -> None:
    op.create_table(
        "override",
        sa.Column("id", sa.Integer(), nullable=False),
        text("person_id"),
        text("effect"),
        text("name"),
        text("value"),
        text("why"),
        text("by"),
        sa.Column("since", TIME, nullable=False),
        sa.Column("until", TIME, nullable=False),
        sa.Column("ended_at", TIME, nullable=True),
        text("ended_why"),
        sa.PrimaryKeyConstraint("id", name="pk_override"),
    )
    op.create_index("ix_override_person_id", "override", ["person_id"], unique=False)


def make_identity() -> None:
    op.create_table(
        "identity",
        text("person_id"),
        text("same_as"),
        text("state"),
        text("how"),
        sa.Column("asked_at", TIME, nullable=False),
        sa.Column("answered_at", TIME, nullable=True),
        text("by"),
        sa.PrimaryKeyConstraint("person_id", "same_as", name="pk_identity"),
    )


def downgrade() -> None:
    for table in ("identity", "override", "approval", "fact"):
        op.drop_table(table)
    op.drop_column("settled", "next_look")
    op.drop_column("held", "until")
