"""The schedule: its entries, and what each of them fired."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "schedule",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("definition", sa.JSON()),
        sa.Column("next_due", sa.Double()),
        sa.Column("since", sa.Double(), nullable=False),
        sa.Column("paused", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("error", sa.String()),
        sa.Column("changed_at", sa.Double(), nullable=False),
        sa.Column("changed_by", sa.String(), nullable=False),
        sa.Column("removed_at", sa.Double()),
        sa.Column("looked_at", sa.Double()),
        sa.PrimaryKeyConstraint("id", name="pk_schedule"),
        sa.UniqueConstraint("name", name="uq_schedule_name"),
    )
    op.create_index("ix_schedule_next_due", "schedule", ["next_due"])
    op.create_table(
        "firing",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("schedule_id", sa.Uuid(), nullable=False),
        sa.Column("due_at", sa.Double(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("lane", sa.String(16), nullable=False),
        sa.Column("definition", sa.JSON(), nullable=False),
        sa.Column("missed", sa.Integer(), nullable=False),
        sa.Column("fired_at", sa.Double(), nullable=False),
        sa.Column("fired_by", sa.String(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("not_before", sa.Double()),
        sa.Column("lease_until", sa.Double()),
        sa.Column("lease_holder", sa.String()),
        sa.Column("started_at", sa.Double()),
        sa.Column("ended_at", sa.Double()),
        sa.Column("told", sa.String()),
        sa.PrimaryKeyConstraint("job_id", name="pk_firing"),
        sa.ForeignKeyConstraint(["schedule_id"], ["schedule.id"], name="fk_firing_schedule_id"),
        sa.UniqueConstraint("schedule_id", "due_at", name="uq_firing_schedule_id"),
    )
    is_open = sa.text("ended_at IS NULL")
    op.create_index("ix_firing_open", "firing", ["lane", "due_at"], sqlite_where=is_open, postgresql_where=is_open)
