"""Requests and answers: sent again while a server is away, and read as what they say."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import httpx

from .errors import ClientError, NotFoundError, RefusedError, ServerError, UnavailableError

__all__ = ["Exchange", "pause_s"]

TRIES: Final = 5
"""So often a request is sent that may be sent again."""
LONGEST_S: Final = 8.0
"""Longest pause between two tries, in seconds."""
BUSY: Final = frozenset({429, 502, 503, 504})
"""Statuses that say: later."""


def pause_s(number: int, asked: str | None = None) -> float:
    """Return how long to wait before another try, in seconds.

    Parameters
    ----------
    number
        How many tries there were.
    asked
        What the server asked for by ``Retry-After``.
    """
    if asked is not None and asked.isdigit():
        return min(float(asked), LONGEST_S)
    # Half of it by chance: clients that were cut off at one moment must not come back at one moment.
    longest: float = min(LONGEST_S, 0.25 * 2.0**number)
    return longest * (0.5 + 0.5 * random.random())  # noqa: S311 - spreads load, hides nothing


class Exchange:
    """A connection to a server.

    Parameters
    ----------
    url
        Where the service is, ``https://site/underbutler``.
    token
        Bearer token; None where none is asked for.
    timeout_s
        Longest silence of the server, in seconds.
    transport
        Another way to the server, for tests.
    """

    def __init__(
        self, url: str, token: str | None, timeout_s: float, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        parsed = httpx.URL(url)
        if parsed.scheme not in {"http", "https"} or not parsed.host:
            raise RefusedError(f"{url!r} is not an address of a service.", cure="Write it as https://host/path.")
        if parsed.userinfo:
            raise RefusedError("The address holds a password.", cure="Give a token instead.")
        self.url = url.rstrip("/")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._http = httpx.AsyncClient(
            headers=headers, timeout=httpx.Timeout(timeout_s, connect=10.0), transport=transport, follow_redirects=False
        )

    async def close(self) -> None:
        """Close its connections."""
        await self._http.aclose()

    def address(self, path: str) -> str:
        """Return the address of a path; one that is an address already stays."""
        return path if path.startswith(("http://", "https://")) else f"{self.url}{path}"

    async def call(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        again: bool = True,
        silence_s: float | None = None,
    ) -> Any:
        """Send a request, and return the JSON of its answer; None if it has no body.

        Parameters
        ----------
        method, path
            What is asked of what.
        body
            JSON that is sent along.
        query, headers
            What else is said.
        again
            Whether it may be sent again when nobody answered: not what would act twice.
        silence_s
            Longest silence for this request, in seconds.

        Raises
        ------
        ClientError
            What the server said is wrong; or `UnavailableError` when it did not answer.
        """
        timeout = httpx.USE_CLIENT_DEFAULT if silence_s is None else httpx.Timeout(silence_s, connect=10.0)
        number = 0
        while True:
            number += 1
            last = number >= TRIES or not again
            try:
                answer = await self._http.request(
                    method, self.address(path), json=body, params=query, headers=headers, timeout=timeout
                )
            except httpx.TransportError as error:
                if last:
                    raise self.away(error) from error
                await asyncio.sleep(pause_s(number))
                continue
            if answer.status_code in BUSY and not last:
                await asyncio.sleep(pause_s(number, answer.headers.get("Retry-After")))
                continue
            if answer.is_error or answer.is_redirect:
                raise problem_of(answer)
            return answer.json() if answer.content else None

    @asynccontextmanager
    async def stream(
        self, path: str, *, headers: Mapping[str, str] | None = None, silence_s: float | None = None
    ) -> AsyncIterator[httpx.Response]:
        """Open an answer that is read as it comes. It follows redirects, without the token to another host.

        Raises
        ------
        ClientError
            What the server said is wrong; or `UnavailableError` when it did not answer.
        """
        timeout = httpx.USE_CLIENT_DEFAULT if silence_s is None else httpx.Timeout(10.0, read=silence_s)
        request = self._http.build_request("GET", self.address(path), headers=headers, timeout=timeout)
        try:
            answer = await self._http.send(request, stream=True, follow_redirects=True)
        except httpx.TransportError as error:
            raise self.away(error) from error
        try:
            if answer.is_error:
                await answer.aread()
                raise problem_of(answer)
            yield answer
        finally:
            await answer.aclose()

    def away(self, error: Exception) -> UnavailableError:
        """Return the error of a server that did not answer."""
        said = str(error) or type(error).__name__
        return UnavailableError(
            f"The service at {self.url} does not answer ({said}).",
            cure="Start it with `underbutler api`, or correct the address.",
        )


def problem_of(answer: httpx.Response) -> ClientError:
    """Return the error that an answer tells."""
    try:
        problem = answer.json()
    except ValueError:
        problem = {}
    problem = problem if isinstance(problem, dict) else {}
    status = answer.status_code
    if answer.is_redirect:
        text = f"{answer.request.url} leads to {answer.headers.get('Location')}: that is not where the service is."
        return RefusedError(text, status=status, cure="Give the address that it leads to.")
    text = str(problem.get("detail") or f"{answer.request.url} answers {status} {answer.reason_phrase}.")
    kind: type[ClientError] = RefusedError
    if status == 404:
        kind = NotFoundError
    elif status in BUSY:
        kind = UnavailableError
    elif status >= 500:
        kind = ServerError
    faults = [fault for fault in problem.get("faults") or () if isinstance(fault, dict)]
    cure = str(problem.get("cure") or ("Give a token that the service knows." if status == 401 else ""))
    return kind(text, status=status, cure=cure, faults=faults, problem=problem)
