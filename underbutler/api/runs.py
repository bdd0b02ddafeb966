"""The catalogue over HTTP: lists of runs, runs, their documents and arrays."""

from __future__ import annotations

import math
import re
import threading
from collections.abc import ItemsView, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import partial
from itertools import chain, islice
from typing import Any, Final, Protocol
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from underbutler.catalog import BlueskyEventStream, BlueskyRun
from underbutler.catalog.remote.partitions import Choice, check_partition, columns_of, references_of, run_summary
from underbutler.catalog.remote.wire_format import MSGPACK, VERSION
from underbutler.wording import shortened

from .error_responses import BusyError, ParameterError
from .parameters import DocumentParameters, ListParameters, Parameters, PartitionDocumentParameters, PartitionParameters
from .responses import answer, answered, streamed

__all__ = ["Catalog", "catalog_routes"]

SEARCHES: Final = 8
"""Searches at once; less than threads and connections of a server."""

SEARCH_WAIT_S: Final = 2.0
"""So long does another one wait, in seconds."""

_SEARCHES = threading.BoundedSemaphore(SEARCHES)


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
    asked = ListParameters.read(request.query_params)
    with _searching() if asked.where else nullcontext():
        return answer(request, _page(catalog, request, asked))


@contextmanager
def _searching() -> Iterator[None]:
    """Let some search at once: the others' threads and connections stay free for who reads runs."""
    if not _SEARCHES.acquire(timeout=SEARCH_WAIT_S):
        raise BusyError("As many searches as this server makes at once are going on. Ask again soon.")
    try:
        yield
    finally:
        _SEARCHES.release()


def _page(catalog: Catalog, request: Request, asked: ListParameters) -> dict[str, Any]:
    found = catalog.search(asked.where) if asked.where else catalog
    page: dict[str, Any] = {"version": VERSION}
    if asked.count:
        page["count"] = len(found)
    if asked.before is not None:
        found = found.search(_older(asked.before))
    runs = [run for _, run in islice(found.items(), asked.skip, asked.skip + asked.limit)] if asked.limit else []
    page["runs"] = [{"uid": run.uid, "start": run.start, "stop": run.stop} for run in runs]
    more = len(runs) == asked.limit and asked.limit > 0
    page["before"] = f"{float(runs[-1].start['time'])!r},{runs[-1].uid}" if more else None
    page["next"] = f"?{_next(request, page['before'])}" if more else None
    return page


def _run(catalog: Catalog, request: Request) -> Response:
    asked = Parameters.read(request.query_params)
    run = _found(catalog, request)
    return answer(request, {"version": VERSION, "uid": run.uid, **run_summary(run, asked.partition_size)})


def _documents(catalog: Catalog, request: Request) -> Response:
    asked = DocumentParameters.read(request.query_params)
    fill = "yes" if asked.fill else "no"
    documents = _found(catalog, request).documents(fill=fill, strict_order=asked.strict_order)
    return streamed(request, chain(list(islice(documents, 1)), documents), arrays=asked.fill)


def _references(catalog: Catalog, request: Request) -> Response:
    Parameters.read(request.query_params)
    return streamed(request, references_of(_found(catalog, request)), arrays=False)


def _partition(catalog: Catalog, request: Request) -> Response:
    asked = PartitionParameters.read(request.query_params)
    choice = Choice(
        size=asked.partition_size,
        skip=asked.skip,
        descriptor=asked.descriptor,
        include=asked.include,
        exclude=asked.exclude,
        sub_dict=asked.sub_dict,
        fill=asked.fill,
    )
    return answer(request, columns_of(_stream(catalog, request), _index(request), choice), (MSGPACK,))


def _partition_documents(catalog: Catalog, request: Request) -> Response:
    asked = PartitionDocumentParameters.read(request.query_params)
    stream, index = _stream(catalog, request), _index(request)
    check_partition(stream, index, asked.partition_size)
    fill = "yes" if asked.fill else "no"
    pairs = stream.read_partition({"index": index, "fill": fill, "partition_size": asked.partition_size})
    return streamed(request, pairs, arrays=asked.fill)


def _found(catalog: Catalog, request: Request) -> BlueskyRun:
    return catalog[request.path_params["uid"]]


def _stream(catalog: Catalog, request: Request) -> BlueskyEventStream:
    return _found(catalog, request)[request.path_params["name"]]


def _index(request: Request) -> int:
    given = request.path_params["index"]
    if not re.fullmatch("-?[0-9]{1,18}", given):
        raise ParameterError(
            f"{shortened(given)} is not a partition number. They are counted from 0.", cure="Write 0, 1, 2 …"
        )
    return int(given)


def _older(before: str) -> dict[str, Any]:
    """Return the query for the runs that come after one in the list."""
    seconds, _, uid = before.partition(",")
    try:
        time = float(seconds)
    except ValueError:
        time = math.nan
    if not uid or not math.isfinite(time):
        raise ParameterError(
            f"before={shortened(before)} is not a position in a list of runs.",
            cure="Give what the page before said as 'before', or leave it out.",
        )
    return {"time": {"$lte": time}, "$or": [{"time": {"$lt": time}}, {"uid": {"$lt": uid}}]}


def _next(request: Request, before: str) -> str:
    kept = [(name, value) for name, value in request.query_params.multi_items() if name in {"where", "limit"}]
    return urlencode([*kept, ("before", before)])
