"""What a command has open: settings, records, butlers, a Celery app that can send."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from underbutler.context import ServiceContext
from underbutler.migrations import prepare_records
from underbutler.model.job import TargetState
from underbutler.settings import load_settings

__all__ = ["answer_json", "counts_json", "open_records", "prepare_records"]


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
