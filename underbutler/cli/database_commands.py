"""``underbutler db``: the records' schema."""

from __future__ import annotations

import click

from underbutler.terminal import stderr_console

__all__ = ["db"]


@click.group()
def db() -> None:
    """Manage the job database."""


@db.command()
def upgrade() -> None:
    """Upgrade the schema to this release: once, before its workers and submitters start.

    \b
    Examples:
      UNDERBUTLER_DATABASE_URL=postgresql+psycopg://ann@db/underbutler underbutler db upgrade
    """
    from underbutler.migrations import is_current
    from underbutler.migrations import upgrade as upgrade_schema
    from underbutler.settings import load_settings

    settings = load_settings()
    say = stderr_console().print
    if settings.records_url.startswith("sqlite"):
        settings.home.mkdir(parents=True, exist_ok=True)
    elif is_current(settings.records_url):
        say("The schema is that of this release already.")
        return
    upgrade_schema(settings.records_url)
    say("The schema is that of this release.")
