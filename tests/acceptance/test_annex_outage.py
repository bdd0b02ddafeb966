"""The annex, a real store behind a proxy that spoils requests, is ill: targets wait, their datasets in the Butler."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.annex_faults import FaultyS3
from tests.support.services import S3Endpoint
from tests.support.target_site import TargetSite, open_target_site, target_of
from underbutler.model.job import TargetState
from workers.target.run import GivenBackError

pytestmark = pytest.mark.xdist_group("swift")

WORDS = "0123456789abcdef"
SIZES = {"at once": 100, "in parts": 6 * 2**16}
"""Name → how often the words are in a picture: 1.6 kB, and 6 MiB."""


@pytest.fixture(scope="module")
def annex(swift_endpoint: S3Endpoint) -> Iterator[FaultyS3]:
    with FaultyS3(swift_endpoint.url) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def site(annex: FaultyS3, swift_endpoint: S3Endpoint, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TargetSite]:
    with (
        pytest.MonkeyPatch.context() as patch,
        open_target_site(
            tmp_path_factory,
            swift_endpoint,
            s3_endpoint_url=annex.url,
            annex_part_bytes=5 * 2**20,
            annex_timeout_s=1.0,
        ) as made,
    ):
        patch.setattr("workers.target.delivering.PATIENCE_S", 1.0)
        yield made


@pytest.fixture
def runs(site: TargetSite, annex: FaultyS3) -> Iterator[list[str]]:
    """Count how often the science runs."""
    import one_target_tasks

    counted: list[str] = []
    one_target_tasks.steps["first"] = lambda: counted.append("run")
    site.context.annex_was_away = False
    yield counted
    one_target_tasks.steps.clear()
    annex.heal()


ILLNESSES: dict[str, Callable[[FaultyS3], Any]] = {
    "answers 500": lambda annex: annex.spoil("error", "*"),
    "slow down": lambda annex: annex.spoil("slow down", "*"),
    "hangs": lambda annex: annex.spoil("hang", "PUT"),
    "cuts bodies": lambda annex: annex.spoil("cut", "PUT"),
    "flips bytes": lambda annex: annex.spoil("flip", "PUT"),
    "answers for nothing": lambda annex: annex.spoil("lose", "PUT"),
    "is not able to verify": lambda annex: annex.spoil("error", "HEAD"),
}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("illness", ILLNESSES)
def test_no_notice_comes_before_the_object_of_another_claim(
    site: TargetSite, annex: FaultyS3, runs: list[str], illness: str, size: str
) -> None:
    times = SIZES[size]
    job, (one, _) = site.submitted("onePicture", "-c", f"words={WORDS}", f"times={times}")
    _, (other, _) = site.submitted("oneTableTask")
    ILLNESSES[illness](annex)
    with pytest.raises(GivenBackError):
        site.run(one)
    row = site.target(target_of(one))
    assert (row.state, row.lease_until, row.sent_at) == (TargetState.DELIVERING, None, None)
    assert (row.transient_retries, row.deaths, row.error_type) == (0, 0, None)
    assert all(product.url is None for product in site.context.jobs.read.products_of(row.id))
    assert site.context.jobs.read.notices(job.id) == []
    assert site.run(other) is TargetState.DONE, "the child is free for what needs no annex"
    with pytest.raises(GivenBackError):
        site.run(site.sent_again(row.id))
    annex.heal()
    assert site.run(site.sent_again(row.id), worker="w2") is TargetState.DONE
    assert runs == ["run", "run"], "once for each target: a delivery is resumed without the science"
    site.check_one_visible_effect(one, WORDS, times)
    assert [claim.end for claim in site.context.jobs.read.claims(row.id)] == ["given_back", "given_back", "done"]


def test_a_store_that_refuses_connections_is_waited_for(site: TargetSite, annex: FaultyS3, runs: list[str]) -> None:
    job, (one, _) = site.submitted("onePicture")
    with annex.refusing(), pytest.raises(GivenBackError):
        site.run(one)
    assert site.context.jobs.read.notices(job.id) == []
    assert site.run(site.sent_again(target_of(one))) is TargetState.DONE
    site.check_one_visible_effect(one)
    assert runs == ["run"]


def test_a_missing_bucket_is_waited_for_until_it_is_made(
    site: TargetSite, runs: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, (one, _) = site.submitted("onePicture")
    with monkeypatch.context() as patch:
        patch.setattr("workers.target.delivering.bucket_for", lambda *_: "rubinobs-lfa-nobody-made-it")
        with pytest.raises(GivenBackError, match="bucket"):
            site.run(one)
    assert site.run(site.sent_again(target_of(one))) is TargetState.DONE
    site.check_one_visible_effect(one)
