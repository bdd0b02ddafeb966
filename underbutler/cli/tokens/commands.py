"""The commands of `underbutler token`: create, list, revoke, rotate."""

from __future__ import annotations

import getpass
import re
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click
from rich.table import Table

from underbutler.cli.main import json_option
from underbutler.cli.session import answer_json, open_records
from underbutler.errors import UnknownNameError, UsageError
from underbutler.model.bearer import SCOPES, Bearer, new_bearer
from underbutler.records import Deed, NewCredential
from underbutler.terminal import stderr_console, stdout_console, when_text

if TYPE_CHECKING:
    from underbutler.context import ServiceContext
    from underbutler.records import CredentialRow

__all__ = ["token"]

_UNITS = {"s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "w": 7 * 86400.0}


class Duration(click.ParamType[float]):
    """A time: ``90d``, ``12h``, ``30min``, ``2w``."""

    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return seconds."""
        if isinstance(value, float):
            return value
        found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(s|min|h|d|w)\s*", str(value))
        if found is None or float(found[1]) == 0:
            self.fail(f"{value!r} is not a time. Write 30d, 12h, 30min or 2w.", param, ctx)
        return float(found[1]) * _UNITS[found[2]]


@click.group()
def token() -> None:
    """Manage bearer tokens of the submission API.

    A token is shown once, when it is made; the records keep its digest. What is changed here takes effect within
    5 seconds in every server.

    \b
    Examples:
      underbutler token create --scope submit,read --user ann --label demo --expires 30d
      underbutler token list
      underbutler token revoke 1a2b3c4d5e6f
      underbutler token rotate 1a2b3c4d5e6f --overlap 1h
    """


@token.command("create", short_help="Create a token and show it, once.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    metavar="A,B",
    help=f"What it is good for: {', '.join(SCOPES)}. Again, or with commas, for more.",
)
@click.option("--user", help="Whose jobs it makes. Default: UNDERBUTLER_USER, else who you are.")
@click.option(
    "--label", "labels", multiple=True, metavar="LABEL", help="Only for this repository; again for more. Default: all."
)
@click.option("--expires", type=Duration(), help="Let it end after this time: 30d, 12h. Default: never.")
@click.option("--note", default="", help="Say what it is for.")
@json_option()
def create(
    scopes: tuple[str, ...], user: str | None, labels: tuple[str, ...], expires: float | None, note: str, form: str
) -> None:
    """Create a token and print it on stdout, once. Everything else about it goes to stderr.

    \b
    Examples:
      underbutler token create --scope submit,read --user ann --label demo --expires 30d
      underbutler token create --scope approve --scope read --user chris --note "shift leader"
      TOKEN=$(underbutler token create --scope read)
    """
    wanted = _scopes(scopes)
    with open_records(may_make=True) as context:
        repos = _labels(context, labels)
        bearer = new_bearer()
        row = context.jobs.credentials.add(
            NewCredential(
                id=bearer.id,
                digest=bearer.digest,
                user=_user(user or context.settings.user),
                note=note,
                scopes=wanted,
                repos=repos,
                lifetime_s=expires,
            )
        )
        _note(context, "token create", row.id)
        _tell(row, bearer, form)


@token.command("list", short_help="List tokens, newest first, with their last use.")
@click.option("--all", "every", is_flag=True, help="List those that are revoked or have expired, too.")
@json_option()
def list_tokens(every: bool, form: str) -> None:
    """List tokens: whose, for what, until when, last used when. The tokens themselves are not kept.

    \b
    Examples:
      underbutler token list
      underbutler token list --all --format json
    """
    with open_records() as context:
        rows = [row for row in context.jobs.credentials.known() if every or row.live]
    if form == "json":
        answer_json([_as_json(row) for row in rows])
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("token", "user", "scopes", "repositories", "ends", "last use", "note"):
        table.add_column(heading)
    for row in rows:
        end = "revoked" if row.revoked_at else when_text(row.expires_at) if row.expires_at else "never"
        used = when_text(row.used_at) if row.used_at else "never"
        repos = "all" if row.repos is None else ", ".join(row.repos)
        table.add_row(row.id, row.user, ", ".join(row.scopes), repos, end, used, row.note)
    stdout_console().print(table)


@token.command("revoke", short_help="Revoke a token now.")
@click.argument("name", metavar="TOKEN")
def revoke(name: str) -> None:
    """Revoke a token, by its id, within 5 seconds everywhere. Jobs that it has made go on.

    \b
    Examples:
      underbutler token revoke 1a2b3c4d5e6f
    """
    with open_records() as context:
        row = context.jobs.credentials.revoke(name)
        _note(context, "token revoke", row.id)
    stderr_console().print(f"Token {row.id} of {row.user} is revoked.")


@token.command("rotate", short_help="Rotate a token: make one in its place.")
@click.argument("name", metavar="TOKEN")
@click.option("--overlap", type=Duration(), default=3600.0, help="Let the old one go on for this time. Default: 1h.")
@click.option("--expires", type=Duration(), help="Let the new one end after this time. Default: never.")
@json_option()
def rotate(name: str, overlap: float, expires: float | None, form: str) -> None:
    """Rotate a token, by its id: make one like it, and let it end after a while.

    \b
    Examples:
      underbutler token rotate 1a2b3c4d5e6f
      underbutler token rotate 1a2b3c4d5e6f --overlap 10min --expires 90d
    """
    with open_records() as context:
        old = context.jobs.credentials.get(name)
        if not old.live:
            raise UsageError(f"Token {old.id} is over already. Make a new one: `underbutler token create`.")
        bearer = new_bearer()
        new = NewCredential(
            id=bearer.id,
            digest=bearer.digest,
            user=old.user,
            note=old.note,
            scopes=old.scopes,
            repos=old.repos,
            lifetime_s=expires,
        )
        row = context.jobs.credentials.add(new)
        context.jobs.credentials.expire(old.id, overlap)
        _note(context, "token rotate", f"{old.id} {row.id}")
        _tell(row, bearer, form)


def _scopes(words: tuple[str, ...]) -> list[str]:
    names = [name.strip() for word in words for name in word.split(",") if name.strip()]
    for name in names:
        if name not in SCOPES:
            raise UnknownNameError.of("scope", name, SCOPES)
    if not names:
        raise UsageError(f"--scope names none. Known: {', '.join(SCOPES)}.")
    return list(dict.fromkeys(names))


def _labels(context: ServiceContext, words: tuple[str, ...]) -> list[str] | None:
    names = [name.strip() for word in words for name in word.split(",") if name.strip()]
    if not names:
        return None
    known = context.repositories.labels()
    for name in names:
        if name not in known:
            raise UnknownNameError.of("repository", name, known)
    return names


def _user(name: str) -> str:
    if not name.strip() or len(name) > 64 or not name.isprintable():
        raise UsageError(f"--user {name!r} is not a name: write up to 64 printable characters.")
    return name


def _note(context: ServiceContext, action: str, subject: str) -> None:
    context.jobs.audit.note(
        Deed(
            who=getpass.getuser(),
            credential=None,
            origin="command line",
            action=action,
            subject=subject,
            result="ok",
        )
    )


def _tell(row: CredentialRow, bearer: Bearer, form: str) -> None:
    if form == "json":
        answer_json(_as_json(row) | {"token": bearer.secret})
        return
    say = stderr_console().print
    end = f" until {when_text(row.expires_at)}" if row.expires_at else ""
    say(f"Token {row.id} of {row.user} for {', '.join(row.scopes)}{end}. It is shown this once:", soft_wrap=True)
    click.echo(bearer.secret)


def _as_json(row: CredentialRow) -> dict[str, Any]:
    document = asdict(row)
    del document["digest"]
    return document
