"""The submission API as one ASGI application."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware

from underbutler.broker import make_app, send_to_every_queue
from underbutler.errors import UnderbutlerError
from underbutler.pipe.request import request_schema
from underbutler.version import __version__

from .auth.front import Front
from .auth.gate import Gate
from .auth.rate import Rate
from .jobs.bell import Bell
from .jobs.site import Site
from .problems import answer_with_problem
from .uws.jobs import routes as uws_routes
from .uws.sync import routes as sync_routes
from .uws.vosi import routes as vosi_routes
from .v1.events import routes as event_routes
from .v1.health import routes as health_routes
from .v1.jobs import routes as job_routes
from .v1.operations import routes as operation_routes
from .v1.targets import routes as target_routes
from .v1.tasks import routes as task_routes
from .v1.why import routes as why_routes

if TYPE_CHECKING:
    from underbutler.context import ServiceContext

__all__ = ["service_app"]

_ROUTES: Final = (
    job_routes,
    target_routes,
    task_routes,
    why_routes,
    operation_routes,
    event_routes,
    health_routes,
    uws_routes,
    sync_routes,
    vosi_routes,
)
_SCHEME: Final = {"bearer": {"type": "http", "scheme": "bearer"}}


def service_app(
    context: ServiceContext, *, base_url: str, hosts: Iterable[str] = (), own_token: bool = False
) -> FastAPI:
    """Return the application.

    Parameters
    ----------
    context
        Records, butlers, annex; closed by whoever opened it.
    base_url
        Where clients reach it: what its answers link to.
    hosts
        Further names by which it may be asked.
    own_token
        Make a token that is good while the process lives; it is in ``app.state.site.gate.own``.
    """
    settings = context.settings
    bell = Bell(context.jobs, settings.records_url)
    sender = make_app(settings, "api")
    send_to_every_queue(sender, settings)

    @asynccontextmanager
    async def life(_app: FastAPI) -> AsyncIterator[None]:
        async with bell:
            yield

    front = Middleware(Front, base_url=base_url, hosts=list(hosts), max_body_bytes=settings.api_max_body_bytes)
    app = FastAPI(
        title="Underbutler",
        version=__version__,
        summary="Submit tasks on data IDs, follow them, and fetch what they made.",
        docs_url=None,
        redoc_url=None,
        lifespan=life,
        middleware=[front],
    )
    app.state.site = Site(
        context=context,
        app=sender,
        gate=Gate(context.jobs, settings, own_token=own_token),
        rate=Rate(settings.api_requests_per_s),
        bell=bell,
        base_url=base_url,
    )
    for kind in (UnderbutlerError, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, answer_with_problem)
    app.add_exception_handler(Exception, answer_with_problem)
    for routes in _ROUTES:
        app.include_router(routes)
    _describe(app)
    return app


def _describe(app: FastAPI) -> None:
    """Complete the description: the schema of a request, and how to say who asks."""
    plain = app.openapi

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = plain()
            schema = request_schema()
            schema.pop("$schema", None)
            parts = document.setdefault("components", {})
            schemas = parts.setdefault("schemas", {})
            schemas.update(_moved(schema.pop("$defs", {})))
            schemas["JobRequest"] = _moved(schema)
            parts["securitySchemes"] = _SCHEME
            document["security"] = [{"bearer": []}]
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = described  # type: ignore[method-assign]


def _moved(schema: Any) -> Any:
    """Return a schema whose references lead to where OpenAPI has its schemas."""
    if isinstance(schema, dict):
        return {
            name: one.replace("#/$defs/", "#/components/schemas/") if name == "$ref" else _moved(one)
            for name, one in schema.items()
        }
    return [_moved(one) for one in schema] if isinstance(schema, list) else schema
