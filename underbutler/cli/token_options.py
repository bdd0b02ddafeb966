"""The options by which a command takes an access token: from a file or the environment, never from its own words."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from underbutler.errors import UsageError

if TYPE_CHECKING:
    from underbutler.submission.tokens import AccessToken

__all__ = ["TOKEN_VARIABLE", "read_access_token", "token_options"]

F = TypeVar("F", bound=Callable[..., Any])

TOKEN_VARIABLE = "UNDERBUTLER_ACCESS_TOKEN"  # noqa: S105 - a name
HOUR_S = 3600.0


def token_options(command: F) -> F:
    """Add ``--access-token-file`` and ``--token-lifetime``."""
    command = click.option(
        "--token-lifetime",
        type=click.FloatRange(min=0, min_open=True),
        metavar="HOURS",
        help="Forget the token after this many hours. Default: its own expiry, else 24.",
    )(command)
    return click.option(
        "--access-token-file",
        type=click.Path(path_type=Path),
        metavar="PATH",
        help=f"File with the access token that a remote repository needs; - reads stdin. Default: ${TOKEN_VARIABLE}.",
    )(command)


def read_access_token(path: Path | None, lifetime_h: float | None, words: Sequence[str] = ()) -> AccessToken | None:
    """Read the access token, if one is given; it is in no child process's environment after.

    Parameters
    ----------
    path, lifetime_h
        What the options say.
    words
        Other words of the command line, in which a token is refused.

    Raises
    ------
    UsageError
        If a token stands in the words, the file cannot be read, or what it holds is not a token.
    """
    from underbutler.submission.tokens import read_token

    if any(word.split("=")[0] == "--access-token" for word in words):
        raise UsageError(
            "An access token is never given on the command line, where every user of this machine can read it. Write "
            f"it to a file that only you can read and give --access-token-file PATH, or set {TOKEN_VARIABLE}."
        )
    text = os.environ.pop(TOKEN_VARIABLE, "")
    if path is not None:
        text = _file_text(path)
    elif not text:
        if lifetime_h is not None:
            raise UsageError(f"--token-lifetime needs a token: give --access-token-file PATH, or set {TOKEN_VARIABLE}.")
        return None
    return read_token(text, lifetime_s=None if lifetime_h is None else lifetime_h * HOUR_S)


def _file_text(path: Path) -> str:
    try:
        return sys.stdin.read() if str(path) == "-" else path.expanduser().read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--access-token-file {path} cannot be read: {error}") from error
