"""What is wrong with a request: every fault at once, each with the name of its field."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from underbutler.errors import UnknownNameError, UsageError

__all__ = ["Fault", "Faults", "RequestError", "UnknownNamesError", "request_error"]


@dataclasses.dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a request.

    Parameters
    ----------
    field
        Which field, e.g. ``steps[0].config[2]``; empty for the whole request.
    message
        What is wrong and what to do.
    error
        What said so.
    """

    field: str
    message: str
    error: UsageError | None = dataclasses.field(default=None, compare=False, repr=False)


class RequestError(UsageError):
    """The request cannot succeed as written."""

    faults: tuple[Fault, ...] = ()
    """All that is wrong with it."""


class UnknownNamesError(RequestError, UnknownNameError):
    """All that is wrong with the request is names that are not known."""


class Faults:
    """Collects what is wrong with a request while it is looked at."""

    def __init__(self) -> None:
        self.found: list[Fault] = []

    def __bool__(self) -> bool:
        return bool(self.found)

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        """Note a `UsageError` of the block as a fault of a field, and go on after the block."""
        try:
            yield
        except RequestError as error:
            self.found += error.faults
        except UsageError as error:
            self.add(name, error)

    def add(self, name: str, error: UsageError) -> None:
        """Note an error as a fault of a field."""
        self.found.append(Fault(name, str(error), error))

    def raise_if_any(self) -> None:
        """Raise one error that lists every fault.

        Raises
        ------
        RequestError
            If there is a fault.
        """
        if self.found:
            raise request_error(self.found)


def request_error(faults: Sequence[Fault]) -> RequestError:
    """Return the one error of some faults: one alone is told in its own words, several with their fields."""
    errors = [fault.error for fault in faults]
    kind = UnknownNamesError if all(isinstance(error, UnknownNameError) for error in errors) else RequestError
    error = kind(_text(faults), **_fields(faults))
    error.faults = tuple(faults)
    return error


def _text(faults: Sequence[Fault]) -> str:
    if len(faults) > 1:
        return "\n".join([f"The request has {len(faults)} faults:", *(f"  {_line(fault)}" for fault in faults)])
    fault = faults[0]
    return fault.message if fault.error is not None else _line(fault)


def _line(fault: Fault) -> str:
    return f"{fault.field}: {fault.message}" if fault.field else fault.message


def _fields(faults: Sequence[Fault]) -> dict[str, object]:
    own = dict(faults[0].error.fields) if len(faults) == 1 and faults[0].error is not None else {}
    return own | {"faults": [{"field": fault.field, "message": fault.message} for fault in faults]}
