"""Which images of a raw file are read: said by whoever asks the Butler for a frame, to whoever opens its file."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from typing import TypeAlias

from underbutler.instruments.readout import FramePart

__all__ = ["choosing_parts", "chosen_parts"]

Choice: TypeAlias = Callable[[Sequence[FramePart]], Sequence[FramePart]]

_choice: ContextVar[Choice | None] = ContextVar("choice_of_parts", default=None)


@contextlib.contextmanager
def choosing_parts(choice: Choice) -> Iterator[None]:
    """Read only some images of a file inside the block: those that a function chooses of all."""
    token = _choice.set(choice)
    try:
        yield
    finally:
        _choice.reset(token)


def chosen_parts(parts: Sequence[FramePart]) -> tuple[FramePart, ...]:
    """Return the images of a file that are read; all of them outside of such a block."""
    choice = _choice.get()
    return tuple(parts if choice is None else choice(parts))
