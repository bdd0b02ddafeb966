"""What is asked for over HTTP: pending jobs, bearer tokens, an audit, keys of repeated requests, and a log of events.

Events are written by triggers, in the transaction that changes a job, a target or a notice: whoever changes it, workers
of the release before too. On PostgreSQL ``tx`` is the transaction that wrote one, because numbers of a sequence become
visible out of their order.
"""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_SERIAL: Final = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

_NOW: Final = {
    "sqlite": "((julianday('now') - 2440587.5) * 86400.0)",
    "postgresql": "CAST(extract(epoch FROM clock_timestamp()) AS double precision)",
}
_TX: Final = {"sqlite": "0", "postgresql": "CAST(CAST(pg_current_xact_id() AS text) AS bigint)"}
_EVENTS: Final = (
    ("target", "AFTER UPDATE OF state ON target", "OLD.state <> NEW.state", "NEW.job_id, NEW.id, NEW.state, NULL"),
    ("notice", "AFTER INSERT ON notice", "", "NEW.job_id, NEW.target_id, NULL, NEW.id"),
    ("job", "AFTER INSERT ON job", "", "NEW.id, NULL, NEW.phase, NULL"),
    ("job", "AFTER UPDATE OF phase ON job", "OLD.phase <> NEW.phase", "NEW.id, NULL, NEW.phase, NULL"),
)
"""Kind, when, on which condition, and job, target, state and reference of an event. Targets before jobs, as workers
lock them."""


def upgrade() -> None:
    _make_tables()
    dialect = op.get_bind().dialect.name
    for number, (kind, when, condition, values) in enumerate(_EVENTS):
        insert = (
            "INSERT INTO event (tx, at, kind, job_id, target_id, state, ref) "  # noqa: S608 - our own words
            f"VALUES ({_TX[dialect]}, {_NOW[dialect]}, '{kind}', {values})"
        )
        _make_trigger(dialect, f"event_{number}_of_{kind}", when, condition, insert, tell=kind == "job")
    for name in ("parameters", "faults"):
        op.add_column("job", sa.Column(name, sa.JSON()))
    for name in ("execution_duration_s", "quote_at", "starting_until"):
        op.add_column("job", sa.Column(name, sa.Double()))
    op.add_column("job", sa.Column("needs_approval", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("job", sa.Column("approved_by", sa.String()))
    _keep_the_audit(dialect)


def _make_tables() -> None:
    op.create_table(
        "event",
        sa.Column("seq", _SERIAL, autoincrement=True, nullable=False),
        sa.Column("tx", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("target_id", sa.Uuid()),
        sa.Column("state", sa.String(16)),
        sa.Column("ref", sa.String()),
        sa.PrimaryKeyConstraint("seq", name="pk_event"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_event_tx", "event", ["tx", "seq"])
    op.create_table(
        "credential",
        sa.Column("id", sa.String(16), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("user", sa.String(), nullable=False),
        sa.Column("note", sa.String(), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("repos", sa.JSON()),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("expires_at", sa.Double()),
        sa.Column("used_at", sa.Double()),
        sa.Column("revoked_at", sa.Double()),
        sa.PrimaryKeyConstraint("id", name="pk_credential"),
    )
    op.create_table(
        "audit",
        sa.Column("seq", _SERIAL, autoincrement=True, nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("who", sa.String(), nullable=False),
        sa.Column("credential", sa.String()),
        sa.Column("origin", sa.String(), nullable=False),
        sa.Column("action", sa.String(32), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("result", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_audit"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "request_key",
        sa.Column("user", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("lease_until", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("user", "key", name="pk_request_key"),
    )


def _make_trigger(dialect: str, name: str, when: str, condition: str, body: str, *, tell: bool) -> None:
    condition = f" WHEN ({condition})" if condition else ""
    if dialect == "sqlite":
        op.execute(f"CREATE TRIGGER {name} {when} FOR EACH ROW{condition} BEGIN {body}; END")
        return
    told = "PERFORM pg_notify('underbutler_job', CAST(NEW.id AS text)); " if tell else ""
    op.execute(
        f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body}; {told}RETURN NULL; END $$"
    )
    op.execute(f"CREATE TRIGGER {name} {when} FOR EACH ROW{condition} EXECUTE FUNCTION {name}()")


def _keep_the_audit(dialect: str) -> None:
    """Let nobody change what the audit says."""
    refusal = "the audit is only added to"
    if dialect == "sqlite":
        for what in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER audit_is_kept_on_{what.lower()} BEFORE {what} ON audit "
                f"BEGIN SELECT RAISE(ABORT, '{refusal}'); END"
            )
        return
    op.execute(
        "CREATE FUNCTION audit_is_kept() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{refusal}'; END $$"
    )
    op.execute(
        "CREATE TRIGGER audit_is_kept BEFORE UPDATE OR DELETE ON audit FOR EACH ROW EXECUTE FUNCTION audit_is_kept()"
    )
