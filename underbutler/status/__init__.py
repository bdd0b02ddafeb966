"""Whether the service is well: each part is asked, side by side and within two seconds, and none is waited for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from underbutler.lazy import lazy_names

if TYPE_CHECKING:
    from .findings import Finding as Finding
    from .findings import PartState as PartState
    from .findings import State as State
    from .schema import status_schema as status_schema
    from .service import ServiceState as ServiceState
    from .service import take as take

_HOME_OF = {
    "Finding": ".findings",
    "PartState": ".findings",
    "ServiceState": ".service",
    "State": ".findings",
    "status_schema": ".schema",
    "take": ".service",
}

__all__ = [*_HOME_OF]  # noqa: PLE0604 - names of the table above


__getattr__, __dir__ = lazy_names(__name__, _HOME_OF)
