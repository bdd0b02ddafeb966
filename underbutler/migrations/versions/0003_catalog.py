"""Runs of the catalogue: start and stop, descriptors, events and pages of them, resources, datums."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

SEARCHED = sa.JSON().with_variant(JSONB(), "postgresql")
WORD = sa.String().with_variant(sa.String(collation="C"), "postgresql")


def upgrade() -> None:
    _create_run()
    _create_data_id()
    _create_descriptor()
    _create_event()
    _create_external()


def _create_run() -> None:
    op.create_table(
        "catalog_run",
        sa.Column("uid", WORD, nullable=False),
        sa.Column("time", sa.Double(), nullable=False),
        sa.Column("scan_id", sa.BigInteger()),
        sa.Column("task", WORD),
        sa.Column("label", WORD),
        sa.Column("owner", WORD),
        sa.Column("exit_status", WORD),
        sa.Column("stop_time", sa.Double()),
        sa.Column("start", SEARCHED, nullable=False),
        sa.Column("stop", SEARCHED),
        sa.Column("start_exact", sa.Text()),
        sa.Column("stop_exact", sa.Text()),
        sa.Column("odd", sa.Boolean(), nullable=False),
        sa.Column("packed_at", sa.Double()),
        sa.PrimaryKeyConstraint("uid", name="pk_catalog_run"),
    )
    for columns in (
        ["time", "uid"],
        ["task", "exit_status", "time", "uid"],
        ["task", "time", "uid"],
        ["exit_status", "time", "uid"],
        ["label", "time", "uid"],
        ["owner", "time", "uid"],
        ["scan_id", "time", "uid"],
    ):
        op.create_index(f"ix_catalog_run_{'_'.join(columns)}", "catalog_run", columns)
    for name, condition in (
        ("ix_catalog_run_odd", "odd"),
        ("ix_catalog_run_unpacked", "packed_at IS NULL AND stop_time IS NOT NULL"),
    ):
        op.create_index(
            name, "catalog_run", ["uid"], sqlite_where=sa.text(condition), postgresql_where=sa.text(condition)
        )


def _create_data_id() -> None:
    op.create_table(
        "catalog_data_id",
        sa.Column("run_uid", WORD, nullable=False),
        sa.Column("dimension", WORD, nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("word", WORD),
        sa.Column("number", sa.Double()),
        sa.Column("until", sa.Double()),
        sa.Column("gap", sa.Double()),
        sa.PrimaryKeyConstraint("run_uid", "dimension", "ordinal", name="pk_catalog_data_id"),
        sa.ForeignKeyConstraint(["run_uid"], ["catalog_run.uid"], name="fk_catalog_data_id_run_uid"),
    )
    for column in ("word", "number", "gap"):
        there = sa.text(f"{column} IS NOT NULL")
        op.create_index(
            f"ix_catalog_data_id_dimension_{column}_run_uid",
            "catalog_data_id",
            ["dimension", column, "run_uid"],
            sqlite_where=there,
            postgresql_where=there,
        )


def _create_descriptor() -> None:
    op.create_table(
        "catalog_descriptor",
        sa.Column("uid", WORD, nullable=False),
        sa.Column("run_uid", WORD, nullable=False),
        sa.Column("time", sa.Double(), nullable=False),
        sa.Column("stream", WORD, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("uid", name="pk_catalog_descriptor"),
        sa.ForeignKeyConstraint(["run_uid"], ["catalog_run.uid"], name="fk_catalog_descriptor_run_uid"),
    )
    op.create_index("ix_catalog_descriptor_run_uid_time", "catalog_descriptor", ["run_uid", "time"])


def _create_event() -> None:
    op.create_table(
        "catalog_event",
        sa.Column("uid", WORD, nullable=False),
        sa.Column("descriptor_uid", WORD, nullable=False),
        sa.Column("seq_num", sa.BigInteger(), nullable=False),
        sa.Column("time", sa.Double(), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("timestamps", sa.Text(), nullable=False),
        sa.Column("filled", sa.Text()),
        sa.PrimaryKeyConstraint("uid", name="pk_catalog_event"),
        sa.ForeignKeyConstraint(["descriptor_uid"], ["catalog_descriptor.uid"], name="fk_catalog_event_descriptor_uid"),
    )
    op.create_index(
        "ix_catalog_event_descriptor_uid_seq_num_time_uid",
        "catalog_event",
        ["descriptor_uid", "seq_num", "time", "uid"],
    )
    op.create_table(
        "catalog_stream",
        sa.Column("run_uid", WORD, nullable=False),
        sa.Column("name", WORD, nullable=False),
        sa.Column("shapes", sa.Text(), nullable=False),
        sa.Column("n_events", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("run_uid", "name", name="pk_catalog_stream"),
        sa.ForeignKeyConstraint(["run_uid"], ["catalog_run.uid"], name="fk_catalog_stream_run_uid"),
    )
    op.create_table(
        "catalog_page",
        sa.Column("descriptor_uid", WORD, nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("skipped", sa.BigInteger(), nullable=False),
        sa.Column("n_events", sa.Integer(), nullable=False),
        sa.Column("head", sa.LargeBinary(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.Column("timestamps", sa.LargeBinary(), nullable=False),
        sa.Column("filled", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("descriptor_uid", "ordinal", name="pk_catalog_page"),
        sa.ForeignKeyConstraint(["descriptor_uid"], ["catalog_descriptor.uid"], name="fk_catalog_page_descriptor_uid"),
    )


def _create_external() -> None:
    op.create_table(
        "catalog_resource",
        sa.Column("run_uid", WORD, nullable=False),
        sa.Column("uid", WORD, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("run_uid", "uid", name="pk_catalog_resource"),
        sa.ForeignKeyConstraint(["run_uid"], ["catalog_run.uid"], name="fk_catalog_resource_run_uid"),
    )
    op.create_index("ix_catalog_resource_uid", "catalog_resource", ["uid"])
    op.create_table(
        "catalog_datum",
        sa.Column("run_uid", WORD, nullable=False),
        sa.Column("datum_id", WORD, nullable=False),
        sa.Column("resource_uid", WORD, nullable=False),
        sa.Column("kwargs", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("run_uid", "datum_id", name="pk_catalog_datum"),
        sa.ForeignKeyConstraint(["run_uid"], ["catalog_run.uid"], name="fk_catalog_datum_run_uid"),
    )
    op.create_index("ix_catalog_datum_run_uid_resource_uid", "catalog_datum", ["run_uid", "resource_uid"])
    op.create_table(
        "catalog_dataset",
        sa.Column("uid", WORD, nullable=False),
        sa.Column("run_uid", WORD, nullable=False),
        sa.Column("event_uid", WORD, nullable=False),
        sa.Column("dataset_type", WORD, nullable=False),
        sa.PrimaryKeyConstraint("uid", name="pk_catalog_dataset"),
        sa.ForeignKeyConstraint(["run_uid"], ["catalog_run.uid"], name="fk_catalog_dataset_run_uid"),
    )
    op.create_index("ix_catalog_dataset_run_uid_event_uid", "catalog_dataset", ["run_uid", "event_uid"])
