"""What a command has open: settings, records, butlers, a Celery app that can send."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from underbutler.context import ServiceContext
from underbutler.errors import RecordsUnavailableError, UsageError
from underbutler.migrations import is_current, upgrade
from underbutler.model.job import TargetState
from underbutler.settings import Settings, load_settings
from underbutler.sql import parse_url

__all__ = ["answer_json", "counts_json", "open_records", "prepare_records"]


def prepare_records(settings: Settings, *, may_make: bool = False) -> None:
    """Bring the records' schema up to date: a SQLite file at once, a server's database only on demand.

    Parameters
    ----------
    settings
        Where they are.
    may_make
        Whether a SQLite file that does not exist is made. Who only reads makes none: a folder that is not mounted would
        look like a site without any job.

    Raises
    ------
    RecordsUnavailableError
        If there is no such file.
    UsageError
        If a server's database is of another release.
    """
    if settings.records_url.startswith("sqlite"):
        path = parse_url(settings.records_url).database
        if may_make:
            settings.home.mkdir(parents=True, exist_ok=True)
        elif path and path != ":memory:" and not Path(path).exists():
            raise RecordsUnavailableError(
                f"There are no records at {path}. The first submission makes them, and so do `underbutler up` and "
                "`underbutler db upgrade`; if they are elsewhere, say so by --home or UNDERBUTLER_DATABASE_URL.",
                path=path,
            )
        upgrade(settings.records_url)
    elif not is_current(settings.records_url):
        raise UsageError(
            "The job database does not have the schema of this release. Run `underbutler db upgrade` once, before its "
            "workers and submitters start."
        )


@contextmanager
def open_records(*, may_make: bool = False) -> Iterator[ServiceContext]:
    """Open everything that a command may need; each part is made at its first use.

    Parameters
    ----------
    may_make
        As in `prepare_records`.
    """
    settings = load_settings()
    prepare_records(settings, may_make=may_make)
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
