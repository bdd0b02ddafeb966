"""What every route needs: the server's site, and who asks. As dependencies of FastAPI."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from fastapi import Depends
from starlette.requests import Request

from .auth.principal import Principal
from .jobs.site import Site

__all__ = ["Asking", "Here", "asking", "site_of"]


def site_of(request: Request) -> Site:
    """Return what the server works with."""
    site: Site = request.app.state.site
    return site


def asking(request: Request, site: Annotated[Site, Depends(site_of)]) -> Principal:
    """Return who asks.

    Raises
    ------
    UnauthorizedError
        If nobody can tell.
    TooManyError
        If they ask too often.
    """
    origin = "" if request.client is None else request.client.host
    who = site.gate.principal(request.headers, origin)
    site.rate.count(who.user)
    return who


Here: TypeAlias = Annotated[Site, Depends(site_of)]
Asking: TypeAlias = Annotated[Principal, Depends(asking)]
