"""Workers, uploads, submissions, quarantine, breakers, tokens, the sweeper's memory; waiting and cancelled targets."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("job", sa.Column("token_handle", sa.String()))
    op.create_index("ix_job_destruction_at", "job", ["destruction_at"])
    op.add_column("claim", sa.Column("pid_started", sa.Double()))
    expired = sa.text("\"end\" = 'expired'")
    op.create_index("ix_claim_expired", "claim", ["ended_at"], sqlite_where=expired, postgresql_where=expired)
    _upgrade_target()
    _create_upload()
    _create_service_tables()


def _upgrade_target() -> None:
    op.add_column("target", sa.Column("cancel_requested", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("target", sa.Column("waiting_since", sa.Double()))
    op.add_column("target", sa.Column("waiting_reason", sa.String()))
    op.add_column("target", sa.Column("replayed_as", sa.Uuid()))
    op.add_column("target", sa.Column("discarded_at", sa.Double()))
    op.add_column("target", sa.Column("fingerprint", sa.String()))
    op.add_column("target", sa.Column("checked_at", sa.Double()))

    op.drop_index("ix_target_unsent", "target")
    unheld = "state IN ('queued', 'delivering') AND lease_until IS NULL"
    _create_partial_index("ix_target_unsent", ["queued_at", "ordinal"], f"{unheld} AND sent_at IS NULL")
    _create_partial_index("ix_target_sent", ["queue", "sent_at"], f"{unheld} AND sent_at IS NOT NULL")
    _create_partial_index("ix_target_unchecked", ["ended_at"], "ended_at IS NOT NULL AND checked_at IS NULL")
    _create_partial_index("ix_target_held", ["fingerprint"], "state = 'held'")


def _create_partial_index(name: str, columns: list[str], where: str) -> None:
    op.create_index(name, "target", columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))


def _create_upload() -> None:
    op.create_table(
        "upload",
        sa.Column("bucket", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("target_id", sa.Uuid(), nullable=False),
        sa.Column("claim_no", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("cleaned_at", sa.Double()),
        sa.PrimaryKeyConstraint("bucket", "key", name="pk_upload"),
    )
    op.create_index("ix_upload_target_id_claim_no", "upload", ["target_id", "claim_no"])


def _create_service_tables() -> None:
    op.create_table(
        "worker",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("host", sa.String(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("keeper_pid", sa.Integer(), nullable=False),
        sa.Column("queue", sa.String(), nullable=False),
        sa.Column("concurrency", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.Double(), nullable=False),
        sa.Column("seen_at", sa.Double(), nullable=False),
        sa.Column("ended_at", sa.Double()),
        sa.Column("unfit_reason", sa.String()),
        sa.Column("unfit_since", sa.Double()),
        sa.PrimaryKeyConstraint("id", name="pk_worker"),
    )
    op.create_table(
        "submission",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("repo", sa.String(), nullable=False),
        sa.Column("out", sa.String(), nullable=False),
        sa.Column("run", sa.String(), nullable=False),
        sa.Column("own_run", sa.Boolean(), nullable=False),
        sa.Column("user", sa.String(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("taken_at", sa.Double()),
        sa.PrimaryKeyConstraint("job_id", name="pk_submission"),
    )
    op.create_table(
        "parked",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("queue", sa.String(), nullable=False),
        sa.Column("task", sa.String()),
        sa.Column("headers", sa.JSON()),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        sa.Column("worker", sa.String(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("first_at", sa.Double(), nullable=False),
        sa.Column("last_at", sa.Double(), nullable=False),
        sa.Column("discarded_at", sa.Double()),
        sa.PrimaryKeyConstraint("id", name="pk_parked"),
        sa.UniqueConstraint("digest", name="uq_parked_digest"),
    )
    op.create_index("ix_parked_fingerprint", "parked", ["fingerprint"])
    op.create_table(
        "breaker",
        sa.Column("label", sa.String(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("trips", sa.Integer(), nullable=False),
        sa.Column("open_until", sa.Double()),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("changed_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("label", name="pk_breaker"),
    )
    op.create_table(
        "token",
        sa.Column("handle", sa.String(), nullable=False),
        sa.Column("user", sa.String(), nullable=False),
        sa.Column("ciphertext", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("handle", name="pk_token"),
    )
    op.create_table(
        "sweep_state",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("body", sa.JSON()),
        sa.PrimaryKeyConstraint("name", name="pk_sweep_state"),
    )
