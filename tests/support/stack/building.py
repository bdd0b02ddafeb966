"""Builds a site of real processes: broker, S3, workers, installed tasks, a repository with a small night."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest

from tests.support.stack.site import Site
from tests.support.stack.warm_services import ready, worker_and_beat
from underbutler.context import ServiceContext
from underbutler.embedded.stack import Stack, make_buckets


@contextmanager
def run_site(
    folders: pytest.TempPathFactory,
    install: Callable[[Path], None],
    *,
    with_worker: bool = True,
    environment: Mapping[str, object] | None = None,
    transfer: str = "copy",
    **night: Any,
) -> Iterator[Site]:
    """Run a stack until the block ends.

    Parameters
    ----------
    folders
        Makes the folders of home, packages and night.
    install
        Installs tasks into a folder that every process finds.
    with_worker
        False: each test has workers of its own.
    environment
        Variables of all that is started while it runs.
    transfer
        How frames come into the repository ``demo``.
    night
        What `simulate_night` makes.
    """
    from underbutler.butlers import create_repository, ingest_files
    from underbutler.testing.night import simulate_night

    home, packages = folders.mktemp("site"), folders.mktemp("packages")
    install(packages)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(packages))
        patch.syspath_prepend(str(packages))
        for name, value in (environment or {}).items():
            patch.setenv(name, str(value))
        with (
            Stack(home, with_worker=False) as stack,
            ServiceContext(stack.settings) as context,
            worker_and_beat(stack.settings, home / "stack") if with_worker else nullcontext([]) as services,
        ):
            create_repository(home / "repo", "demo", stack.settings)
            make_buckets(stack.settings)
            frames = simulate_night(folders.mktemp("night"), **({"seed": 3} | night))
            ingest_files(context.repositories, "demo", frames.files, transfer=transfer)
            for service in services:
                ready(service)
            yield Site(stack, context)
