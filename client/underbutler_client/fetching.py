"""A product as a file: under a name of its own until all of it is there, resumed after a break, compared in the end."""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import httpx

from .errors import UnavailableError, WrongFileError
from .exchange import TRIES, pause_s

if TYPE_CHECKING:
    from collections.abc import Callable

    from .documents import Product
    from .exchange import Exchange

__all__ = ["fetch", "file_name"]

_SUFFIXES: Final = {
    "image/fits": ".fits",
    "application/fits": ".fits",
    "image/png": ".png",
    "application/vnd.apache.parquet": ".parquet",
    "application/json": ".json",
    "application/yaml": ".yaml",
}


def file_name(product: Product) -> str:
    """Return a name that tells products of a job from each other: dataset type, data ID, kind of file."""
    words = [product.dataset_type]
    if isinstance(product.data_id, dict):
        words += [f"{name}={product.data_id[name]}" for name in sorted(product.data_id)]
    if product.dataset_id is not None:
        words.append(str(product.dataset_id)[-8:])
    kept = "".join(c if c.isalnum() or c in "=-_." else "_" for c in "-".join(map(str, words)))
    return kept.strip(".")[:200] + _SUFFIXES.get((product.mime_type or "").partition(";")[0].strip(), "")


async def fetch(
    exchange: Exchange, product: Product, path: Path, told: Callable[[int, int | None], object] | None = None
) -> Path:
    """Fetch a product into a file, and return the file.

    Parameters
    ----------
    exchange
        The connection.
    product
        What is fetched.
    path
        The file. One that is there already with the announced SHA-256 is not fetched again.
    told
        Called with the bytes that are there, and those of the whole where that is known.

    Raises
    ------
    WrongFileError
        If what came is not what was announced; nothing of it stays.
    ClientError
        If the server refuses, or breaks off again and again.
    """
    if product.sha256 and await asyncio.to_thread(_sha256, path) == product.sha256:
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    breaks = 0
    while True:
        there = part.stat().st_size if part.exists() else 0
        try:
            await _append(exchange, product, part, there, told)
            break
        except (httpx.TransportError, UnavailableError) as error:
            came = part.exists() and part.stat().st_size > there
            breaks = 1 if came else breaks + 1  # only breaks that bring nothing count
            if breaks >= TRIES:
                raise error if isinstance(error, UnavailableError) else exchange.away(error) from error
            await asyncio.sleep(pause_s(breaks))
    wrong = await asyncio.to_thread(_wrong, product, part)
    if wrong:
        part.unlink()
        raise WrongFileError(f"{product.href} is not what was announced: {wrong}.", cure="Fetch it again.")
    part.replace(path)
    return path


async def _append(
    exchange: Exchange, product: Product, part: Path, there: int, told: Callable[[int, int | None], Any] | None
) -> None:
    if there and there == product.byte_size:
        return
    headers = {"Range": f"bytes={there}-"} if there else {}
    # As it is: an answer that is packed on the way has other lengths than the file.
    async with exchange.stream(product.href, headers=headers | {"Accept-Encoding": "identity"}) as answer:
        # A server that knows no ranges sends the whole: it begins anew.
        resumed = answer.status_code == 206
        came = there if resumed else 0
        with part.open("ab" if resumed else "wb") as file:
            async for (
                piece
            ) in answer.aiter_bytes():  # as it comes: what a larger piece held back would be lost in a break
                file.write(piece)
                came += len(piece)
                if told is not None:
                    told(came, product.byte_size)


def _wrong(product: Product, part: Path) -> str:
    size = part.stat().st_size
    if product.byte_size is not None and size != product.byte_size:
        return f"{size} bytes instead of {product.byte_size}"
    if product.sha256 and (found := _sha256(part)) != product.sha256:
        return f"its SHA-256 is {found} instead of {product.sha256}"
    return ""


def _sha256(path: Path) -> str:
    with suppress(FileNotFoundError), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
    return ""
