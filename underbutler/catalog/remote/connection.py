"""Asking a server of runs over HTTP, and what its answers mean.

Needs httpx, which the extra ``api`` installs; it is imported when the first question is asked.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from underbutler.errors import MessageError, UnderbutlerError, UsageError
from underbutler.redaction import redacted_text

from .errors import NotACatalogError, RemoteUnavailableError, ServerVersionError, raised
from .wire_format import MSGPACK, VERSION, VERSION_HEADER, unpack, unpacked

if TYPE_CHECKING:
    import httpx

__all__ = ["Connection", "Question"]

Question = Mapping[str, Any]
"""Query parameters: texts, numbers, yes and no (as booleans), lists of texts. None is not sent."""

CONNECT_S: Final = 10.0
ANSWER_S: Final = 300.0
"""How long a server may take until it goes on speaking: it may have to fetch images first."""

_GATEWAY: Final = frozenset({429, 502, 503, 504})
"""What a gateway says when the server behind it is away."""


@dataclass(frozen=True)
class Connection:
    """An address on a server of runs, and how it is asked.

    Parameters
    ----------
    url
        ``http://…`` or ``https://…``, without a query.
    headers
        Sent with every question; not shown.
    parameters
        Query parameters that are sent with every question.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    parameters: Question = field(default_factory=dict)

    def __post_init__(self) -> None:
        scheme, _, rest = self.url.partition("://")
        if (
            scheme not in {"http", "https"}
            or not rest.strip("/ ")
            or rest.startswith("/")
            or "?" in self.url
            or "#" in self.url
        ):
            raise UsageError(
                f"{self.place!r} is not an address of a server of runs. Write http://host:port/runs, and query "
                "parameters "
                "as parameters={…}.",
                url=self.place,
            )
        object.__setattr__(self, "url", self.url.rstrip("/"))

    @property
    def place(self) -> str:
        """The URL, without a password."""
        return redacted_text(self.url)

    def below(self, *path: str) -> Connection:
        """Return what is at a path below; names are quoted."""
        return Connection("/".join([self.url, *(quote(part, safe="") for part in path)]), self.headers, self.parameters)

    def ask(self, question: Question | None = None) -> Any:
        """Return the answer as a whole.

        Raises
        ------
        RemoteUnavailableError
            If there is none (also a `ConnectionError`).
        NotACatalogError, ServerVersionError
            If another kind of server answers, or one of another version.
        UnderbutlerError
            What the server raised.
        """
        with self._answer(question) as answer:
            return unpack(b"".join(answer.iter_bytes()))

    def listen(self, question: Question | None = None) -> Iterator[Any]:
        """Yield the values of an answer as they come in.

        Raises
        ------
        UnderbutlerError
            As `ask` raises it, also in the middle of the answer.
        """
        with self._answer(question) as answer:
            yield from unpacked(answer.iter_bytes())

    @contextmanager
    def _answer(self, question: Question | None) -> Iterator[httpx.Response]:
        httpx = import_httpx()
        client = _client(os.getpid())
        headers = {"Accept": MSGPACK, **self.headers}
        try:
            request = client.build_request(
                "GET", self.url, params=_sent({**self.parameters, **(question or {})}), headers=headers
            )
            with closing(_first_answer(client, request)) as answer:
                self._check(answer)
                yield answer
        except httpx.TransportError as error:
            raise RemoteUnavailableError(
                f"{self.place} does not answer ({type(error).__name__}: {redacted_text(str(error))}). Is the server "
                "running, and is the address right? Try again later.",
                url=self.place,
            ) from error
        except (MessageError, httpx.DecodingError) as error:
            raise NotACatalogError(
                f"What {self.place} answers cannot be read ({error}). Is it a server of runs, with nothing "
                "in between that changes what it says?",
                url=self.place,
            ) from error
        except (httpx.InvalidURL, UnicodeEncodeError) as error:
            raise UsageError(f"{self.place} cannot be asked: {error}.", url=self.place) from error

    def _check(self, answer: httpx.Response) -> None:
        """Refuse what does not answer the question.

        Raises
        ------
        UnderbutlerError
            As `ask` raises it.
        """
        version = answer.headers.get(VERSION_HEADER)
        if version is None:
            raise self._stranger(answer)
        if version != str(VERSION):
            raise ServerVersionError(
                f"The server at {self.place} speaks version {version} of the catalogue's HTTP, and this underbutler "
                f"version {VERSION}. Install the same version of underbutler on both sides.",
                url=self.place,
                server=version,
                client=VERSION,
            )
        if answer.is_success:
            return
        said = unpack(answer.read())
        raise raised(said.get("error") if isinstance(said, Mapping) else said, self.place)

    def _stranger(self, answer: httpx.Response) -> UnderbutlerError:
        status = f"{answer.status_code} {answer.reason_phrase}".rstrip()
        if answer.status_code in _GATEWAY:
            return RemoteUnavailableError(
                f"{self.place} does not answer: what is in between says {status}. Try again later.", url=self.place
            )
        if answer.is_redirect:
            target = redacted_text(answer.headers.get("location", "nowhere"))
            return NotACatalogError(f"{self.place} sends its readers to {target}: give that address.", url=self.place)
        if answer.status_code in {401, 403, 407}:
            return NotACatalogError(
                f"{self.place} refuses access ({status}). Give headers={{'Authorization': …}}.", url=self.place
            )
        return NotACatalogError(
            f"What answers at {self.place} is not a server of runs ({status}, without {VERSION_HEADER}). The "
            "address of "
            "one ends in /runs, e.g. http://host:8000/runs.",
            url=self.place,
        )


def import_httpx() -> Any:
    """Return the module httpx.

    Raises
    ------
    UsageError
        If it is not installed.
    """
    try:
        import httpx
    except ImportError as error:
        raise UsageError("Runs are read over HTTP with httpx: pip install 'underbutler[api]'.") from error
    return httpx


@lru_cache(maxsize=1)
def _client(pid: int) -> httpx.Client:
    """Return the client of this process: a child that was forked may not use its parent's connections."""
    import httpx

    del pid
    return httpx.Client(timeout=httpx.Timeout(ANSWER_S, connect=CONNECT_S), follow_redirects=False)


def _sent(question: Question) -> dict[str, Any]:
    """Return query parameters in their words."""
    words: dict[str, Any] = {}
    for name, value in question.items():
        if isinstance(value, bool):
            words[name] = "yes" if value else "no"
        elif value is not None:
            words[name] = list(value) if isinstance(value, list | tuple | set | frozenset) else str(value)
    return words


def _first_answer(client: httpx.Client, request: httpx.Request) -> httpx.Response:
    """Return the beginning of an answer; ask once more where a kept connection broke before it."""
    import httpx

    try:
        return client.send(request, stream=True)
    except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
        return client.send(request, stream=True)
