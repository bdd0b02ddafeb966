"""Processes that die between any two statements of the records, or after a commit whose answer they never hear."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from functools import partial
from typing import Any

from sqlalchemy import Connection, Engine, event, select

from tests.support.records.rows import let_send_lease_expire
from underbutler.model.job import Phase
from underbutler.records import Claim, JobStore
from underbutler.sql import metadata, read


class Died(BaseException):
    """The process is no more."""


@dataclass
class Death:
    """When a process dies: at an event, which is a statement or a commit, counted from 0.

    Parameters
    ----------
    number
        At which event.
    after
        Whether it dies after the event instead of before: after a commit its answer is lost.
    committed
        Whether anything had been committed by then.
    commits
        The events that were commits.
    """

    number: int
    after: bool
    committed: bool = False
    seen: int = 0
    commits: list[int] = field(default_factory=list)

    def commit(self) -> None:
        """Remember that what is done now cannot be taken back."""
        self.committed = True
        self.commits.append(self.seen)

    def before(self, connection: Connection | None) -> None:
        """Die before an event, if it is time."""
        if self.seen == self.number and not self.after:
            self._die(connection)

    def done(self, connection: Connection | None) -> None:
        """Die after an event, if it is time."""
        self.seen += 1
        if self.seen == self.number + 1 and self.after:
            self._die(connection)

    def _die(self, connection: Connection | None) -> None:
        if connection is not None:
            connection.connection.rollback()  # as the database does when the connection breaks
            connection.invalidate()
        raise Died


NEVER = -1
"""An event that does not come."""


@contextmanager
def death(engine: Engine, number: int, *, after: bool) -> Iterator[Death]:
    """Let whoever works on this engine inside the block die at one event; `Died` comes out, if there were so many."""
    when = Death(number, after)

    def before_statement(connection: Connection, *_: Any) -> None:
        when.before(connection)

    def after_statement(connection: Connection, _cursor: Any, statement: str, *_: Any) -> None:
        alone = connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT"
        if alone and not statement.startswith("SELECT"):
            when.commit()
        when.done(connection)

    really_commit = engine.dialect.do_commit

    def commit(connection: Any) -> None:
        really_commit(connection)
        when.commit()
        when.done(None)

    listeners = {
        "before_cursor_execute": before_statement,
        "after_cursor_execute": after_statement,
        "commit": when.before,
    }
    for name, listener in listeners.items():
        event.listen(engine, name, listener)
    engine.dialect.do_commit = commit  # type: ignore[method-assign]
    try:
        yield when
    finally:
        engine.dialect.do_commit = really_commit  # type: ignore[method-assign]
        for name, listener in listeners.items():
            event.remove(engine, name, listener)


def everything(engine: Engine) -> dict[str, list[tuple[Any, ...]]]:
    """Return every row of every table."""
    with read(engine) as connection:
        return {
            table.name: sorted(map(tuple, connection.execute(select(table))), key=repr)
            for table in metadata.sorted_tables
        }


class MortalStore:
    """Records that are called by processes which die: the call is then repeated by whoever comes next.

    Until then nothing may have changed, unless it was committed.

    Parameters
    ----------
    store, engine
        What is called, and on what.
    """

    def __init__(self, store: JobStore, engine: Engine) -> None:
        self._store = store
        self._engine = engine
        self.plans: list[tuple[int, bool]] = []
        """At which event the next calls that write die, one each, and whether after it."""
        self.deaths: Counter[tuple[str, bool]] = Counter()
        """How often each verb died, and whether after it had committed."""

    def __getattr__(self, name: str) -> MortalRole:
        return MortalRole(self, name, getattr(self._store, name))

    def call(self, name: str, verb: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if name in _READING or not self.plans:
            return verb(*args, **kwargs)
        number, after = self.plans.pop(0)
        before = everything(self._engine)
        try:
            with death(self._engine, number, after=after) as when:
                return verb(*args, **kwargs)
        except Died:
            self.deaths[name, when.committed] += 1
        if not when.committed:
            assert everything(self._engine) == before, f"{name} had not committed"
        if not when.committed or name not in _KNOWN_FROM_ROWS:
            return verb(*args, **kwargs)
        changed = everything(self._engine) != before
        return _KNOWN_FROM_ROWS[name](self._store, before, args, kwargs) if changed else verb(*args, **kwargs)


@dataclass
class MortalRole:
    """A role of mortal records: its verbs are called by processes which die."""

    mortal: MortalStore
    name: str
    role: Any

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return partial(self.mortal.call, f"{self.name}.{name}", getattr(self.role, name))


def _job_as_recorded(store: JobStore, _before: Any, args: Any, _kwargs: Any) -> Any:
    return store.read.job(args[0].id)


def _claim_as_recorded(store: JobStore, _before: Any, _args: Any, kwargs: Any) -> Claim:
    """Return the claim that a child was granted and never heard of."""
    target, claim = store.read.target(kwargs["target"]), store.read.claims(kwargs["target"])[-1]
    known = {name: getattr(source, name) for source in (claim, target) for name in _names(Claim) & _names(type(source))}
    return Claim(**known | {"target": target.id, "job": target.job_id, "delivering": target.state == "delivering"})


def _names(kind: type[Any]) -> set[str]:
    return {one.name for one in fields(kind)}


def _destroyed_as_recorded(store: JobStore, before: Any, _args: Any, _kwargs: Any) -> Any:
    archived = {row[0] for row in before["job"] if Phase.ARCHIVED in row}
    return [job.id for job in store.read.jobs(limit=None) if job.phase is Phase.ARCHIVED and job.id not in archived]


def _taken_again(store: JobStore, _before: Any, _args: Any, _kwargs: Any) -> Any:
    let_send_lease_expire(store._engine)
    return store.outbox.take()


_READING = ("leases.of_worker", "leases.expired", "outbox.count_sent", "outbox.queues", "outbox.oldest_sent")
_KNOWN_FROM_ROWS: dict[str, Callable[..., Any]] = {
    "submissions.create_job": _job_as_recorded,
    "claims.grant": _claim_as_recorded,
    "lifetimes.destroy_due": _destroyed_as_recorded,
    "outbox.take": _taken_again,
}
"""Verbs that say something else when they are repeated after a commit: how their callers go on."""
