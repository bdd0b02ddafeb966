"""A place to run targets in, with an annex that can be spoiled, shared by the tests of one module."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.annex_faults import FaultyS3
from tests.support.services import S3Endpoint
from tests.support.target_site import TargetSite, open_target_site
from underbutler.telemetry import logs


@pytest.fixture(scope="module")
def annex(moto_endpoint: S3Endpoint) -> Iterator[FaultyS3]:
    with FaultyS3(moto_endpoint.url) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def site(annex: FaultyS3, moto_endpoint: S3Endpoint, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TargetSite]:
    logs.configure("INFO")
    with open_target_site(
        tmp_path_factory,
        moto_endpoint,
        s3_endpoint_url=annex.url,
        retry_base_s=5.0,
        max_transient_retries=2,
        breaker_failures=2,
        unknown_wait_s=600.0,
    ) as made:
        yield made


@pytest.fixture
def steps(site: TargetSite, annex: FaultyS3) -> Iterator[dict[str, Callable[[], Any]]]:
    import one_target_tasks

    one_target_tasks.steps.clear()
    site.context.annex_was_away = False
    yield one_target_tasks.steps
    one_target_tasks.steps.clear()
    annex.heal()
