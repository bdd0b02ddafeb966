"""The configuration that an instrument's map says for a task, when all data of a request are of one instrument."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from underbutler.errors import TransientError, UsageError
from underbutler.pipe.request import JobRequest, Override

from .overrides import table_items

if TYPE_CHECKING:
    from underbutler.butlers import Repositories

__all__ = ["instrument_defaults"]

_IN_QUERY = re.compile(r"\binstrument(?:\.name)?\s*=\s*'([^']+)'")


def instrument_defaults(request: JobRequest, repositories: Repositories) -> tuple[Override, ...]:
    """Return the overrides that the map of the request's one instrument says for its task; none for several.

    A request that repeats a recorded one has what its instrument said then.

    Parameters
    ----------
    request
        The request.
    repositories
        They keep the maps.
    """
    step = request.steps[0]
    if any(one.origin for one in step.config) or any(one.args for one in step.targets or ()):
        return ()
    try:
        names = set(_instruments(request)) or _registered(request, repositories)
        if len(names) != 1:
            return ()
        (name,) = names
        instrument = repositories.instrument_map(request.repo, name)
    except (UsageError, TransientError):
        return ()  # the repository tells what is wrong with it when it is opened
    table = {} if instrument is None else instrument.defaults.get(step.task, {})
    return tuple(Override(path=path, value=value, origin=name) for path, value in table_items(table))


def _registered(request: JobRequest, repositories: Repositories) -> set[str]:
    """Return the instruments of the repository: of one, data IDs need not name it."""
    from underbutler.butlers.data_ids import instruments

    with repositories.butler(request.repo) as butler:
        return set(instruments(butler))


def _instruments(request: JobRequest) -> Iterator[str]:
    """Yield the names of instruments in a request."""
    step = request.steps[0]
    for expressions in step.ids.values():
        for words in expressions:
            for word in words:
                key, _, values = word.partition("=")
                if key.strip() == "instrument":
                    yield from (value.strip() for value in values.split("^"))
    yield from _IN_QUERY.findall(step.where)
    for target in step.targets or ():
        if target.data_id is not None and "instrument" in target.data_id:
            yield str(target.data_id["instrument"])
