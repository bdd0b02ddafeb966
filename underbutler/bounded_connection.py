"""A connection to PostgreSQL that does not wait for ever: a server may be stopped, and its machine answer for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from psycopg import Connection

__all__ = ["ANSWER_S", "connector"]

ANSWER_S: Final = 60.0
"""Longest silence of the server, in seconds: as long as one waits for a machine that has vanished."""


def connector(answer_s: float) -> Callable[..., Connection[Any]]:
    """Return what connects as `psycopg.connect` does, to a server that answers in so many seconds or not at all.

    Raises
    ------
    ModuleNotFoundError
        If psycopg is not installed.
    """
    import psycopg

    class BoundedConnection(psycopg.Connection[Any]):
        """A connection that is closed when its server says nothing for too long."""

        def wait(self, gen: Any, *args: Any, **options: Any) -> Any:
            return super().wait(_bounded(gen, answer_s, self._give_up), *args, **options)

        def _give_up(self) -> psycopg.OperationalError:
            self.pgconn.finish()
            return psycopg.OperationalError(f"the server has not answered for {answer_s:g} s")

    return BoundedConnection.connect


def _bounded(gen: Generator[Any, Any, Any], answer_s: float, give_up: Callable[[], Exception]) -> Any:
    """Pass on what a conversation with the server waits for, until nothing has come for too long."""
    end = time.monotonic() + answer_s
    try:
        wanted = next(gen)
        while True:
            ready = yield wanted
            if ready:
                end = time.monotonic() + answer_s
            elif time.monotonic() > end:
                gen.close()
                raise give_up()
            wanted = gen.send(ready)
    except StopIteration as ended:
        return ended.value
