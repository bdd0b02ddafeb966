"""A stopwatch that knows the parts of one call: functions are wrapped, and what a part calls counts for itself."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

REST = "the rest"


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds on the clock, and of this process on a core: what lies between them is waiting."""

    clock: float = 0.0
    cpu: float = 0.0

    def __add__(self, other: Spent) -> Spent:
        return Spent(self.clock + other.clock, self.cpu + other.cpu)

    def __sub__(self, other: Spent) -> Spent:
        return Spent(self.clock - other.clock, self.cpu - other.cpu)

    @classmethod
    def now(cls) -> Spent:
        """Read both clocks."""
        return cls(time.perf_counter(), time.process_time())


class Stopwatch:
    """Measures where one call spends its time.

    The time of a part that is called inside of another one is taken off the outer one, so that the parts add up to the
    whole; what belongs to none is `REST`.
    """

    def __init__(self) -> None:
        self._parts: dict[str, Spent] = {}
        self._stack: list[str] = []
        self._since = Spent()

    def measure(self, action: Callable[[], object]) -> Mapping[str, Spent]:
        """Call an action and return what each of its parts took."""
        self._parts = {}
        with self.part(REST):
            action()
        return dict(self._parts)

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Count the time inside the block for a part."""
        self._switch()
        self._stack.append(name)
        try:
            yield
        finally:
            self._switch()
            self._stack.pop()

    def wrap(self, owner: Any, name: str, part: str) -> None:
        """Count calls of a function, or of a class's method, for a part."""
        inner = getattr(owner, name)

        @functools.wraps(inner)
        def timed(*args: Any, **kwargs: Any) -> Any:
            with self.part(part):
                return inner(*args, **kwargs)

        setattr(owner, name, timed)

    def wrap_context(self, owner: Any, name: str, part: str) -> None:
        """Count entering and leaving of a context manager for a part, and not what is inside of its block."""
        inner = getattr(owner, name)

        @contextmanager
        def timed(*args: Any, **kwargs: Any) -> Iterator[Any]:
            with self.part(part):
                context: AbstractContextManager[Any] = inner(*args, **kwargs)
                value = context.__enter__()
            try:
                yield value
            except BaseException as error:
                with self.part(part):
                    if not context.__exit__(type(error), error, error.__traceback__):
                        raise
            else:
                with self.part(part):
                    context.__exit__(None, None, None)

        setattr(owner, name, timed)

    def _switch(self) -> None:
        now = Spent.now()
        if self._stack:
            name = self._stack[-1]
            self._parts[name] = self._parts.get(name, Spent()) + (now - self._since)
        self._since = now
