"""One embedded stack for all acceptance tests: real broker, S3, worker processes, and a small night."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from probe_package import install_probes
from site_stack import Site

from underbutler.context import WorkerContext
from underbutler.embedded.stack import Stack, make_buckets


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Run a stack with two worker children and a repository with a small simulated night."""
    from underbutler.butlers import create_repository, ingest_files
    from underbutler.testing.night import simulate_night

    home = tmp_path_factory.mktemp("site")
    packages = tmp_path_factory.mktemp("packages")
    install_probes(packages)
    patch = pytest.MonkeyPatch()
    patch.setenv("PYTHONPATH", str(packages))
    patch.syspath_prepend(str(packages))
    try:
        with Stack(home) as stack, WorkerContext(stack.settings) as context:
            create_repository(home / "repo", "demo", stack.settings)
            make_buckets(stack.settings)
            night = simulate_night(
                tmp_path_factory.mktemp("night"), n_bias=3, n_flat=2, n_science=2, shape=(200, 220), seed=3
            )
            ingest_files(context.repositories, "demo", night.files)
            with closing(Site(stack, context)) as made:
                yield made
    finally:
        patch.undo()
