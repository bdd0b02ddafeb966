"""VOSI: whether the service is available, and what it can do."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter
from pydantic import AnyUrl
from starlette.requests import Request
from starlette.responses import Response
from vo_models.vodataservice.models import ParamHTTP
from vo_models.voresource.models import AccessURL, Capability, SecurityMethod
from vo_models.vosi.availability.models import Availability
from vo_models.vosi.capabilities.models import VOSICapabilities

from underbutler.api.asking import site_of
from underbutler.errors import RecordsUnavailableError

__all__ = ["routes"]

routes = APIRouter(tags=["VOSI"])

XML: Final = "application/xml"
_BEARER: Final = "ivo://ivoa.net/sso#OAuth"
_BASIC: Final = "ivo://ivoa.net/sso#BasicAA"
_STANDARDS: Final = (
    ("ivo://ivoa.net/std/UWS#async-1.1", "/async"),
    ("ivo://ivoa.net/std/DALI#sync-1.1", "/sync"),
    ("ivo://ivoa.net/std/VOSI#availability", "/availability"),
    ("ivo://ivoa.net/std/VOSI#capabilities", "/capabilities"),
)


@routes.get("/availability", summary="Whether the service is available.")
def availability(request: Request) -> Response:
    """Say whether jobs can be recorded now. Nobody is asked who they are."""
    try:
        site_of(request).jobs.ping()
        told = Availability(available=True)
    except RecordsUnavailableError:
        told = Availability(available=False, note=["The records do not answer now. Ask again later."])
    return Response(_written(told), media_type=XML)


@routes.get("/capabilities", summary="What the service can do, and how it asks who you are.")
def capabilities(request: Request) -> Response:
    """List the interfaces. Nobody is asked who they are."""
    base_url = site_of(request).base_url
    found = [
        Capability(
            standard_id=AnyUrl(standard), interface=[_interface(f"{base_url}{path}", open_to_all="VOSI" in standard)]
        )
        for standard, path in _STANDARDS
    ]
    return Response(_written(VOSICapabilities(capability=found)), media_type=XML)


def _interface(url: str, *, open_to_all: bool) -> ParamHTTP:
    methods = [] if open_to_all else [SecurityMethod(standard_id=AnyUrl(kind)) for kind in (_BEARER, _BASIC)]
    return ParamHTTP(
        role="std",
        access_url=[AccessURL(value=AnyUrl(url), use="full" if open_to_all else "base")],
        security_method=methods,
    )


def _written(model: Any) -> bytes:
    written: bytes = model.to_xml(skip_empty=True, encoding="utf-8", xml_declaration=True)
    return written
