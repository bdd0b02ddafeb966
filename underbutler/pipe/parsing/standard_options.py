"""The options that every task has, and those of Gen2 that are refused with their cure."""

from __future__ import annotations

import argparse
import logging
import math
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from underbutler.errors import UsageError, suggest

__all__ = ["SHOWABLE", "add_standard_options", "check_show", "expanded", "log_levels"]

SHOWABLE: Final = ("config", "data", "history", "run", "targets", "tasks")
"""What ``--show`` takes."""

_REFUSED: Final = {
    "--rerun": "outputs go to a RUN collection: leave it out for one of the job's own, or name one with -o RUN",
    "--output": "outputs go to a RUN collection: leave it out for one of the job's own, or name one with -o RUN",
    "--calib": "calibrations are found in collections: --collections A,B (default: the instrument's raw and calib)",
    "--clobber-output": "nothing in a RUN collection is rewritten: leave out -o and the job gets a RUN of its own",
    "--clobber-versions": "nothing in a RUN collection is rewritten: leave out -o, or pass --no-versions",
    "--no-backup-config": "nothing in a RUN collection is rewritten, so nothing needs a backup: leave it out",
    "--doBackup": "nothing in a RUN collection is rewritten, so nothing needs a backup: leave it out",
}


def add_standard_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that every task has."""
    parser.add_argument("input", metavar="LABEL", help="label of the repository that is read; it comes first")
    data = parser.add_argument_group("data")
    data.add_argument(
        "-d",
        "--data-query",
        dest="query",
        metavar="QUERY",
        default="",
        help="Butler query that selects further; a bare time in it, T'2026-11-20 22:00', is UTC; "
        "T'2026-11-20 22:00/tai' is TAI",
    )
    data.add_argument("--collections", metavar="A,B", help="collections that are searched, in this order")
    data.add_argument("-o", "--output-run", dest="run", metavar="RUN", help="RUN collection; default: the job's own")
    data.add_argument(
        "--out", metavar="LABEL", help="writeable repository for the output; default: the one that is read"
    )
    data.add_argument(
        "--allow-empty", dest="allowEmpty", action="store_true", help="go on without data IDs that do not exist"
    )
    data.add_argument("--yes", action="store_true", help="take more than 100000 data IDs")
    config = parser.add_argument_group("config")
    config.add_argument(
        "-c", "--config", dest="configWords", nargs="+", action=_InOrder, metavar="PATH=VALUE", help="config overrides"
    )
    config.add_argument(
        "-C",
        "--config-file",
        "--configfile",
        dest="configWords",
        nargs="+",
        action=_InOrder,
        metavar="FILE",
        help="TOML files of config overrides",
    )
    config.add_argument(
        "--clobber-config",
        dest="clobberConfig",
        action="store_true",
        help="run with another config than an existing RUN's: this needs a new RUN",
    )
    config.add_argument(
        "--no-versions", dest="noVersions", action="store_true", help="neither write nor compare versions"
    )
    run = parser.add_argument_group("running")
    run.add_argument("-j", "--processes", type=_count, default=1, metavar="N", help="processes (not in the queue)")
    run.add_argument("-t", "--timeout", type=_seconds, metavar="SECONDS", help="time limit of all targets under -j")
    run.add_argument("--doraise", action="store_true", help="raise the first error instead of counting failures")
    run.add_argument("--noExit", action="store_true", help="return, instead of exiting with the number of failures")
    run.add_argument(
        "--no-check",
        dest="noCheck",
        action="store_true",
        help="run also what is known to fail: do not look before at calibrations, headers, shapes",
    )
    run.add_argument(
        "--loglevel", nargs="+", action="extend", default=[], metavar="[COMPONENT=]LEVEL", help="log levels"
    )
    run.add_argument(
        "--show",
        nargs="+",
        action="extend",
        default=[],
        metavar="WHAT",
        help="config[=GLOB] | data | targets | tasks | history=GLOB, and do not run, unless 'run' is among them",
    )
    for option in _REFUSED:
        parser.add_argument(option, dest=argparse.SUPPRESS, nargs="*", action=_Refused, help=argparse.SUPPRESS)


def expanded(words: Sequence[str], *, allow_files: bool) -> list[str]:
    """Return the words with every ``@file`` replaced by the words in it (shell quoting, ``#`` comments).

    Raises
    ------
    UsageError
        If a file cannot be read, names itself, or may not be read here.
    """
    return _expanded(words, (), allow_files=allow_files)


def check_show(words: Sequence[str]) -> None:
    """Refuse what ``--show`` does not know.

    Raises
    ------
    UsageError
        If a word of ``--show`` is not known.
    """
    for word in words:
        name, equals, glob = word.partition("=")
        if name not in SHOWABLE:
            raise UsageError(
                f"--show does not know {name!r}.{suggest(name, SHOWABLE)} It takes: {', '.join(SHOWABLE)}."
            )
        if equals and name not in ("config", "history"):
            raise UsageError(f"--show {name} takes no '='; {word!r} has one.")
        if name == "history" and not glob:
            raise UsageError("--show history needs a pattern, e.g. --show history=detect.*")


def log_levels(words: Sequence[str]) -> tuple[tuple[str, int], ...]:
    """Return components and levels of ``--loglevel``; the empty component is the task's log.

    Raises
    ------
    UsageError
        If a level is none.
    """
    known = {**logging.getLevelNamesMapping(), "TRACE": 5, "VERBOSE": 15}
    known.pop("NOTSET", None)
    levels = []
    for word in words:
        component, _, level = word.rpartition("=")
        if level.upper() not in known:
            raise UsageError(
                f"--loglevel: {level!r} is not a level.{suggest(level.upper(), known)} Known: {', '.join(known)}."
            )
        levels.append((component, known[level.upper()]))
    return tuple(levels)


class _InOrder(argparse.Action):
    """Keeps ``-c`` and ``-C`` together in the order of the command line."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        is_file = self.metavar == "FILE"
        known = list(getattr(namespace, self.dest) or [])
        setattr(namespace, self.dest, known + [(is_file, value) for value in values])


class _Refused(argparse.Action):
    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        raise UsageError(f"{option_string} is not taken: {_REFUSED[self.option_strings[0]]}.", option=option_string)


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return number


def _seconds(text: str) -> float:
    number = float(text)
    if math.isnan(number):
        raise argparse.ArgumentTypeError("not a number")
    return number


def _expanded(words: Sequence[str], within: tuple[Path, ...], *, allow_files: bool) -> list[str]:
    result: list[str] = []
    for word in words:
        if not word.startswith("@") or len(word) == 1:
            result.append(word)
            continue
        if not allow_files:
            raise UsageError(f"{word}: files are not read here. Write the words themselves.")
        path = Path(word[1:])
        if path in within:
            raise UsageError(f"{word} includes itself.")
        try:
            inner = shlex.split(path.read_text(encoding="utf-8"), comments=True)
        except OSError as error:
            raise UsageError(f"{word} cannot be read: {error.strerror}.", path=str(path)) from error
        except ValueError as error:
            raise UsageError(f"{word} cannot be read as words of a shell: {error}.", path=str(path)) from error
        result += _expanded(inner, (*within, path), allow_files=allow_files)
    return result
