"""The catalogue over HTTP: lists of runs, runs, their documents and arrays. May import catalog and errors."""

from __future__ import annotations

import math
from collections.abc import ItemsView, Mapping
from functools import partial
from itertools import chain, islice
from typing import Any, Final, Protocol
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from underbutler.catalog import BlueskyEventStream, BlueskyRun
from underbutler.catalog.remote_format import MSGPACK, VERSION
from underbutler.catalog.remote_partitions import Choice, check_partition, columns_of, references_of, run_summary

from .answers import answer, answered, streamed
from .parameters import OF_RUNS, Parameters
from .refusals import ParameterError

__all__ = ["Catalog", "catalog_routes"]

RUNS: Final = 100
MOST_RUNS: Final = 1000
"""Runs of a page: those that are given without a wish, and the most that are."""


class Catalog(Protocol):
    """What can be served: a `Broker`, or any mapping of uids to runs, newest first, that can be searched."""

    def search(self, query: Mapping[str, Any], /) -> Catalog:
        """Return the part of it that a query in MongoDB's words finds."""
        ...

    def items(self) -> ItemsView[str, BlueskyRun]:
        """Return uids and runs, newest first."""
        ...

    def __getitem__(self, uid: str, /) -> BlueskyRun: ...

    def __len__(self) -> int: ...


def catalog_routes(catalog: Catalog, prefix: str = "/runs") -> list[Route]:
    """Return the routes that serve the runs of a catalogue, for a Starlette application.

    ``GET /runs`` lists them, newest first: ``where`` (a query in JSON), ``limit``, ``skip``, ``before`` (from the page
    before), ``count=yes``. ``/runs/{uid}`` says what is known of one. ``/runs/{uid}/documents`` streams its documents
    as JSON lines or as MessagePack: ``fill``, ``strict_order``; ``/runs/{uid}/references`` those of them that events
    point to. ``/runs/{uid}/streams/{name}/partitions/{i}`` gives columns and arrays of some events as MessagePack:
    ``include``, ``exclude``, ``sub_dict``, ``fill``, ``partition_size``, ``descriptor``, ``skip``; and ``…/documents``
    below it their documents.

    Parameters
    ----------
    catalog
        What is served: searched and read anew for each request.
    prefix
        Where.
    """
    stream = f"{prefix}/{{uid}}/streams/{{name:path}}/partitions/{{index}}"
    endpoints = {
        prefix: _runs,
        f"{prefix}/{{uid}}": _run,
        f"{prefix}/{{uid}}/documents": _documents,
        f"{prefix}/{{uid}}/references": _references,
        f"{stream}/documents": _partition_documents,
        stream: _partition,
    }
    return [Route(path, answered(partial(endpoint, catalog)), methods=["GET"]) for path, endpoint in endpoints.items()]


def _runs(catalog: Catalog, request: Request) -> Response:
    asked = Parameters(request.query_params, {"where", "limit", "skip", "before", "count"} | OF_RUNS)
    limit, before = asked.number("limit", RUNS, most=MOST_RUNS), asked.text("before")
    where = asked.mapping("where")
    found = catalog.search(where) if where else catalog
    page: dict[str, Any] = {"version": VERSION}
    if asked.yes("count", default=False):
        page["count"] = len(found)
    if before is not None:
        found = found.search(_older(before))
    skip = asked.number("skip", 0)
    runs = [run for _, run in islice(found.items(), skip, skip + limit)] if limit else []
    page["runs"] = [{"uid": run.uid, "start": run.start, "stop": run.stop} for run in runs]
    more = len(runs) == limit and limit > 0
    page["before"] = f"{float(runs[-1].start['time'])!r},{runs[-1].uid}" if more else None
    page["next"] = f"?{_next(request, page['before'])}" if more else None
    return answer(request, page)


def _run(catalog: Catalog, request: Request) -> Response:
    asked = Parameters(request.query_params, OF_RUNS)
    run = _found(catalog, request)
    return answer(request, {"version": VERSION, "uid": run.uid, **run_summary(run, asked.size("partition_size"))})


def _documents(catalog: Catalog, request: Request) -> Response:
    asked = Parameters(request.query_params, {"fill", "strict_order"} | OF_RUNS)
    fill = asked.one_of("fill", ("no", "yes"), "no")
    documents = _found(catalog, request).documents(fill=fill, strict_order=asked.yes("strict_order", default=True))
    return streamed(request, chain(list(islice(documents, 1)), documents), arrays=fill == "yes")


def _references(catalog: Catalog, request: Request) -> Response:
    Parameters(request.query_params, OF_RUNS)
    return streamed(request, references_of(_found(catalog, request)), arrays=False)


def _partition(catalog: Catalog, request: Request) -> Response:
    known = {"include", "exclude", "sub_dict", "fill", "descriptor", "skip"}
    asked = Parameters(request.query_params, known | OF_RUNS)
    choice = Choice(
        size=asked.size("partition_size"),
        skip=asked.number("skip", 0),
        descriptor=asked.text("descriptor"),
        include=asked.names("include"),
        exclude=asked.names("exclude"),
        sub_dict=asked.one_of("sub_dict", ("data", "timestamps"), "data"),
        fill=asked.yes("fill", default=True),
    )
    return answer(request, columns_of(_stream(catalog, request), _index(request), choice), (MSGPACK,))


def _partition_documents(catalog: Catalog, request: Request) -> Response:
    asked = Parameters(request.query_params, {"fill"} | OF_RUNS)
    fill, size = asked.one_of("fill", ("no", "yes"), "no"), asked.size("partition_size")
    stream, index = _stream(catalog, request), _index(request)
    check_partition(stream, index, size)
    pairs = stream.read_partition({"index": index, "fill": fill, "partition_size": size})
    return streamed(request, pairs, arrays=fill == "yes")


def _found(catalog: Catalog, request: Request) -> BlueskyRun:
    return catalog[request.path_params["uid"]]


def _stream(catalog: Catalog, request: Request) -> BlueskyEventStream:
    return _found(catalog, request)[request.path_params["name"]]


def _index(request: Request) -> int:
    given = request.path_params["index"]
    try:
        return int(given)
    except ValueError as error:
        raise ParameterError(
            f"{given!r} is no number of a partition. They are counted from 0.", cure="Write 0, 1, 2 …"
        ) from error


def _older(before: str) -> dict[str, Any]:
    """Return the query for the runs that come after one in the list."""
    seconds, _, uid = before.partition(",")
    try:
        time = float(seconds)
    except ValueError:
        time = math.nan
    if not uid or not math.isfinite(time):
        raise ParameterError(
            f"before={before!r} is no place in a list of runs.",
            cure="Give what the page before said as 'before', or leave it out.",
        )
    return {"time": {"$lte": time}, "$or": [{"time": {"$lt": time}}, {"uid": {"$lt": uid}}]}


def _next(request: Request, before: str) -> str:
    kept = [(name, value) for name, value in request.query_params.multi_items() if name in {"where", "limit"}]
    return urlencode([*kept, ("before", before)])
