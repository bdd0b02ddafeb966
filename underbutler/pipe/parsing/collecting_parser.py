"""An argparse parser that remembers what was added to it, by what argparse itself returns of each addition."""

from __future__ import annotations

import argparse
from typing import Any

__all__ = ["CollectingParser"]


class CollectingParser(argparse.ArgumentParser):
    """Remembers its arguments, those of its groups among them.

    Attributes
    ----------
    arguments
        What `add_argument` returned, in order: dest, type, choices and option strings of each argument.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.arguments: list[argparse.Action] = []
        super().__init__(*args, **kwargs)

    def add_argument(self, *args: Any, **kwargs: Any) -> argparse.Action:
        """Add an argument, as argparse does, and remember it."""
        return self._remembered(super().add_argument(*args, **kwargs))

    def add_argument_group(self, *args: Any, **kwargs: Any) -> Any:
        """Add a group, as argparse does, whose arguments are remembered too."""
        return self._collecting(super().add_argument_group(*args, **kwargs))

    def add_mutually_exclusive_group(self, **kwargs: Any) -> Any:
        """Add a group of which one option may be given, as argparse does, whose arguments are remembered too."""
        return self._collecting(super().add_mutually_exclusive_group(**kwargs))

    def _remembered(self, argument: argparse.Action) -> argparse.Action:
        self.arguments.append(argument)
        return argument

    def _collecting(self, group: Any) -> Any:
        """Return a group that tells this parser of its arguments, and of those of the groups within it."""
        add, nest = group.add_argument, group.add_mutually_exclusive_group
        group.add_argument = lambda *args, **kwargs: self._remembered(add(*args, **kwargs))
        group.add_mutually_exclusive_group = lambda **kwargs: self._collecting(nest(**kwargs))
        return group
