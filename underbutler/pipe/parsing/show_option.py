"""What ``--show`` prints: config, history of a field, data, targets, subtasks."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from lsst.pex.config import ConfigChoiceField, ConfigurableField
from lsst.pex.config.history import format as format_history

from underbutler.errors import UnderbutlerError, UsageError
from underbutler.model.message import describe, encode_element
from underbutler.pipe.config.job_config import config_json, flattened
from underbutler.pipe.config.path import find_place, inner_config

if TYPE_CHECKING:
    import argparse

    from underbutler.pipe.task_like import TaskLike

__all__ = ["show"]

_CASE_MATTERS = ":NOIGNORECASE"


def show(parsedCmd: argparse.Namespace, task_class: type[TaskLike] | None = None) -> str:
    """Return what ``--show`` asks for, as lines of text; nothing if it was not given.

    Parameters
    ----------
    parsedCmd
        The parsed command.
    task_class
        The task, whose runner makes the targets of ``--show targets``; without it they are the data.

    Raises
    ------
    UsageError
        If a pattern matches no config field.
    """
    return "".join(f"{line}\n" for word in parsedCmd.show for line in _lines(word, parsedCmd, task_class))


def _lines(word: str, parsedCmd: argparse.Namespace, task_class: type[TaskLike] | None) -> Iterator[str]:
    name, _, glob = word.partition("=")
    match name:
        case "config":
            yield from _config_lines(parsedCmd.config, glob or "*")
        case "history":
            yield from _history_lines(parsedCmd.config, glob)
        case "tasks":
            yield from _task_lines(parsedCmd.config)
        case "targets" if task_class is not None:
            runner = task_class.RunnerClass(TaskClass=task_class, parsedCmd=parsedCmd)
            yield from map(_target_line, runner.getTargetList(parsedCmd))
        case "data" | "targets":
            for container in parsedCmd.idContainers:
                named = container.refList or container.idList
                yield from (f"{container.option} {container.datasetType or ''} {_words(one)}" for one in named)


def _config_lines(config: Any, glob: str) -> Iterator[str]:
    for path, value in _matching(config, glob):
        yield f"# {_doc(config, path)}"
        yield f"{path}={value!r}" if isinstance(value, str) else f"{path}={_literal(value)}"


def _history_lines(config: Any, glob: str) -> Iterator[str]:
    for path, _ in _matching(config, glob):
        place = find_place(config, path)
        yield str(format_history(inner_config(place.config), place.field.name))


def _task_lines(config: Any) -> Iterator[str]:
    paths = (path for path, value in flattened(config_json(config)).items() if path.endswith("@target"))
    flat = flattened(config_json(config))
    yield from (f"{path.removesuffix('.@target')}: {flat[path]}" for path in paths)


def _matching(config: Any, glob: str) -> list[tuple[str, Any]]:
    """Return paths and values that match; case is ignored unless the pattern ends with ``:NOIGNORECASE``."""
    pattern, exact = glob.removesuffix(_CASE_MATTERS), glob.endswith(_CASE_MATTERS)
    flat = {path.replace(".@target", ".target"): value for path, value in flattened(config_json(config)).items()}
    found = [
        (path, value)
        for path, value in flat.items()
        if fnmatch.fnmatchcase(path if exact else path.lower(), pattern if exact else pattern.lower())
    ]
    if not found:
        raise UsageError(f"No config field matches {pattern!r}. See all with --show config.")
    return found


def _doc(config: Any, path: str) -> str:
    field = find_place(config, path).field
    text = " ".join(str(field.doc).split())
    if isinstance(field, ConfigurableField):
        return f"class of the subtask: {text}"
    return f"choice: {text}" if isinstance(field, ConfigChoiceField) else text


def _literal(value: Any) -> str:
    import json

    return "None" if value is None else json.dumps(value)


def _target_line(element: Any) -> str:
    try:
        return "  ".join(part for part in describe(encode_element(element)) if part)
    except UnderbutlerError:  # a target that cannot travel can still run here
        return repr(element)


def _words(data: Any) -> str:
    from underbutler.model.dataref import human_data_id

    return human_data_id(getattr(data, "data_id", data))
