"""One page for each command of ``underbutler``, made from what ``--help`` says."""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Iterator
from unittest import mock

import click

from underbutler.cli.main import group
from underbutler.pipe import ArgumentParser

__all__ = ["command_pages"]

_EXAMPLES = re.compile(r"^Examples:\n((?:  .*\n?)+)", re.MULTILINE)

_INDEX = """\
# Commands

Answers go to stdout, everything else to stderr. `--format json` is for machines. Every command exits with 0 when all is
well, 1 when targets failed, 2 when what you typed cannot work, 3 when a service is away, and 4 when the fault is ours.

```text
{usage}
```

{options}

| command | |
|---|---|
{rows}

```{{toctree}}
:hidden:

{names}
```
"""


_OPTIONS_OF_TASKS = """
## Options of every task

What follows TASK is read by the task: these, and its own, which `underbutler submit TASK --help` lists. The same holds
for `underbutler run`.

```text
{options}
```
"""


def command_pages() -> dict[str, str]:
    """Return the pages, in MyST Markdown, by their names below ``reference/``."""
    root = click.Context(group, info_name="underbutler", **group.context_settings)
    names = group.list_commands(root)
    commands = {name: group.get_command(root, name) for name in names}
    pages = {
        f"commands/{name}.md": "\n".join(_sections(command, root, name, 1))
        for name, command in commands.items()
        if command is not None
    }
    pages["commands/submit.md"] += _OPTIONS_OF_TASKS.format(options=_options_of_tasks())
    rows = "\n".join(
        f"| [`{name}`]({name}.md) | {command.get_short_help_str(120)} |"
        for name, command in commands.items()
        if command
    )
    pages["commands/index.md"] = _INDEX.format(
        usage=group.get_usage(root).removeprefix("Usage: "),
        options="\n".join(_options(group, root)),
        rows=rows,
        names="\n".join(names),
    )
    return pages


def _options_of_tasks() -> str:
    """Return the help of the options that every task has, without usage and title."""
    parser = ArgumentParser(name="TASK")
    parser.add_id_argument("--id", "raw", help="data ID, e.g. --id instrument=STE3 detector=0^1")
    with mock.patch.dict(os.environ, {"COLUMNS": "100"}):
        text = parser.format_help()
    return text[text.index("positional arguments") :].strip()


def _sections(command: click.Command, parent: click.Context, name: str, level: int) -> Iterator[str]:
    """Yield the lines of a command, then those of its subcommands one level deeper."""
    context = click.Context(command, info_name=name, parent=parent, **command.context_settings)
    text = inspect.cleandoc(command.help or "").replace("\b\n", "")
    examples = _EXAMPLES.search(text)
    yield f"{'#' * level} {context.command_path if level == 1 else name}\n"
    yield f"```text\n{command.get_usage(context).removeprefix('Usage: ')}\n```\n"
    yield _EXAMPLES.sub("", text).strip() + "\n"
    yield from _options(command, context)
    if examples:
        yield f"**Examples**\n\n```text\n{inspect.cleandoc(examples[1])}\n```\n"
    if isinstance(command, click.Group):
        for sub in command.list_commands(context):
            found = command.get_command(context, sub)
            assert found is not None
            yield from _sections(found, context, sub, level + 1)


def _options(command: click.Command, context: click.Context) -> Iterator[str]:
    """Yield a definition list of what a command takes and says something about, but for ``--help``."""
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None and record[1] and "--help" not in parameter.opts:
            yield f"`{record[0]}`\n: {' '.join(record[1].split())}\n"
