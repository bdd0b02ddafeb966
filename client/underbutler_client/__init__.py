"""Underbutler over HTTP: jobs are submitted, awaited and fetched, with one small package and no science package.

It may import httpx, pydantic and rich, and nothing of the service. What is named here loads at first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from .asynchronous import AsyncClient as AsyncClient
    from .blocking import Client as Client
    from .documents import Event as Event
    from .documents import Job as Job
    from .documents import Notice as Notice
    from .documents import Product as Product
    from .documents import Target as Target
    from .errors import ClientError as ClientError
    from .errors import LostEventsError as LostEventsError
    from .errors import NotFoundError as NotFoundError
    from .errors import RefusedError as RefusedError
    from .errors import ServerError as ServerError
    from .errors import UnavailableError as UnavailableError
    from .errors import WrongFileError as WrongFileError

__version__ = "0.1.0"

_HOME_OF: Final = {
    "AsyncClient": "asynchronous",
    "Client": "blocking",
    "ClientError": "errors",
    "Event": "documents",
    "Job": "documents",
    "LostEventsError": "errors",
    "NotFoundError": "errors",
    "Notice": "documents",
    "Product": "documents",
    "RefusedError": "errors",
    "ServerError": "errors",
    "Target": "documents",
    "UnavailableError": "errors",
    "WrongFileError": "errors",
}

__all__ = [  # noqa: PLE0604 - names of the table above
    *_HOME_OF,
    "__version__",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_HOME_OF[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
