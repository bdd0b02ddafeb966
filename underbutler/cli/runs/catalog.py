"""What the commands of ``underbutler runs`` have in common: which catalogue, which run, which form of answer."""

from __future__ import annotations

import glob
import re
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from underbutler.cli.main import json_option
from underbutler.cli.session import prepare_records
from underbutler.errors import UnknownNameError, UsageError, suggest
from underbutler.model.identity import short_id

if TYPE_CHECKING:
    from underbutler.catalog import BlueskyRun, Broker

__all__ = ["RunCommand", "answer_form", "catalog_option", "chosen_catalog", "open_catalog", "run_named", "writable_url"]

F = TypeVar("F", bound=Callable[..., Any])

_SHOWN: Final = 5
"""Runs that an error names when the one that was asked for is not there."""
_SUFFIXES: Final = (".db", ".sqlite", ".sqlite3")
"""How files are called that are to become databases."""
_UID_SHOWN: Final = 8
"""Characters of a uid that `underbutler runs` lists: a number of fewer digits is looked up as a scan id first."""
_NEAR: Final = 200
"""Runs among which a misspelt uid is looked for."""


class RunCommand(click.Command):
    """A command that takes ``-1``, ``-2`` … as the newest runs, and not as options."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse, with a blank before negative numbers: they are read as before, and are no options any more."""
        return super().parse_args(ctx, [f" {arg}" if re.fullmatch(r"-\d+", arg) else arg for arg in args])


def catalog_option(command: F) -> F:
    """Add the option ``--catalog``."""
    return click.option(
        "--catalog",
        metavar="PLACE",
        help="Where the runs are: URL of a database or of a server, folder or file of .jsonl and .msgpack runs, or a "
        "catalogue's name. Default: this installation's own.",
    )(command)


def answer_form(command: F) -> F:
    """Add ``--json``, and ``--format json``, which is the same; the command is told ``form``."""

    @wraps(command)
    def told(*args: Any, as_json: bool, form: str, **kwargs: Any) -> Any:
        return command(*args, form="json" if as_json else form, **kwargs)

    asked = click.option("--json", "as_json", is_flag=True, help="The same as --format json.")(told)
    return json_option()(asked)  # type: ignore[return-value]  # click keeps what it decorates


def chosen_catalog(ctx: click.Context, place: str | None) -> str | None:
    """Return ``--catalog`` of a command, or else that of ``underbutler runs`` before it."""
    if place is not None:
        return place
    return ctx.parent.params.get("catalog") if ctx.parent is not None else None


def open_catalog(place: str | None) -> Broker:
    """Open a catalogue to read from; by default that of the settings.

    Raises
    ------
    UsageError
        If there is none, with what may be written instead.
    """
    from underbutler.catalog import Broker

    if place is None:
        from underbutler.settings import load_settings

        settings = load_settings()
        prepare_records(settings)
        return Broker(settings.records_url)
    if _is_name(place):
        try:
            return Broker.from_name(place)
        except UnknownNameError as error:
            raise UsageError(
                f"There is no folder or file {place!r}, and no catalogue of this name.{suggest(place, _known(error))} "
                "Write the URL of a database (sqlite:///records.db, postgresql+psycopg://…) or of a server "
                "(https://…/runs), or a folder of .jsonl and .msgpack files.",
                place=place,
            ) from error
    url = _database_url(place)
    if url is None:
        return Broker(place)
    _check_schema(url)
    return Broker(url)


def writable_url(place: str | None) -> str:
    """Return the URL of a database that takes runs; a SQLite file that does not exist is made.

    Raises
    ------
    UsageError
        If the place is not a database, or its schema is not that of this release.
    """
    from underbutler.migrations import upgrade
    from underbutler.settings import load_settings

    if place is None:
        settings = load_settings()
        prepare_records(settings, may_make=True)
        return settings.records_url
    url = _database_url(place)
    if url is None and Path(place).suffix in _SUFFIXES and not Path(place).exists():
        url = _in_full(f"sqlite:///{place}")
    if url is None:
        raise UsageError(
            f"{place} is only read. Runs are brought into a database: --catalog runs.db (it is made), "
            "postgresql+psycopg://…, or without --catalog into this installation's own.",
            place=place,
        )
    if url.startswith("sqlite"):
        upgrade(url)
    else:
        _check_schema(url)
    return url


def run_named(catalog: Broker, name: str) -> BlueskyRun:
    """Return a run by its uid, its first or last characters, its scan id, or -1, -2 … from the newest.

    A short number is the scan id that `underbutler runs` lists, whatever uids begin with it; if no run has
    that scan id, it is the beginning of a uid.

    Raises
    ------
    UnknownNameError
        If there is none: with those that there are.
    UsageError
        If there are several: with those.
    """
    name = name.strip()
    if not name:
        raise UsageError("A run is called by its uid, its first or last characters, its scan id, or -1 for the newest.")
    try:
        found = _with_scan_id(catalog, name)
        return catalog[name] if found is None else found
    except (UnknownNameError, IndexError) as error:
        headers = list(catalog.headers(limit=_NEAR))
        if not headers:
            raise UnknownNameError(f"There are no runs in {catalog.place}.", uid=name) from error
        if isinstance(error, IndexError):
            raise
        parts = {header.uid[: len(name)] for header in headers} | {short_id(header.uid) for header in headers}
        near = suggest(name, parts)
        shown = ", ".join(
            f"{short_id(header.uid)} ({header.start.get('task') or header.start.get('plan_name') or 'no task'})"
            for header in headers[:_SHOWN]
        )
        raise UnknownNameError(
            f"No run of {catalog.place} has a uid that begins or ends with {name!r}.{near} The newest: {shown}. "
            "List them: `underbutler runs`.",
            uid=name,
        ) from error


def _with_scan_id(catalog: Broker, name: str) -> BlueskyRun | None:
    """Return the run whose scan id a short number is, if there is one."""
    if not (name.isascii() and name.isdigit() and len(name) < _UID_SHOWN):
        return None
    try:
        return catalog[int(name)]
    except UnknownNameError:
        return None


def _is_name(place: str) -> bool:
    return "://" not in place and "/" not in place and not glob.has_magic(place) and not Path(place).exists()


def _known(error: UnknownNameError) -> list[str]:
    known = error.fields.get("known")
    return list(known) if isinstance(known, list) else []


def _database_url(place: str) -> str | None:
    """Return the URL of a database, also of one that is given as the path of its file; None if it is none."""
    scheme = place.partition("://")[0].partition("+")[0].lower()
    if "://" in place:
        return _in_full(place) if scheme in {"sqlite", "postgresql", "postgres"} else None
    path = Path(place).expanduser()
    if path.is_file():
        with path.open("rb") as file:
            if file.read(16) == b"SQLite format 3\x00":
                return f"sqlite:///{path.absolute()}"
    return None


def _in_full(url: str) -> str:
    """Return the URL of a database; the path of a SQLite file in full."""
    from underbutler.sql import parse_url

    parsed = parse_url(url)
    if parsed.drivername != "sqlite" or not parsed.database:
        return url
    path = Path(parsed.database).expanduser().absolute()
    return parsed.set(database=str(path)).render_as_string(hide_password=False)


def _check_schema(url: str) -> None:
    from underbutler.migrations import is_current
    from underbutler.sql import parse_url

    if is_current(url):
        return
    parsed = parse_url(url)
    shown = parsed.render_as_string(hide_password=True)
    if parsed.drivername == "sqlite" and parsed.database and not Path(parsed.database).exists():
        raise UsageError(f"There is no database {shown}. Look for the file: it is made by `underbutler`, or by import.")
    raise UsageError(
        f"{shown} is not a catalogue of this release. If it is one of an older: "
        f"UNDERBUTLER_DATABASE_URL={shown} underbutler db upgrade",
        url=shown,
    )
