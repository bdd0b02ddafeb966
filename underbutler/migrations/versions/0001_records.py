"""Jobs, targets, claims, intents, products, notices."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "job",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("scan_id", sa.BigInteger(), nullable=False),
        sa.Column("task", sa.String(), nullable=False),
        sa.Column("repo", sa.String(), nullable=False),
        sa.Column("out", sa.String(), nullable=False),
        sa.Column("run", sa.String(), nullable=False),
        sa.Column("user", sa.String(), nullable=False),
        sa.Column("phase", sa.String(16), nullable=False),
        sa.Column("overrides", sa.JSON(), nullable=False),
        sa.Column("config", sa.JSON(), nullable=False),
        sa.Column("config_digest", sa.String(), nullable=False),
        sa.Column("options", sa.JSON(), nullable=False),
        sa.Column("versions", sa.JSON(), nullable=False),
        sa.Column("collections", sa.JSON(), nullable=False),
        sa.Column("n_targets", sa.Integer(), nullable=False),
        sa.Column("n_open", sa.Integer(), nullable=False),
        sa.Column("n_failed", sa.Integer(), nullable=False),
        sa.Column("n_aborted", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("queued_at", sa.Double()),
        sa.Column("started_at", sa.Double()),
        sa.Column("ended_at", sa.Double()),
        sa.Column("destruction_at", sa.Double()),
        sa.Column("parent_id", sa.Uuid()),
        sa.Column("cancel_requested", sa.Boolean(), nullable=False),
        sa.Column("error", sa.String()),
        sa.Column("traceparent", sa.String()),
        sa.PrimaryKeyConstraint("id", name="pk_job"),
        sa.UniqueConstraint("scan_id", name="uq_job_scan_id"),
        sa.ForeignKeyConstraint(["parent_id"], ["job.id"], name="fk_job_parent_id"),
        sa.CheckConstraint("n_open >= 0 AND n_open <= n_targets", name=op.f("ck_job_open_targets")),
    )
    op.create_index("ix_job_phase", "job", ["phase"])
    op.create_index("ix_job_parent_id", "job", ["parent_id"])

    op.create_table(
        "target",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("task", sa.String(), nullable=False),
        sa.Column("queue", sa.String(), nullable=False),
        sa.Column("data_id", sa.JSON(), nullable=False),
        sa.Column("args", sa.JSON(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("argsrepr", sa.String(), nullable=False),
        sa.Column("kwargsrepr", sa.String(), nullable=False),
        sa.Column("queued_at", sa.Double(), nullable=False),
        sa.Column("send_no", sa.Integer(), nullable=False),
        sa.Column("sent_at", sa.Double()),
        sa.Column("send_lease_until", sa.Double()),
        sa.Column("claim_no", sa.Integer(), nullable=False),
        sa.Column("deaths", sa.Integer(), nullable=False),
        sa.Column("worker_deaths", sa.Integer(), nullable=False),
        sa.Column("transient_retries", sa.Integer(), nullable=False),
        sa.Column("not_before", sa.Double()),
        sa.Column("lease_until", sa.Double()),
        sa.Column("lease_worker", sa.String()),
        sa.Column("lease_pid", sa.Integer()),
        sa.Column("started_at", sa.Double()),
        sa.Column("ended_at", sa.Double()),
        sa.Column("exit_status", sa.Integer()),
        sa.Column("error_type", sa.String()),
        sa.Column("error_text", sa.String()),
        sa.Column("seconds", sa.Double()),
        sa.Column("scalars", sa.JSON()),
        sa.PrimaryKeyConstraint("id", name="pk_target"),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name="fk_target_job_id", deferrable=True, initially="DEFERRED"),
    )
    unsent = sa.text("state = 'queued' AND sent_at IS NULL")
    leased = sa.text("lease_until IS NOT NULL")
    op.create_index("ix_target_job_id_ordinal", "target", ["job_id", "ordinal"], unique=True)
    op.create_index("ix_target_job_id_state", "target", ["job_id", "state"])
    op.create_index(
        "ix_target_unsent", "target", ["queued_at", "ordinal"], sqlite_where=unsent, postgresql_where=unsent
    )
    op.create_index("ix_target_leased", "target", ["lease_until"], sqlite_where=leased, postgresql_where=leased)

    op.create_table(
        "claim",
        sa.Column("target_id", sa.Uuid(), nullable=False),
        sa.Column("claim_no", sa.Integer(), nullable=False),
        sa.Column("worker", sa.String(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("send_no", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.Double(), nullable=False),
        sa.Column("ended_at", sa.Double()),
        sa.Column("end", sa.String(16)),
        sa.Column("reason", sa.String()),
        sa.Column("log", sa.String()),
        sa.Column("metadata", sa.JSON()),
        sa.PrimaryKeyConstraint("target_id", "claim_no", name="pk_claim"),
        sa.ForeignKeyConstraint(["target_id"], ["target.id"], name="fk_claim_target_id"),
    )

    op.create_table(
        "intent",
        sa.Column("dataset_id", sa.Uuid(), nullable=False),
        sa.Column("target_id", sa.Uuid(), nullable=False),
        sa.Column("claim_no", sa.Integer(), nullable=False),
        sa.Column("dataset_type", sa.String(), nullable=False),
        sa.Column("run", sa.String(), nullable=False),
        sa.Column("data_id", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("dataset_id", name="pk_intent"),
        sa.ForeignKeyConstraint(["target_id"], ["target.id"], name="fk_intent_target_id"),
    )
    op.create_index("ix_intent_target_id_claim_no", "intent", ["target_id", "claim_no"])

    op.create_table(
        "product",
        sa.Column("dataset_id", sa.Uuid(), nullable=False),
        sa.Column("target_id", sa.Uuid(), nullable=False),
        sa.Column("claim_no", sa.Integer(), nullable=False),
        sa.Column("dataset_type", sa.String(), nullable=False),
        sa.Column("data_id", sa.JSON(), nullable=False),
        sa.Column("large", sa.Boolean(), nullable=False),
        sa.Column("url", sa.String()),
        sa.Column("byte_size", sa.BigInteger()),
        sa.Column("sha256", sa.String(64)),
        sa.Column("etag", sa.String()),
        sa.Column("mime_type", sa.String()),
        sa.Column("delivered_at", sa.Double()),
        sa.PrimaryKeyConstraint("dataset_id", name="pk_product"),
        sa.ForeignKeyConstraint(["target_id"], ["target.id"], name="fk_product_target_id"),
    )
    op.create_index("ix_product_target_id", "product", ["target_id"])

    op.create_table(
        "notice",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("target_id", sa.Uuid(), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.Column("routing_key", sa.String(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("send_lease_until", sa.Double()),
        sa.Column("sent_at", sa.Double()),
        sa.PrimaryKeyConstraint("id", name="pk_notice"),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name="fk_notice_job_id"),
        sa.ForeignKeyConstraint(["target_id"], ["target.id"], name="fk_notice_target_id"),
    )
    unsent_notices = sa.text("sent_at IS NULL")
    op.create_index("ix_notice_job_id", "notice", ["job_id"])
    op.create_index(
        "ix_notice_unsent", "notice", ["created_at"], sqlite_where=unsent_notices, postgresql_where=unsent_notices
    )

    op.create_table(
        "annex_decision",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("dataset_type", sa.String(), nullable=False),
        sa.Column("large", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("job_id", "dataset_type", name="pk_annex_decision"),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name="fk_annex_decision_job_id"),
    )
