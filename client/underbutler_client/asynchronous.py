"""The client: what a service is asked, and how long one waits. `blocking` calls this one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self
from uuid import UUID, uuid4

from .documents import Event, Job, Notice, Product, Target
from .errors import LostEventsError, RefusedError, UnavailableError
from .exchange import Exchange
from .requests import path_of, request_of, word_of

if TYPE_CHECKING:
    import httpx

__all__ = ["AsyncClient"]

_LOOK_S: Final = 50.0
"""So long one question waits for a change, in seconds: less than a minute, as proxies cut longer ones."""
_SILENCE_S: Final = 45.0
"""A stream of events that says nothing for so long, not even that it lives, is opened again."""

LOST: Final = "lost"
"""Kind of the event that says that older ones are gone."""
_BROKEN: Final = "error"

Told = Callable[[Job], object]


class AsyncClient:
    """A service, asked from a program with an event loop. To be used in ``async with``.

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
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        timeout_s: float = 30.0,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._exchange = Exchange(url, token, timeout_s, transport)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close its connections."""
        await self._exchange.close()

    @property
    def url(self) -> str:
        """Where the service is."""
        return self._exchange.url

    # Jobs

    async def submit(
        self,
        request: Mapping[str, Any] | None = None,
        *,
        task: str | None = None,
        repo: str | None = None,
        id: Sequence[str] | str = (),  # noqa: A002 - the word of the command line
        where: str | None = None,
        config: Mapping[str, Any] | Sequence[str] = (),
        tags: Mapping[str, str] | None = None,
        check: bool = True,
        review: bool = False,
        key: str | None = None,
    ) -> Job:
        """Make a job. Sent again after a lost answer, it is the same job.

        Parameters
        ----------
        request
            A whole ``JobRequest``; or what follows.
        task, repo
            Name of the task, label of the repository.
        id
            Data IDs as on the command line: ``"instrument=SIMCAM detector=0"``, or several of them.
        where
            Butler query that selects further.
        config
            Overrides, ``{"detect.threshold": 5}`` or ``["detect.threshold=5"]``.
        tags
            Names and texts of one's own.
        check
            Whether a job is refused of which targets would fail.
        review
            Whether it waits, PENDING, until somebody else approves it.
        key
            The same key and request again is the same job. Default: one that was never used.

        Raises
        ------
        RefusedError
            If the request is faulty, with each fault by its field; or targets would fail, with each finding.
        UnavailableError
            If the service is away.
        """
        if (request is None) == (task is None or repo is None):
            raise RefusedError("A job is a request, or a task and a repository.", cure="Give one of the two.")
        body = dict(request) if request is not None else request_of(str(task), str(repo), id, where, config, tags)
        query = {"check": word_of(check)} | ({"review": "true"} if review else {})
        headers = {"Idempotency-Key": key or str(uuid4())}
        # A request for review is stored without a key: sent again, it would be two.
        answer = await self._exchange.call(
            "POST", "/v1/jobs", body=body, query=query, headers=headers, again=not review
        )
        return Job.model_validate(answer)

    async def dry_run(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a request would become: targets, findings, time and bytes. Nothing is written."""
        answer = await self._exchange.call("POST", "/v1/jobs", body=dict(request), query={"dry_run": "true"})
        return dict(answer)

    async def job(self, job: Job | UUID | str) -> Job:
        """Return a job as it is now."""
        return Job.model_validate(await self._exchange.call("GET", path_of(job)))

    async def jobs(self, **wanted: Any) -> AsyncIterator[Job]:
        """Yield jobs, newest first.

        Parameters
        ----------
        **wanted
            ``phase``, ``task``, ``tag``, ``user``, ``since``, ``until``, ``text``: as ``GET /v1/jobs`` has them.
        """
        async for document in self._pages("/v1/jobs", "jobs", {"view": "full"} | wanted):
            yield Job.model_validate(document)

    async def targets(self, job: Job | UUID | str, *, state: Sequence[str] = ()) -> AsyncIterator[Target]:
        """Yield the targets of a job, in the order of its request; only those in some states."""
        async for document in self._pages(f"{path_of(job)}/targets", "targets", {"state": list(state)}):
            yield Target.model_validate(document)

    async def why(self, job: Job | UUID | str, target: Target | UUID | str | None = None) -> list[dict[str, Any]]:
        """Return why targets of a job are where they are: for each kind, or for one target, its reasons and cures."""
        query = {} if target is None else {"target": str(target.id if isinstance(target, Target) else target)}
        return list((await self._exchange.call("GET", f"{path_of(job)}/why", query=query))["targets"])

    async def wait(self, job: Job | UUID | str, *, timeout_s: float | None = None, told: Told | None = None) -> Job:
        """Wait until a job has ended, and return it. A server that is away is waited for.

        Parameters
        ----------
        job
            Which.
        timeout_s
            So long at most, in seconds. Default: as long as it takes.
        told
            Called with the job whenever something of it was asked.

        Raises
        ------
        UnavailableError
            If it has not ended in time.
        """
        deadline = None if timeout_s is None else monotonic() + timeout_s
        away: UnavailableError | None = None
        while True:
            left = _LOOK_S if deadline is None else min(_LOOK_S, max(0.0, deadline - monotonic()))
            try:
                query = {"wait": round(left, 2)}
                answer = await self._exchange.call("GET", path_of(job), query=query, silence_s=left + 20.0)
                away = None
            except UnavailableError as error:
                away = error
            else:
                found = Job.model_validate(answer)
                if told is not None:
                    told(found)
                if found.ended:
                    return found
            if deadline is not None and monotonic() >= deadline:
                raise away or UnavailableError(
                    f"Job {found.id} is {found.phase} after {timeout_s:g} s: {found.n_open} of {found.n_targets} "
                    "targets have not ended.",
                    cure="Wait longer; the job goes on.",
                )

    async def start(self, job: Job | UUID | str) -> Job:
        """Begin a stored request."""
        return await self._act(job, "start")

    async def approve(self, job: Job | UUID | str) -> Job:
        """Approve somebody's stored request, and begin it."""
        return await self._act(job, "approve")

    async def cancel(self, job: Job | UUID | str) -> Job:
        """Abort what has not ended of a job."""
        return await self._act(job, "cancel")

    async def retry(
        self,
        job: Job | UUID | str,
        *,
        states: Sequence[str] | None = None,
        targets: Iterable[Target | UUID | str] | None = None,
        config: Sequence[str] = (),
    ) -> Job:
        """Run targets that ended badly again, as a new job: all of them, those in some states, or some of them."""
        body: dict[str, Any] = {"config": list(config)}
        if states is not None:
            body["states"] = list(states)
        if targets is not None:
            body["targets"] = [str(one.id if isinstance(one, Target) else one) for one in targets]
        return await self._act(job, "retry", body)

    async def recover(self, job: Job | UUID | str) -> Job:
        """Run what is not done of a job, as a new job."""
        return await self._act(job, "recover")

    async def rerun(self, job: Job | UUID | str, *, config: Sequence[str] = ()) -> Job:
        """Run all of a job again with a changed configuration, as a new job with a RUN of its own."""
        return await self._act(job, "rerun", {"config": list(config)})

    async def destroy(self, job: Job | UUID | str) -> None:
        """End a job and destroy its rows: no dataset, and no object."""
        await self._exchange.call("DELETE", path_of(job))

    async def _act(self, job: Job | UUID | str, verb: str, body: Any = None) -> Job:
        again = verb in {"start", "approve", "cancel"}  # the others would make two jobs of one
        return Job.model_validate(await self._exchange.call("POST", f"{path_of(job)}/{verb}", body=body, again=again))

    # What it made

    async def products(self, job: Job | UUID | str) -> AsyncIterator[Product]:
        """Yield what a job made, of its targets that are done."""
        async for target in self.targets(job, state=["done"]):
            whole = await self._exchange.call("GET", f"{path_of(job)}/targets/{target.id}")
            for document in whole["products"]:
                yield Product.model_validate(document)

    async def results(
        self,
        job: Job | UUID | str,
        folder: Path | str,
        *,
        types: Sequence[str] = (),
        told: Callable[[Product, int, int | None], object] | None = None,
    ) -> list[Path]:
        """Fetch what a job made into a folder, and return the files.

        A file that is there with the announced SHA-256 is not fetched again, one that was broken off goes on.

        Parameters
        ----------
        job
            Which.
        folder
            Where to. It is made.
        types
            Only these dataset types.
        told
            Called with a product, its bytes that are there, and those of the whole where that is known.

        Raises
        ------
        WrongFileError
            If a file is not what was announced.
        """
        from .fetching import fetch, file_name

        files = []
        async for product in self.products(job):
            if types and product.dataset_type not in types:
                continue
            heard = None if told is None else (lambda came, of, one=product: told(one, came, of))
            files.append(await fetch(self._exchange, product, Path(folder) / file_name(product), heard))
        return files

    # What happens

    async def notices(self, *, after: str | None = None) -> AsyncIterator[Notice]:
        """Yield notices of large files as they are announced, each at least once, for ever.

        Parameters
        ----------
        after
            From behind the one of this place on; default: from now on.

        Raises
        ------
        LostEventsError
            If what came behind that place is not kept any more.
        """
        async for event in self.events("/v1/notices", after=after):
            if event.kind == LOST:
                raise LostEventsError(str(event.data.get("detail")), cure="Begin without a place.")
            yield Notice.model_validate(event.data)

    async def events(self, path: str = "/v1/events", *, after: str | None = None) -> AsyncIterator[Event]:
        """Yield what changes, for ever. A connection that breaks is opened again behind the last event.

        An event of the kind ``lost`` says that older ones are not kept any more: read the jobs again.

        Parameters
        ----------
        path
            Which stream of the service.
        after
            From behind the event of this id on; default: from now on.
        """
        import httpx
        from httpx_sse import EventSource

        from .exchange import pause_s

        breaks = 0
        while True:
            headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": after} if after else {})
            try:
                async with self._exchange.stream(path, headers=headers, silence_s=_SILENCE_S) as answer:
                    breaks = 0
                    async for one in EventSource(answer).aiter_sse():
                        if one.id:
                            after = one.id
                        if one.event == _BROKEN:  # the server says why, and ends
                            break
                        if one.data:
                            yield Event(id=one.id, kind=one.event, data=one.json())
            except (httpx.TransportError, UnavailableError):
                breaks += 1
            await asyncio.sleep(pause_s(breaks))

    # What there is

    async def tasks(self) -> list[dict[str, Any]]:
        """Return the tasks that the service knows."""
        return list((await self._exchange.call("GET", "/v1/tasks"))["tasks"])

    async def task(self, name: str) -> dict[str, Any]:
        """Return a task: what it says of itself, its dataset types, and the schema of its configuration."""
        return dict(await self._exchange.call("GET", f"/v1/tasks/{name}"))

    async def ready(self) -> dict[str, Any]:
        """Return whether the service and what it needs are there."""
        return dict(await self._exchange.call("GET", "/ready"))

    async def _pages(self, path: str, key: str, wanted: Mapping[str, Any]) -> AsyncIterator[dict[str, Any]]:
        query = {name: value for name, value in wanted.items() if value not in (None, [])}
        while True:
            page = await self._exchange.call("GET", path, query=query)
            for document in page[key]:
                yield document
            if page.get("next") is None:
                return
            query |= {"cursor": page["next"]}
