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
    """Look at what it asks for, as far as no repository is needed."""
    from underbutler.pipe import load_task
    from underbutler.pipe.understanding import faults_of_words

    from .submitting import request_of

    try:
        load_task(definition.task or "")
    except UsageError as error:
        yield f"task: {error}"
        return
    try:
        request = request_of(definition, 20000101)
    except UsageError as error:
        yield f"options: {error}"
        return
    for fault in faults_of_words(request):
        yield f"{_field(fault.field)}: {fault.message}"


def _field(name: str) -> str:
    """Return the field of an entry that a field of its request comes from."""
    for part in ("config", "options", "ids", "where"):
        if name.startswith(f"steps[0].{part}"):
            return {"ids": "id", "where": "query"}.get(part, part)
    return name
