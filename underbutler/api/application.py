"""The catalogue as an ASGI application of its own."""

from __future__ import annotations

from http import HTTPStatus

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from .error_responses import NoSuchPlaceError
from .responses import refusal
from .runs import Catalog, catalog_routes

__all__ = ["catalog_app"]


def catalog_app(catalog: Catalog) -> Starlette:
    """Return an application that serves the runs of a catalogue: ``uvicorn.run(catalog_app(Broker("sqlite:///…")))``.

    Parameters
    ----------
    catalog
        See `catalog_routes`.
    """
    return Starlette(routes=catalog_routes(catalog), exception_handlers={HTTPException: _no_route})


async def _no_route(request: Request, error: Exception) -> Response:
    """Answer in our words where no route fits."""
    status = error.status_code if isinstance(error, HTTPException) else HTTPStatus.INTERNAL_SERVER_ERROR
    path, method = request.url.path, request.method
    wrong = status == HTTPStatus.METHOD_NOT_ALLOWED
    what = f"{path} cannot be asked by {method}." if wrong else f"There is nothing at {path}."
    unknown = NoSuchPlaceError(
        f"{what} Ask GET /runs, /runs/{{uid}}, /runs/{{uid}}/documents "
        "or /runs/{uid}/streams/{name}/partitions/{i}.",
        cure="Ask GET /runs: it lists what there is.",
        path=path,
    )
    return refusal(request, unknown, status)
