"""What an earlier release left when it was killed at work is upgraded and finished by today's workers, once.

``upgrade_state/README.md`` says how the state was made and what is in it.
"""

from __future__ import annotations

import base64
import json
import os
import sqlite3
import tarfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import redis
from sqlalchemy import text

from tests.support.services import S3Endpoint, eventually
from tests.support.stack.warm_services import worker_and_beat
from underbutler.annex import NoticeConsumer, bucket_for, make_client
from underbutler.butlers import Repositories
from underbutler.catalog.v2 import Broker
from underbutler.embedded.stack import make_buckets
from underbutler.migrations import is_current, upgrade
from underbutler.settings import Settings
from underbutler.sql import open_engine, read

STATES = Path(__file__).parent / "upgrade_state"
TASKS = STATES / "tasks"
STARTS = {
    "finished": {"done": 2},
    "failed": {"failed": 1},
    "nothing": {"no_work": 1},
    "held": {"held": 1},
    "cancelled": {"aborted": 2},
    "unannounced": {"done": 1},
    "delivering": {"delivering": 2},
    "running": {"running": 2, "queued": 4},
    "unsent": {"queued": 3},
}
"""What the targets of each job are, by what the job is there for."""
ENDS = STARTS | {"delivering": {"done": 2}, "running": {"done": 6}, "unsent": {"done": 3}, "fired": {"done": 2}}
"""How they have to end; ``fired`` is the job that the waiting firing of the schedule makes."""
EVENTS = {
    name: {("primary" if state == "done" else "problems"): count for state, count in states.items()}
    for name, states in ENDS.items()
}
"""The catalogue says each of them once."""
ENDED_BEFORE = ("finished", "failed", "nothing", "held", "cancelled", "unannounced")
N_DONE = 16
"""Each of these has made one table, and one picture that is in the annex and announced."""
SETTINGS: dict[str, Any] = {
    "user": "ann",
    "s3_instance": "upgrade",
    "s3_region": "us-east-1",
    "lease_s": 4.0,
    "sweep_interval_s": 1.0,
    "outbox_grace_s": 1.0,
    "retry_base_s": 0.5,
    "visibility_timeout_s": 10,
}


@dataclass
class Site:
    """The state, restored and upgraded."""

    settings: Settings
    jobs: dict[str, str]

    def rows(self, query: str) -> list[Any]:
        """Ask the records."""
        engine = open_engine(self.settings.records_url)
        try:
            with read(engine) as connection:
                return list(connection.execute(text(query)))
        finally:
            engine.dispose()

    def states(self) -> dict[str, dict[str, int]]:
        """Return how many targets of each job are in which state."""
        names = {UUID(identity): name for name, identity in self.jobs.items()}
        told: dict[str, dict[str, int]] = {}
        for job, state, count in self.rows("SELECT job_id, state, count(*) FROM target GROUP BY job_id, state"):
            told.setdefault(names[UUID(str(job))], {})[state] = count
        return told

    def claims(self) -> dict[str, int]:
        """Return how often each target was claimed."""
        return {str(target): number for target, number in self.rows("SELECT id, claim_no FROM target")}

    def ended_before(self) -> dict[str, int]:
        """Return the same of the targets that had ended before the upgrade: each had been claimed once, or never."""
        jobs = {UUID(self.jobs[name]): int(name != "cancelled") for name in ENDED_BEFORE}
        found = self.rows("SELECT id, job_id FROM target")
        return {str(row.id): jobs[one] for row in found if (one := UUID(str(row.job_id))) in jobs}

    def urls(self) -> set[str]:
        """Return where the delivered products are."""
        return {row.url for row in self.rows("SELECT url FROM product WHERE url IS NOT NULL")}

    def objects(self) -> set[str]:
        """Return what is in the annex."""
        bucket = bucket_for(self.settings, "SIMCAM")
        listed = make_client(self.settings).list_objects_v2(Bucket=bucket)
        return {f"s3://{bucket}/{item['Key']}" for item in listed.get("Contents", [])}

    def in_flight(self) -> int:
        """Return how many messages of targets the broker holds, waiting or with workers."""
        with redis.Redis.from_url(self.settings.broker_url) as client:
            return int(client.llen("underbutler:reduce")) + int(client.hlen("underbutler:unacked"))

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Run a worker and beat."""
        path = os.pathsep.join([str(TASKS), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
        given = {"UNDERBUTLER_RETRY_BASE_S": "0.5", "PYTHONPATH": path}
        with worker_and_beat(self.settings, self.settings.home / "logs", **given):
            yield


@pytest.fixture(params=["sqlite", "postgresql"])
def site(request: pytest.FixtureRequest, redis_url: str, moto_endpoint: S3Endpoint, tmp_path: Path) -> Site:
    """Restore a state and upgrade it."""
    state = STATES / request.param
    home = tmp_path / "restored"
    home.mkdir()
    given = dict(SETTINGS)
    if request.param == "postgresql":
        given["database_url"] = request.getfixturevalue("postgres_url")
    settings = Settings(
        _env_file=None,
        home=home,
        broker_url=redis_url,
        s3_endpoint_url=moto_endpoint.url,
        s3_access_key_id=moto_endpoint.access_key,
        s3_secret_access_key=moto_endpoint.secret_key,
        **given,
    )
    restore_records(settings, (state / "records.sql").read_text())
    restore_broker(redis_url, json.loads((state / "broker.json").read_text()))
    with tarfile.open(state / "repo.tar.xz") as packed:
        # Python 3.11.2, which Debian has, knows no filter.
        packed.extraction_filter = getattr(tarfile, "data_filter", None)
        packed.extractall(home)
    Path(settings.index_uri).write_text(f"demo: {home / 'repo'}\n")
    make_buckets(settings)
    client, bucket = make_client(settings), bucket_for(settings, "SIMCAM")
    for left in client.list_objects_v2(Bucket=bucket).get("Contents", []):
        client.delete_object(Bucket=bucket, Key=left["Key"])
    for key, body in json.loads((state / "annex.json").read_text()).items():
        client.put_object(Bucket=bucket, Key=key, Body=base64.b64decode(body))
    upgrade(settings.records_url)
    assert is_current(settings.records_url)
    return Site(settings, json.loads((state / "jobs.json").read_text()))


def restore_records(settings: Settings, dump: str) -> None:
    """Execute a dump in an empty database."""
    if settings.database_url is None:
        with sqlite3.connect(settings.home / "records.db") as connection:
            connection.executescript(dump)
        return
    import psycopg

    with psycopg.connect(settings.database_url.replace("+psycopg", "")) as session:
        session.execute(dump)


def restore_broker(url: str, found: dict[str, dict[str, Any]]) -> None:
    """Put everything back into Redis that it held."""
    with redis.Redis.from_url(url) as client:
        for key, value in found.items():
            match value:
                case {"list": items}:
                    client.rpush(key, *items)
                case {"hash": items}:
                    client.hset(key, mapping=items)
                case {"set": items}:
                    client.sadd(key, *items)
                case {"zset": items}:
                    client.zadd(key, items)
                case {"string": item}:
                    client.set(key, item)


def test_what_an_earlier_release_left_is_finished_once(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(TASKS))
    before = site.claims()
    assert site.states() == STARTS
    assert site.in_flight() == 9, "one message for each target of two jobs, and one that is there twice"
    with site.at_work():
        eventually(lambda: site.states() == ENDS, 120, "the end of every target")
        eventually(lambda: site.rows("SELECT id FROM notice WHERE sent_at IS NULL") == [], 30, "notices that are sent")
        eventually(lambda: site.in_flight() == 0, 30, "the end of the last message")
        eventually(lambda: site.objects() == site.urls(), 30, "the sweep of what dead workers left in the annex")
    after = site.claims()
    assert {target: after[target] for target in before if target in site.ended_before()} == site.ended_before()
    assert completed_twice(site) == []
    assert events(site) == EVENTS
    check_butler(site)
    check_notices(site)


def completed_twice(site: Site) -> list[Any]:
    """Return the targets of which more than one claim has ended for good."""
    ends = site.rows('SELECT target_id, "end" FROM claim')
    counted = Counter(target for target, end in ends if end in {"done", "failed", "no_work"})
    return [target for target, count in counted.items() if count > 1]


def events(site: Site) -> dict[str, dict[str, int]]:
    """Count the catalogue's events of each run by stream; each run has been closed, and no event is twice."""
    told = {}
    catalogue = Broker(site.settings.records_url)
    for name, identity in site.jobs.items():
        documents = list(catalogue[identity].documents(fill="no"))
        assert [kind for kind, _ in documents].count("stop") == 1, name
        streams = {one["uid"]: one["name"] for kind, one in documents if kind == "descriptor"}
        pages = [one for kind, one in documents if kind == "event_page"]
        uids = [uid for page in pages for uid in page["uid"]]
        assert len(uids) == len(set(uids)), name
        counted: Counter[str] = Counter()
        for page in pages:
            counted[streams[page["descriptor"]]] += len(page["uid"])
        told[name] = dict(counted)
    return told


def check_butler(site: Site) -> None:
    """Look that each target that is done has one table and one picture in the Butler: those that are recorded."""
    recorded = {UUID(str(row.dataset_id)): row.dataset_type for row in site.rows("SELECT * FROM product")}
    runs = {UUID(str(row.id)): row.run for row in site.rows("SELECT id, run FROM job")}
    found: dict[UUID, str] = {}
    with Repositories(site.settings) as repositories:
        for name, identity in site.jobs.items():
            run = runs[UUID(identity)]
            with repositories.butler("demo", collections=[run]) as butler:
                refs = [
                    ref for ref in butler.query_all_datasets(run) if ref.datasetType.name in {"upTable", "upPicture"}
                ]
                assert all(butler.get(ref) == {"words": name} for ref in refs if ref.datasetType.name == "upTable")
                assert all(butler.stored(ref) for ref in refs)
            found |= {ref.id: ref.datasetType.name for ref in refs}
            places = Counter((ref.datasetType.name, ref.dataId["exposure"]) for ref in refs)
            assert set(places.values()) <= {1}, name
    assert found == {one: kind for one, kind in recorded.items() if kind in {"upTable", "upPicture"}}
    assert Counter(found.values()) == {"upTable": N_DONE, "upPicture": N_DONE}


def check_notices(site: Site) -> None:
    """Look that the consumer who was registered before hears of each picture, and once."""
    heard: list[str] = []
    consumer = NoticeConsumer(site.settings, "archive", ["#"], lambda notice: heard.append(notice.url))
    assert consumer.backlog().ready == N_DONE
    consumer.run(limit=N_DONE)
    assert consumer.backlog().ready == 0
    assert set(heard) == site.urls()
    assert len(heard) == len(site.urls()) == N_DONE
