"""The task's own options: what a request says of them, checked against the parser, and their defaults."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from underbutler.errors import UnknownNameError, UsageError
from underbutler.model.message import decode_value, encode_value

if TYPE_CHECKING:
    from .faults import Faults
    from .ids.id_argument import TaskParser

__all__ = ["complete_options", "option_as_json"]

_KINDS = {int: "an integer", float: "a number"}


def option_as_json(name: str, value: Any) -> Any:
    """Return the value of an option as JSON: it is kept with the job and is there again in a worker.

    Raises
    ------
    UsageError
        If it is neither JSON nor of a tagged kind.
    """
    return encode_value(_plain(value), f"The option {name!r}")


def complete_options(parser: TaskParser, given: Mapping[str, Any], faults: Faults, where: str) -> dict[str, Any]:
    """Return all of the task's own options as JSON: those given, and the defaults of the others.

    Parameters
    ----------
    parser
        The task's parser.
    given
        Values by name, JSON and tagged values.
    faults
        Is told of names that are not known, values that are not taken, and required options that are missing.
    where
        Name of the field that holds them.
    """
    own = parser.own_arguments
    for name in given:
        if name not in own:
            faults.add(f"{where}.{name}", UnknownNameError.of(f"option of {parser.name}", name, own))
    complete: dict[str, Any] = {}
    for name, argument in own.items():
        with faults.of(f"{where}.{name}"):
            if name in given:
                _check(argument, decode_value(given[name]))
                complete[name] = given[name]
            else:
                complete[name] = option_as_json(name, _default(parser, argument))
    return complete


def _default(parser: TaskParser, argument: argparse.Action) -> Any:
    if argument.required:
        raise UsageError(f"The option {_said(argument)} is required.")
    default = parser.get_default(argument.dest)
    # argparse reads a default that is text as if it had been typed
    return argument.type(default) if isinstance(default, str) and callable(argument.type) else default


def _check(argument: argparse.Action, value: Any) -> None:
    """Refuse what the command line would not have taken either."""
    items = value if isinstance(value, list) else [value]
    kind = argument.type
    if kind in (int, float) and not all(item is None or _is_number(item, kind) for item in items):
        raise UsageError(f"The option {_said(argument)} takes {_KINDS[kind]}, not {value!r}.")
    if isinstance(argument.choices, Sequence):
        wrong = [item for item in items if item is not None and item not in argument.choices]
        if wrong and value != argument.default:
            raise UnknownNameError.of(f"choice of {_said(argument)}", str(wrong[0]), map(str, argument.choices))


def _is_number(value: Any, kind: Any) -> bool:
    return isinstance(value, int if kind is int else (int, float)) and not isinstance(value, bool)


def _said(argument: argparse.Action) -> str:
    return argument.option_strings[-1] if argument.option_strings else argument.dest


def _plain(value: Any) -> Any:
    """Return tuples as lists: they are options with ``nargs``, and JSON has no tuples."""
    return [_plain(item) for item in value] if isinstance(value, tuple | list) else value
