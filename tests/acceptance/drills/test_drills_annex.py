"""Drills in which the annex, a real store behind the fault proxy, answers wrongly, slowly, or not at all."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.annex_faults import FaultyS3
from tests.support.drills.services import DrillRedis
from tests.support.drills.site import DrillSite
from tests.support.drills.table import Scale, Table
from tests.support.services import S3Endpoint, eventually
from underbutler.embedded.process import Guard

LIVES_S = 4
"""How long a key of the site with short-lived ones is good for, in seconds."""


@contextmanager
def errors_at_random(faults: FaultyS3) -> Iterator[None]:
    faults.spoil("error", "*", share=0.3)
    yield


@contextmanager
def refusing(faults: FaultyS3) -> Iterator[None]:
    with faults.refusing():
        yield


@contextmanager
def hanging(faults: FaultyS3) -> Iterator[None]:
    faults.spoil("hang", "PUT")
    yield


@contextmanager
def cut_bodies(faults: FaultyS3) -> Iterator[None]:
    faults.spoil("cut", "PUT")
    yield


@contextmanager
def flipped_bytes(faults: FaultyS3) -> Iterator[None]:
    faults.spoil("flip", "PUT")
    yield


@contextmanager
def refusing_as_aws(faults: FaultyS3) -> Iterator[None]:
    """Credentials that have expired, a clock that is off, a signature that does not match: each in its turn."""
    faults.spoil("expired", "*", share=0.3)
    faults.spoil("skewed", "*", share=0.5)
    faults.spoil("signature", "*")
    yield


FAULTS: dict[str, tuple[Callable[..., object], bool]] = {
    "500 at 30 %": (errors_at_random, False),
    "refuses connections": (refusing, True),
    "hangs": (hanging, True),
    "cuts bodies": (cut_bodies, True),
    "flips bytes": (flipped_bytes, True),
    "refuses as AWS does": (refusing_as_aws, True),
}
"""Name → how it is done, and whether no delivery at all can succeed meanwhile."""


@pytest.mark.parametrize("fault", list(FAULTS))
def test_the_annex_is_broken_for_a_while(site: DrillSite, table: Table, scale: Scale, fault: str) -> None:
    """Targets without a picture go on meanwhile: what cannot be delivered does not keep a child."""
    begin, total = FAULTS[fault]
    site.only(1)
    began = time.time()
    with begin(site.faults):  # type: ignore[attr-defined]
        job = site.write(8, size=200_000)
        eventually(lambda: site.datasets(job) == 16, 60, what="the datasets of all targets")
        other = site.empty(20)
        assert site.ended(other, timeout=60), "children are free while the annex is away"
        time.sleep(max(0.0, began + scale.away_s - time.time()))
        done, announced = site.done(job), len(site.context.jobs.read.notices(job.id))
    at = time.time()
    if total:
        assert (done, announced) == (0, 0), "no notice, and no end, before the verified object"
    site.faults.heal()
    facts = site.facts(job, other, timeout=120)
    seconds = None if fault == "500 at 30 %" and done == 8 else site.until_all_done([job], at)
    table.ours(f"S3 {fault}", f"for {at - began:.0f} s", facts, seconds=seconds, until="all delivered")
    assert (facts.lost, facts.doubled, facts.held) == (0, 0, frozenset()), facts.said
    assert facts.states == {"done": 28}
    assert len(site.context.jobs.read.notices(job.id)) == 8
    eventually(lambda: len(site.keys(job)) == 8, 30, what="an annex with nothing but the announced objects")


@pytest.fixture(scope="module")
def renewing_site(
    broker: DrillRedis,
    moto_endpoint: S3Endpoint,
    packages: Path,
    _guard: Guard,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[DrillSite]:
    """A site whose key comes from a `credential_process`, each for some seconds; the store refuses older ones."""
    folder = tmp_path_factory.mktemp("drill-renewing")
    (folder / "process.py").write_text(
        "import datetime, json, time\n"
        f"left = datetime.timedelta(seconds=600 + {LIVES_S})  # botocore renews what has 600 s left\n"
        "over = (datetime.datetime.now(datetime.timezone.utc) + left).isoformat()\n"
        "print(json.dumps({'Version': 1, 'AccessKeyId': 'ASIA', 'SecretAccessKey': 's', 'Expiration': over,\n"
        "                  'SessionToken': str(time.time())}))\n"
    )
    (folder / "config").write_text(f"[default]\ncredential_process = {sys.executable} {folder}/process.py\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_CONFIG_FILE", str(folder / "config"))
        with DrillSite(
            folder / "site",
            broker_url=broker.url.removesuffix("/0") + "/2",
            store=moto_endpoint,
            packages=packages,
            guard=_guard,
            exposures=24,
            s3_access_key_id=None,
            s3_secret_access_key=None,
        ) as site:
            site.variables["AWS_CONFIG_FILE"] = str(folder / "config")
            yield site


def test_credentials_expire_in_the_middle_and_are_renewed(renewing_site: DrillSite, table: Table, scale: Scale) -> None:
    site, count = renewing_site, 24 if scale.full else 8
    site.faults.token_lives_s = 2 * LIVES_S
    site.only(1)
    job = site.write(count, seconds=1)
    facts = site.facts(job, timeout=120)
    table.ours("credentials expire", f"every {LIVES_S} s", facts)
    assert (facts.lost, facts.doubled, facts.held) == (0, 0, frozenset()), facts.said
    assert facts.states == {"done": count}
    assert len(site.faults.tokens) >= 2, "they were renewed while the job ran"
    assert site.faults.done["expired token"] == 0, "nobody asked with old ones"
