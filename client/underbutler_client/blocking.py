"""The client for programs without an event loop: each call goes to `AsyncClient`, on a loop in a thread of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar
from uuid import UUID

from anyio.from_thread import BlockingPortal, start_blocking_portal

from .asynchronous import AsyncClient

if TYPE_CHECKING:
    import httpx

    from .documents import Event, Job, Notice, Product, Target

__all__ = ["Client"]

T = TypeVar("T")


class Client:
    """A service, asked from a script or a notebook. To be closed, or used in ``with``.

    Parameters
    ----------
    url
        Where the service is: what `underbutler api` printed.
    token
        Bearer token: what `underbutler token create` printed.
    timeout_s
        Longest silence of the server, in seconds.
    transport
        Another way to the server, for tests.

    Raises
    ------
    RefusedError
        If the address is none.

    Examples
    --------
    >>> with Client("https://site.example/underbutler", token) as service:  # doctest: +SKIP
    ...     job = service.submit(task="processCcd", repo="demo", id="instrument=SIMCAM detector=0")
    ...     if service.wait(job).succeeded:
    ...         service.results(job, "night")
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        timeout_s: float = 30.0,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._client = AsyncClient(url, token, timeout_s=timeout_s, transport=transport)
        self._token = token
        self._running = ExitStack()
        self._portal_or_none: BlockingPortal | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close its connections, and end its thread."""
        if self._portal_or_none is not None:
            self._portal_or_none.call(self._client.close)
            self._portal_or_none = None
        self._running.close()

    @property
    def url(self) -> str:
        """Where the service is."""
        return self._client.url

    @property
    def runs(self) -> Any:
        """A `Broker` of the service's catalogue: runs as arrays. It needs the package ``underbutler`` as well.

        Raises
        ------
        ImportError
            If that is not installed here.
        """
        try:
            from underbutler.catalog import Broker
        except ImportError as error:
            raise ImportError("Runs as arrays need more than the client: pip install 'underbutler[api]'.") from error
        return Broker(f"{self.url}/runs", token=self._token) if self._token else Broker(f"{self.url}/runs")

    # The methods of `AsyncClient`, waited for

    def submit(self, request: Mapping[str, Any] | None = None, **said: Any) -> Job:
        """Make a job: see `AsyncClient.submit`."""
        return self._call(partial(self._client.submit, request, **said))

    def dry_run(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a request would become. Nothing is written."""
        return self._call(partial(self._client.dry_run, request))

    def job(self, job: Job | UUID | str) -> Job:
        """Return a job as it is now."""
        return self._call(partial(self._client.job, job))

    def jobs(self, **wanted: Any) -> Iterator[Job]:
        """Yield jobs, newest first: see `AsyncClient.jobs`."""
        return self._each(self._client.jobs(**wanted))

    def targets(self, job: Job | UUID | str, *, state: Sequence[str] = ()) -> Iterator[Target]:
        """Yield the targets of a job, in the order of its request; only those in some states."""
        return self._each(self._client.targets(job, state=state))

    def why(self, job: Job | UUID | str, target: Target | UUID | str | None = None) -> list[dict[str, Any]]:
        """Return why targets of a job are where they are: for each kind, or for one target, its reasons and cures."""
        return self._call(partial(self._client.why, job, target))

    def wait(
        self,
        job: Job | UUID | str,
        *,
        timeout_s: float | None = None,
        progress: bool = False,
        told: Callable[[Job], object] | None = None,
    ) -> Job:
        """Wait until a job has ended, and return it: see `AsyncClient.wait`; with a bar in the terminal if wanted."""
        if not progress:
            return self._call(partial(self._client.wait, job, timeout_s=timeout_s, told=told))
        from .progress import shown

        with shown() as show:
            both = show if told is None else (lambda found: (show(found), told(found)))
            return self._call(partial(self._client.wait, job, timeout_s=timeout_s, told=both))

    def start(self, job: Job | UUID | str) -> Job:
        """Begin a stored request."""
        return self._call(partial(self._client.start, job))

    def approve(self, job: Job | UUID | str) -> Job:
        """Approve somebody's stored request, and begin it."""
        return self._call(partial(self._client.approve, job))

    def cancel(self, job: Job | UUID | str) -> Job:
        """Abort what has not ended of a job."""
        return self._call(partial(self._client.cancel, job))

    def retry(
        self,
        job: Job | UUID | str,
        *,
        states: Sequence[str] | None = None,
        targets: Iterable[Target | UUID | str] | None = None,
        config: Sequence[str] = (),
    ) -> Job:
        """Run targets that ended badly again, as a new job: see `AsyncClient.retry`."""
        return self._call(partial(self._client.retry, job, states=states, targets=targets, config=config))

    def recover(self, job: Job | UUID | str) -> Job:
        """Run what is not done of a job, as a new job."""
        return self._call(partial(self._client.recover, job))

    def rerun(self, job: Job | UUID | str, *, config: Sequence[str] = ()) -> Job:
        """Run all of a job again with a changed configuration, as a new job with a RUN of its own."""
        return self._call(partial(self._client.rerun, job, config=config))

    def destroy(self, job: Job | UUID | str) -> None:
        """End a job and destroy its rows: no dataset, and no object."""
        self._call(partial(self._client.destroy, job))

    def products(self, job: Job | UUID | str) -> Iterator[Product]:
        """Yield what a job made, of its targets that are done."""
        return self._each(self._client.products(job))

    def results(
        self,
        job: Job | UUID | str,
        folder: Path | str,
        *,
        types: Sequence[str] = (),
        told: Callable[[Product, int, int | None], object] | None = None,
    ) -> list[Path]:
        """Fetch what a job made into a folder, and return the files: see `AsyncClient.results`."""
        return self._call(partial(self._client.results, job, folder, types=types, told=told))

    def notices(self, *, after: str | None = None) -> Iterator[Notice]:
        """Yield notices of large files as they are announced, each at least once, for ever."""
        return self._each(self._client.notices(after=after))

    def events(self, path: str = "/v1/events", *, after: str | None = None) -> Iterator[Event]:
        """Yield what changes, for ever."""
        return self._each(self._client.events(path, after=after))

    def tasks(self) -> list[dict[str, Any]]:
        """Return the tasks that the service knows."""
        return self._call(self._client.tasks)

    def task(self, name: str) -> dict[str, Any]:
        """Return a task: what it says of itself, its dataset types, and the schema of its configuration."""
        return self._call(partial(self._client.task, name))

    def ready(self) -> dict[str, Any]:
        """Return whether the service and what it needs are there."""
        return self._call(self._client.ready)

    @property
    def _portal(self) -> BlockingPortal:
        if self._portal_or_none is None:  # at first use: a program that forks before it asks has no thread to lose
            self._portal_or_none = self._running.enter_context(start_blocking_portal("asyncio"))
        return self._portal_or_none

    def _call(self, asked: Callable[[], Awaitable[T]]) -> T:
        return self._portal.call(asked)

    def _each(self, found: AsyncIterator[T]) -> Iterator[T]:
        try:
            while True:
                try:
                    yield self._call(found.__anext__)
                except StopAsyncIteration:
                    return
        finally:
            self._call(partial(_end, found))


async def _end(found: AsyncIterator[Any]) -> None:
    close = getattr(found, "aclose", None)
    if close is not None:
        await close()
