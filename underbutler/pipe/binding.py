"""Elements of a target list, bound to butlers: wherever a reference stands in one, and unbound again after."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from underbutler.model.dataref import DataIdValue, DataRef, human_data_ids
from underbutler.model.message import has_kwargs

if TYPE_CHECKING:
    from collections.abc import Callable

    from underbutler.butlers import BoundDataRef, PutJournal, Repositories

__all__ = [
    "bound_element",
    "first_reference",
    "moved_element",
    "name_of",
    "plain_element",
    "references",
    "shared_data_id",
]


@contextmanager
def bound_element(
    element: Any,
    repositories: Repositories,
    declared: Mapping[str, Any] | None,
    journal: PutJournal | None = None,
    access_token: str | None = None,
) -> Iterator[Any]:
    """Bind every reference in an element of a target list; references of one place share their butlers.

    Parameters
    ----------
    element
        A pair of reference and kwargs, or what else a runner's `getTargetList` yields: references are found in tuples,
        lists and dicts.
    repositories
        Where labels lead to, in this process.
    declared
        The dataset types that may be put, by name.
    journal
        Is told of every output before it is written, and after.
    access_token
        Delegated token for a remote repository.
    """
    with ExitStack() as stack:
        first: dict[tuple[Any, ...], BoundDataRef] = {}

        def bound(ref: DataRef) -> DataRef:
            place = (ref.repo, ref.out, ref.run)
            if place not in first:
                opening = repositories.open(ref, journal=journal, declared=declared, access_token=access_token)
                first[place] = stack.enter_context(opening)
            return first[place].beside(ref)

        yield _mapped(element, bound)


def first_reference(element: Any) -> Any:
    """Return the reference of a target, or the first of several: what is written once for all of them is put there."""
    while type(element) in (list, tuple) and element:
        element = element[0]
    return element


def name_of(element: Any) -> str:
    """Return a target in words: the data ID of its reference, or what several references share."""
    named = element[0] if has_kwargs(element) else element
    refs = list(references(named))
    return human_data_ids([ref.data_id for ref in refs]) if refs else str(named)


def shared_data_id(element: Any) -> dict[str, DataIdValue]:
    """Return the data ID of a target's reference, or what all of several share."""
    refs = list(references(element[0] if has_kwargs(element) else element))
    if not refs:
        return {}
    first, *others = refs
    return {key: value for key, value in first.data_id.items() if all(o.data_id.get(key) == value for o in others)}


def references(element: Any) -> Iterator[DataRef]:
    """Return the references that stand in an element, in order."""
    if isinstance(element, DataRef):
        yield element
    elif type(element) in (list, tuple):
        for item in element:
            yield from references(item)
    elif type(element) is dict:
        yield from references(list(element.values()))


def plain_element(element: Any) -> Any:
    """Return an element with every bound reference replaced by its plain value."""
    return _mapped(element, lambda ref: DataRef.from_json(ref.to_json()))


def moved_element(element: Any, before: str, after: str) -> Any:
    """Return an element whose references that write to the RUN `before`, or to one below it, write to `after`."""

    def moved(ref: DataRef) -> DataRef:
        if ref.run == before or (ref.run or "").startswith(f"{before}/"):
            return ref.replaced(run=f"{after}{(ref.run or '').removeprefix(before)}")
        return ref

    return _mapped(element, moved)


def _mapped(value: Any, function: Callable[[DataRef], DataRef]) -> Any:
    if isinstance(value, DataRef):
        return function(value)
    if type(value) in (list, tuple):
        return type(value)(_mapped(item, function) for item in value)
    if type(value) is dict:
        return {key: _mapped(item, function) for key, item in value.items()}
    return value
