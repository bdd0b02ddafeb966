"""A job holds steps, the request that it was made of, and edges between its targets.

Only additions: workers and submitters of the release before go on while the schema changes under them. What they know
of a job's only step stays in columns of `job`; a job that such a submitter inserts gets its step from a trigger.
"""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_COLUMNS: Final = "job_id, ordinal, label, task, overrides, config, config_digest, options"
_OF_JOB: Final = "{0}.id, 0, {0}.task, {0}.task, {0}.overrides, {0}.config, {0}.config_digest, {0}.options"
_INSERT: Final = f"INSERT INTO step ({_COLUMNS}) SELECT {_OF_JOB}"
_ADOPT: Final = f"{_INSERT.format('NEW')} WHERE NOT EXISTS (SELECT 1 FROM step WHERE step.job_id = NEW.id)"  # noqa: S608 - our own words


def upgrade() -> None:
    # Targets before jobs, as workers lock them: in the other order a worker and the upgrade would wait for each other.
    op.add_column("target", sa.Column("step", sa.Integer(), nullable=False, server_default=sa.text("0")))
    op.add_column("job", sa.Column("request", sa.JSON()))
    op.create_table(
        "step",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("label", sa.String(), nullable=False),
        sa.Column("task", sa.String(), nullable=False),
        sa.Column("overrides", sa.JSON(), nullable=False),
        sa.Column("config", sa.JSON(), nullable=False),
        sa.Column("config_digest", sa.String(), nullable=False),
        sa.Column("options", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("job_id", "ordinal", name="pk_step"),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name="fk_step_job_id", deferrable=True, initially="DEFERRED"),
        sa.UniqueConstraint("job_id", "label", name="uq_step_job_id_label"),
    )
    op.create_table(
        "edge",
        sa.Column("child_id", sa.Uuid(), nullable=False),
        sa.Column("parent_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("child_id", "parent_id", name="pk_edge"),
        sa.ForeignKeyConstraint(["child_id"], ["target.id"], name="fk_edge_child_id"),
        sa.ForeignKeyConstraint(["parent_id"], ["target.id"], name="fk_edge_parent_id"),
        sa.CheckConstraint("kind IN ('done', 'ended')", name=op.f("ck_edge_known_kind")),
    )
    op.create_index("ix_edge_parent_id", "edge", ["parent_id"])
    op.execute(f"{_INSERT.format('job')} FROM job")
    _adopt_jobs_of_the_release_before()


def _adopt_jobs_of_the_release_before() -> None:
    """Give a job its step when it is inserted without one: this release inserts the steps first."""
    if op.get_bind().dialect.name == "sqlite":
        op.execute(f"CREATE TRIGGER job_has_a_step AFTER INSERT ON job BEGIN {_ADOPT}; END")
        return
    op.execute(
        f"CREATE FUNCTION job_has_a_step() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {_ADOPT}; RETURN NULL; END $$"
    )
    op.execute("CREATE TRIGGER job_has_a_step AFTER INSERT ON job FOR EACH ROW EXECUTE FUNCTION job_has_a_step()")
