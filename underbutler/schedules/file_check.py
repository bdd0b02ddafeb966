"""A file checked before it is used: everything that can be known without records, broker and Butler."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from underbutler.errors import UsageError

from .clocks import clock_of
from .entries import Definition
from .files import ScheduleFile, read_schedules

__all__ = ["check_file"]


def check_file(path: Path) -> tuple[ScheduleFile, list[str]]:
    """Return what a file holds, and what is wrong with it, one line each.

    Beside what reading it finds: names of tasks and of config fields, options, data IDs; clocks that never come round.

    Raises
    ------
    UsageError
        If it cannot be read.
    """
    file = read_schedules(path)
    problems = [problem.text(path) for problem in file.problems]
    for definition in file.entries:
        place = f"{path}:{file.lines[definition.name]}: schedule {definition.name!r}"
        problems += [f"{place}, {words}" for words in _wrong(definition)]
    return file, problems


def _wrong(definition: Definition) -> Iterator[str]:
    try:
        clock = clock_of(definition)
    except UsageError as error:
        yield f"when: {error}"
        return
    if definition.when.after_last_exposure is None and clock.due_after(0.0) is None:
        yield "when: it never fires"
    if definition.task is not None:
        yield from _wrong_command(definition)


def _wrong_command(definition: Definition) -> Iterator[str]:
    """Look at the words of its command, as far as no repository is needed."""
    from underbutler.pipe import load_task

    from .submitting import command_file, command_words

    try:
        task = load_task(definition.task or "")
    except UsageError as error:
        yield f"task: {error}"
        return
    parser = task._makeArgumentParser()
    for field, tried in (("options", definition.model_copy(update={"config": {}})), ("config", definition)):
        try:
            with command_file(tried.config) as config:
                words = command_words(tried, 20000101, config)
                parser.check_words(task.ConfigClass(), words, override=task.applyOverrides)
        except UsageError as error:
            yield f"{field}: {error}"
            return
