"""One embedded stack for all acceptance tests: real broker, S3, worker processes, and a small night."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.api.server import ApiServer, run_api
from tests.support.probes.package import install_probes
from tests.support.stack.building import run_site
from tests.support.stack.site import Site


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Run a stack with two worker children and a repository with a small simulated night."""
    with run_site(tmp_path_factory, install_probes, n_bias=3, n_flat=2, n_science=2, shape=(200, 220)) as made:
        yield made


@pytest.fixture(scope="session")
def api(site: Site) -> Iterator[ApiServer]:
    """Run the submission API of that stack."""
    with run_api(site.stack.home, site.context) as server:
        yield server
