"""What people read is plain English: help texts, and every text of the program."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from underbutler.cli.main import group

ROOT = Path(__file__).parents[3]
PACKAGES = ("underbutler", "workers", "tasks", "beat")

REFUSED = (
    "not well",
    "goodbye",
    "left alone",
    "do not know it",
    "asked to end",
    "put aside",
    "stands down",
    "stand down",
    "an entry not fire",
    "submitted by itself",
    "said no goodbye",
    "1 targets",
)
"""Phrases of a house dialect, of which each has a plain word of the field."""

NOT_A = re.compile(r"(?<!there )\bis no (?!longer\b|more\b)[a-z]", re.IGNORECASE)
"""`X is no Y`, which is written `X is not a Y`."""

IMPERATIVE = {
    "Add", "Cancel", "Check", "Compare", "Create", "Describe", "Discard", "Draft", "Export", "Fire", "Import", "Ingest",
    "List", "Load", "Manage", "Measure", "Pause", "Plot", "Print", "Remove", "Replay", "Resume", "Revoke",
    "Rotate", "Run", "Search", "Serve", "Show", "Submit", "Upgrade",
}  # fmt: skip
"""First words of the one-line helps."""


def _commands(parent: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(parent)
    for name in parent.list_commands(context):
        command = parent.get_command(context, name)
        assert command is not None
        yield " ".join((*path, name)), command
        if isinstance(command, click.Group):
            yield from _commands(command, (*path, name))


COMMANDS = dict(_commands(group))


def test_there_are_commands_to_read() -> None:
    assert {"submit", "status", "schedule pause", "runs plot", "up"} <= set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_says_in_the_imperative_what_it_does(name: str) -> None:
    line = COMMANDS[name].get_short_help_str(200)
    assert line.split()[0].rstrip(",") in IMPERATIVE, line


@pytest.mark.parametrize("name", COMMANDS)
def test_help_holds_no_refused_phrase(name: str) -> None:
    command = COMMANDS[name]
    texts = [command.help or "", command.short_help or ""]
    texts += [option.help or "" for option in command.params if isinstance(option, click.Option)]
    for text in texts:
        assert not [phrase for phrase in REFUSED if phrase in " ".join(text.split()).casefold()], text
        assert not NOT_A.search(text), text


def _texts() -> Iterator[tuple[str, str]]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
                    yield f"{path.relative_to(ROOT)}:{node.lineno}", " ".join(node.value.split())


def test_no_text_of_the_program_holds_a_refused_phrase() -> None:
    found = [
        (where, text)
        for where, text in _texts()
        if NOT_A.search(text) or any(phrase in text.casefold() for phrase in REFUSED)
    ]
    assert found == []
