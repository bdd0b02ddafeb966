"""The command `underbutler api` as a process, with tokens of several people."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx

from underbutler.context import ServiceContext
from underbutler.embedded.process import Process
from underbutler.model.bearer import SCOPES, Bearer, new_bearer
from underbutler.records import NewCredential

SKY = {
    "repo": "demo",
    "steps": [
        {
            "task": "probeWrite",
            "ids": {"id": [["instrument=SIMCAM", "detector=0"]]},
            "where": "exposure.observation_type = 'science'",
        }
    ],
}
"""A request of two targets."""


class ApiServer:
    """A server that runs, and the people who ask it."""

    def __init__(self, url: str, process: Process, context: ServiceContext) -> None:
        self.url = url
        self.process = process
        self.context = context

    def token(
        self, user: str, scopes: Sequence[str] = ("submit", "read"), repos: Sequence[str] | None = None
    ) -> Bearer:
        """Make a token as `underbutler token create` does."""
        bearer = new_bearer()
        new = NewCredential(id=bearer.id, digest=bearer.digest, user=user, note="", scopes=list(scopes), repos=repos)
        self.context.jobs.credentials.add(new)
        return bearer

    def client(
        self, user: str, scopes: Sequence[str] = ("submit", "read"), repos: Sequence[str] | None = None
    ) -> httpx.Client:
        """Return a client of somebody."""
        return self.client_with(self.token(user, scopes, repos).secret)

    def client_with(self, secret: str) -> httpx.Client:
        """Return a client that shows a token."""
        return httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {secret}"}, timeout=70)

    def admin(self) -> httpx.Client:
        """Return a client that may do everything."""
        return self.client("root", tuple(SCOPES))


@contextmanager
def run_api(home: Path, context: ServiceContext, **environment: str) -> Iterator[ApiServer]:
    """Run a server on a free port of loopback until the block ends."""
    said: list[str] = []
    process = Process(
        "api",
        [sys.executable, "-m", "underbutler", "--home", str(home), "api", "--port", "0"],
        environment={**os.environ, **environment},
        on_line=said.append,
    )
    try:
        process.wait_until(lambda: _url(said) is not None and _answers(str(_url(said))), 90)
        yield ApiServer(str(_url(said)), process, context)
    finally:
        process.stop()


def _url(said: Sequence[str]) -> str | None:
    found = (re.search(r"from (\S+)  \(Ctrl-C", line) for line in said)
    return next((f"http://{one[1]}" for one in found if one), None)


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/v1/jobs").status_code == httpx.codes.UNAUTHORIZED
    except httpx.TransportError:
        return False
