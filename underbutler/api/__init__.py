"""HTTP: runs for programs on other machines.

Needs Starlette, which the extra ``api`` installs; it is imported at first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from underbutler.lazy import lazy_names

if TYPE_CHECKING:
    from .application import catalog_app as catalog_app
    from .runs import Catalog as Catalog
    from .runs import catalog_routes as catalog_routes

_HOME_OF = {"Catalog": ".runs", "catalog_app": ".application", "catalog_routes": ".runs"}

__all__ = list(_HOME_OF)

__getattr__, __dir__ = lazy_names(__name__, _HOME_OF)
