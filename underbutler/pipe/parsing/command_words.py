"""What the parsed words of a command line ask for: a request, and what is said of this process alone."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from underbutler.errors import UsageError
from underbutler.pipe.config.overrides import read_table, split_word
from underbutler.pipe.job_command import LocalOptions, Origin
from underbutler.pipe.request import JobRequest
from underbutler.pipe.step_options import option_as_json

from .standard_options import check_show, log_levels

if TYPE_CHECKING:
    from underbutler.pipe.ids.id_argument import TaskParser

__all__ = ["CommandLine", "command_line"]


@dataclass(frozen=True, slots=True)
class CommandLine:
    """A command line that was read.

    Parameters
    ----------
    request
        What it asks for.
    local
        What it says of this process.
    """

    request: JobRequest
    local: LocalOptions


def command_line(
    parser: TaskParser, task: str, words: argparse.Namespace, *, allow_python: bool, allow_files: bool
) -> CommandLine:
    """Return what the words of a command line say.

    Parameters
    ----------
    parser
        The task's parser.
    task
        Registered name of the task.
    words
        What argparse made of the words.
    allow_python, allow_files
        Whether ``-C`` may be given a Python file, which is executed; any file at all.

    Raises
    ------
    UsageError
        If a word cannot be read.
    """
    check_show(words.show)
    config = _Overrides(allow_python=allow_python, allow_files=allow_files)
    for is_file, word in words.configWords or []:
        config.add(word, is_file=is_file)
    request = JobRequest.from_json(
        {
            "repo": words.input,
            "out": words.out,
            "run": words.run,
            "collections": None if words.collections is None else _names(words.collections),
            "new_run": words.clobberConfig,
            "allow_empty": words.allowEmpty,
            "allow_many": words.yes,
            "with_versions": not words.noVersions,
            "steps": [
                {
                    "task": task,
                    "config": config.overrides,
                    "ids": {name: given for name in parser.id_arguments if (given := getattr(words, name))},
                    "where": words.query,
                    "options": _options(parser, words),
                }
            ],
        }
    )
    local = LocalOptions(
        show=tuple(words.show),
        processes=words.processes,
        timeout=words.timeout,
        doraise=words.doraise,
        no_exit=words.noExit,
        no_check=words.noCheck,
        loglevels=log_levels(words.loglevel),
        origins=tuple(config.origins),
        scripts=tuple(config.scripts),
    )
    return CommandLine(request, local)


class _Overrides:
    """Config overrides of ``-c`` and ``-C``, in the order of the command line."""

    def __init__(self, *, allow_python: bool, allow_files: bool) -> None:
        self._allow_python, self._allow_files = allow_python, allow_files
        self.overrides: list[dict[str, Any]] = []
        self.origins: list[Origin] = []
        self.scripts: list[tuple[int, Path]] = []

    def add(self, word: str, *, is_file: bool) -> None:
        """Add what follows one ``-c`` or ``-C``."""
        if not is_file:
            path, text = split_word(word)
            self._take({"path": path, "value": text, "is_text": True}, Origin(f"-c {word}"))
        elif not self._allow_files:
            raise UsageError(f"-C {word}: files are not read here. Give the overrides themselves, with -c.")
        elif word.endswith(".py"):
            self._take_python(word)
        else:
            for path, value in read_table(Path(word)):
                self._take({"path": path, "value": value}, Origin(f"-C {word}", Path(word)))

    def _take(self, override: dict[str, Any], origin: Origin) -> None:
        self.overrides.append(override)
        self.origins.append(origin)

    def _take_python(self, word: str) -> None:
        if not self._allow_python:
            raise UsageError(
                f"-C {word}: a Python file is executed, and is taken only by `underbutler run`. Write the overrides as "
                "TOML: [detect] threshold = 3.0.",
                path=word,
            )
        self.scripts.append((len(self.overrides), Path(word)))


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _options(parser: TaskParser, words: argparse.Namespace) -> dict[str, Any]:
    """Return the task's own options that do not have their default, as JSON."""
    said = {name: getattr(words, name) for name in parser.own_arguments if hasattr(words, name)}
    return {name: option_as_json(name, value) for name, value in said.items() if value != parser.get_default(name)}
