"""What a job made: listed with hrefs that never change, and fetched from the annex or out of the Butler."""

from __future__ import annotations

import io
import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import RedirectResponse, Response, StreamingResponse

from underbutler.butlers.media_types import media_type
from underbutler.butlers.translation import translate_butler_errors
from underbutler.errors import LostDatasetError, UnknownNameError
from underbutler.model.identity import short_id

if TYPE_CHECKING:
    from underbutler.api.jobs.site import Site
    from underbutler.records import JobRow, ProductRow

__all__ = ["RESULT", "Result", "fetched", "results_of"]

RESULT: Final = "result"
"""Name of the table of all results: clients look for one of this name."""
VOTABLE: Final = "application/x-votable+xml"
MOST: Final = 1000
"""Of more datasets a job's document lists none: the table of all results does."""
SIGNED_FOR_S: Final = 900
"""A signed URL is good for so long, in seconds."""
CHUNK_BYTES: Final = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One result: its name in the job, its type, and its size in bytes if that is known."""

    name: str
    mime_type: str | None
    byte_size: int | None = None


def results_of(site: Site, row: JobRow) -> list[Result]:
    """Return the results of a job that has ended; a job that has not has none yet."""
    if not row.phase.ended or not row.n_targets:
        return []
    products = site.jobs.read.products(row.id)
    table = [Result(name=RESULT, mime_type=VOTABLE)] if products else []
    if len(products) > MOST:
        return table
    return table + [
        Result(name=_name(product), mime_type=product.mime_type, byte_size=product.byte_size) for product in products
    ]


def fetched(site: Site, row: JobRow, name: str, method: str) -> Response:
    """Return a result: the table, a redirection to a signed URL of the annex, or the bytes out of the Butler.

    Raises
    ------
    UnknownNameError
        If the job has no such result.
    LostDatasetError
        If the Butler has it no more.
    """
    products = site.jobs.read.products(row.id)
    if name == RESULT and products and row.phase.ended:
        return Response(_table(site, row, products), media_type=VOTABLE)
    product = next((one for one in products if _name(one) == name), None)
    if product is None:
        raise UnknownNameError(
            f"Job {short_id(row.id)} has no result {name[:80]!r}. List them: …/results.", name=name[:80]
        )
    if product.url is not None:
        return RedirectResponse(_signed(site, product.url, method), 303)
    return _out_of_the_butler(site, row, product.dataset_id, method)


def _name(product: ProductRow) -> str:
    return f"{product.dataset_type}.{product.dataset_id}"


def _signed(site: Site, url: str, method: str) -> str:
    bucket, _, key = url.removeprefix("s3://").partition("/")
    operation = "head_object" if method == "HEAD" else "get_object"  # a signature is good for one method
    signed: str = site.context.s3.generate_presigned_url(
        operation, Params={"Bucket": bucket, "Key": key}, ExpiresIn=SIGNED_FOR_S
    )
    return signed


def _out_of_the_butler(site: Site, row: JobRow, dataset: uuid.UUID, method: str) -> Response:
    with translate_butler_errors(row.out), site.context.repositories.butler(row.out) as butler:
        ref = butler.get_dataset(dataset)
        if ref is None:
            raise LostDatasetError(
                f"The repository {row.out!r} does not hold this dataset any more.", dataset=str(dataset)
            )
        place = butler.getURI(ref)
        size = place.size()
    headers = {"Content-Length": str(size), "Content-Disposition": f'attachment; filename="{place.basename()}"'}
    content = iter(()) if method == "HEAD" else _chunks(place)
    return StreamingResponse(content, media_type=media_type(place.basename()), headers=headers)


def _chunks(place: Any) -> Iterator[bytes]:
    with place.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk


def _table(site: Site, row: JobRow, products: list[ProductRow]) -> bytes:
    """Return the table of all results as a VOTable, one row for each dataset."""
    from astropy.table import Table

    texts: dict[str, list[str]] = {
        "dataset_id": [str(one.dataset_id) for one in products],
        "dataset_type": [one.dataset_type for one in products],
        "data_id": [json.dumps(one.data_id) for one in products],
        "access_url": [f"{site.base_url}/async/{row.id}/results/{_name(one)}" for one in products],
        "access_format": [one.mime_type or "" for one in products],
        "sha256": [one.sha256 or "" for one in products],
    }
    table = Table(texts)
    table["access_estsize"] = [one.byte_size or 0 for one in products]
    table["access_estsize"].unit = "byte"
    table.meta["description"] = f"What job {row.id} made."
    written = io.BytesIO()
    table.write(written, format="votable")
    return written.getvalue()
