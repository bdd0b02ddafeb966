"""What a command has open: settings, records, butlers, a Celery app that can send."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from underbutler.context import ServiceContext
from underbutler.errors import UsageError
from underbutler.migrations import is_current, upgrade
from underbutler.model.job import TargetState
from underbutler.settings import Settings, load_settings

__all__ = ["answer_json", "counts_json", "open_records", "prepare_records"]


def prepare_records(settings: Settings) -> None:
    """Bring the records' schema up to date: a SQLite file at once, a server's database only on demand.

    Raises
    ------
    UsageError
        If a server's database is of another release.
    """
    if settings.records_url.startswith("sqlite"):
        settings.home.mkdir(parents=True, exist_ok=True)
        upgrade(settings.records_url)
    elif not is_current(settings.records_url):
        raise UsageError(
            "The job database does not have the schema of this release. Run `underbutler db upgrade` once, before its "
            "workers and submitters start."
        )


@contextmanager
def open_records() -> Iterator[ServiceContext]:
    """Open everything that a command may need; each part is made at its first use."""
    settings = load_settings()
    prepare_records(settings)
    with ServiceContext(settings) as context:
        yield context


def counts_json(counts: Mapping[TargetState, int]) -> dict[str, int]:
    """Return the states that targets are in, with how many there are, for a JSON answer."""
    return {state.value: number for state, number in counts.items() if number}


def answer_json(document: Any) -> None:
    """Write one JSON document to stdout."""
    import json

    import click

    click.echo(json.dumps(document, indent=2, default=str))
