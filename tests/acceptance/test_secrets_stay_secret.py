"""After runs with a known access token, whose tasks say it wherever they can, it is found nowhere in clear."""

from __future__ import annotations

import base64
import json
import os
import pickle
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import redis
from sqlalchemy import Engine, inspect, text, update

from tests.support.celery_events import events_of
from tests.support.probes.package import install
from tests.support.secret_places import DATATABLE, files_with, flower, holds, values_of
from tests.support.services import eventually
from tests.support.stack.building import run_site
from tests.support.stack.site import Site
from underbutler.broker import make_app
from underbutler.model.job import Phase, TargetState
from underbutler.records import JobRow, JobStore, NewJob
from underbutler.records.tables.service import Token
from underbutler.redaction import BLOT
from underbutler.sql import database_now, read, write
from underbutler.submission.tokens import read_token

pytestmark = pytest.mark.xdist_group("secrets")

IDS = ("--id", "instrument=SIMCAM", "detector=0", "-d", "exposure.observation_type = 'science'")
TARGETS = 2


@dataclass
class Ran:
    """What was run with the token, and all that could be seen of it from outside while it ran."""

    site: Site
    token: str
    marker: str
    """A word that went the same ways and is no secret: where it is found, the token would have been."""
    good: JobRow
    bad: JobRow
    died: JobRow
    events: list[dict[str, Any]]
    pages: dict[str, bytes]
    said: str
    """What the commands wrote to their terminals."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Run a stack of its own, with the probes and two frames."""
    names = {"secretSay": "SayTask", "secretFail": "FailTask", "secretDie": "DieTask"}
    with run_site(
        tmp_path_factory,
        lambda folder: install(folder, "secret_tasks", names),
        environment={"UNDERBUTLER_SWEEP_INTERVAL_S": 1},
        n_bias=0,
        n_flat=0,
        n_science=TARGETS,
        shape=(64, 64),
    ) as made:
        yield made


@pytest.fixture(scope="module")
def ran(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """Run one job of each kind, with Flower and a listener of events looking on."""
    token = f"known-{secrets.token_urlsafe(24)}"
    marker = f"marker{secrets.token_hex(6)}"
    file = tmp_path_factory.mktemp("token") / "token"  # not in the home folder, which is searched
    file.write_text(token + "\n")
    file.chmod(0o600)
    said: list[str] = []

    def command(*words: object, env: dict[str, str] | None = None) -> str:
        done = site.run("-vv", *words, env=env)
        said.extend([done.out, done.err])
        assert done.code == 0, done.err
        return done.out

    def submit(task: str, *words: object, env: dict[str, str] | None = None) -> JobRow:
        return site.context.jobs.read.job(
            command("submit", task, "demo", *IDS, "-c", f"words={marker}", *words, env=env).strip()
        )

    with flower(site, tmp_path_factory.mktemp("flower")) as fetch, events_of(site) as events:
        given = ("--access-token-file", file)
        good = site.ended(submit("secretSay", *given))
        bad = site.ended(submit("secretFail", env={"UNDERBUTLER_ACCESS_TOKEN": token}))
        died = site.ended(submit("secretDie", *given), timeout=120)
        for row, form in ((good, "json"), (bad, "text"), (died, "json")):
            command("status", str(row.id), "-v", "--format", form)
        ids = {event["uuid"] for event in events if "uuid" in event}
        eventually(lambda: ids <= set(json.loads(fetch("/api/tasks"))), 30, "Flower to know every task")
        paths = ["/", "/workers", "/tasks", "/broker", "/metrics", "/api/tasks", "/api/workers?refresh=1", DATATABLE]
        paths += [f"/{kind}/{one}" for one in ids for kind in ("task", "api/task/info")]
        pages = {path: fetch(path) for path in paths}
    return Ran(site, token, marker, good, bad, died, events, pages, "\n".join(said))


def test_the_jobs_ended_as_planned_and_the_token_was_used(ran: Ran) -> None:
    jobs = ran.site.context.jobs
    assert (ran.good.phase, ran.bad.phase, ran.died.phase) == (Phase.COMPLETED, Phase.ERROR, Phase.COMPLETED)
    for row in (ran.good, ran.bad, ran.died):
        assert row.token_handle
    for claim in jobs.read.claims(ran.good.id):
        assert claim.log is not None
        assert f"I got {BLOT} for {ran.marker}" in claim.log
        assert f"Bearer {BLOT}" in claim.log
        assert f"PermissionError: {BLOT} is refused" in claim.log
    for target in jobs.read.targets(ran.good.id):
        assert target.scalars is not None
        assert (target.scalars["token"], target.scalars["marker"]) == (BLOT, ran.marker)
    for target in jobs.read.targets(ran.bad.id):
        assert target.error_type == "ConnectionRefusedError"
        assert f"{ran.marker}: the server does not take {BLOT}" in (target.error_text or "")
    assert {claim.end for claim in jobs.read.claims(ran.died.id)} == {"died", "done"}


def test_no_file_of_the_stack_holds_it(ran: Ran) -> None:
    """The home folder: records, what the broker ever held, logs of worker and beat, the Butler repository."""
    home = ran.site.stack.home
    carriers = files_with(home, ran.marker)
    for part in ("records.db", "stack/redis", "stack/worker/worker.log", "repo/"):
        assert any(name.startswith(part) for name in carriers), f"nothing of the run is in {part}"
    assert files_with(home, ran.token) == []


def test_no_column_of_any_table_holds_it(ran: Ran) -> None:
    engine = ran.site.context.engine
    found: dict[str, set[str]] = {ran.token: set(), ran.marker: set()}
    with read(engine) as connection:
        for table in inspect(engine).get_table_names():
            for row in connection.execute(text(f'SELECT * FROM "{table}"')).mappings():
                for column, value in row.items():
                    data = value if isinstance(value, bytes) else str(value).encode()
                    for word, places in found.items():
                        if holds(data, word):
                            places.add(f"{table}.{column}")
    assert {"step.overrides", "target.args", "target.error_text", "target.scalars", "claim.log"} <= found[ran.marker]
    assert found[ran.token] == set()


def test_no_key_or_queue_of_the_broker_holds_it(ran: Ran) -> None:
    with redis.Redis.from_url(ran.site.settings.broker_url) as client:
        held = [(key, values_of(client, key)) for key in client.scan_iter("*")]
    assert not any(b"celery-task-meta" in key for key, _ in held), "results are not stored"
    for key, value in held:
        assert not holds(repr((key, value)).encode(), ran.token), key


def test_no_event_holds_it_and_the_failure_is_told_all_the_same(ran: Ran) -> None:
    assert not holds(json.dumps(ran.events, default=str).encode(), ran.token)
    targets = {str(target.id) for target in ran.site.context.jobs.read.targets(ran.bad.id)}
    told = [event for event in ran.events if str(event.get("uuid")).split(".")[0] in targets]
    failed = [event for event in told if event["type"] == "task-failed"]
    assert len(failed) == TARGETS
    for event in failed:
        assert event["exception"].startswith("ConnectionRefusedError(")
        assert f"{ran.marker}: the server does not take {BLOT}" in event["exception"]
        assert "in runDataRef" in event["traceback"]
    assert any(ran.marker in str(event.get("kwargs")) for event in ran.events)


def test_no_page_of_flower_holds_it(ran: Ran) -> None:
    assert [path for path, page in ran.pages.items() if holds(page, ran.token)] == []
    shown = [path for path, page in ran.pages.items() if holds(page, ran.marker)]
    assert any(path.startswith("/task/") for path in shown)
    assert any(path.startswith("/api/task/info/") for path in shown)
    assert DATATABLE in shown


def test_no_command_says_it(ran: Ran) -> None:
    assert ran.marker in ran.said
    assert not holds(ran.said.encode(), ran.token)


def test_no_object_notice_or_metadata_holds_it(ran: Ran) -> None:
    context = ran.site.context
    objects = 0
    for bucket in context.s3.list_buckets()["Buckets"]:
        for item in context.s3.list_objects_v2(Bucket=bucket["Name"]).get("Contents", []):
            answer = context.s3.get_object(Bucket=bucket["Name"], Key=item["Key"])
            body = answer["Body"].read()
            objects += holds(body, ran.marker)
            assert not holds(body + repr((item, answer["Metadata"])).encode(), ran.token)
    assert objects == 2 * TARGETS
    notices = [notice.to_json() for row in (ran.good, ran.died) for notice in context.jobs.read.notices(row.id)]
    assert len(notices) == 2 * TARGETS
    assert not holds(json.dumps(notices).encode(), ran.token)
    for row, name in ((ran.good, "secretSay"), (ran.bad, "secretFail"), (ran.died, "secretDie")):
        with context.repositories.butler("demo", collections=[row.run]) as butler:
            found = [butler.get(ref) for ref in butler.query_datasets(f"{name}_metadata")]
        assert len(found) == TARGETS
        for metadata in found:
            assert metadata[f"{name}.token"] == BLOT
            assert ran.token not in repr(metadata.model_dump())


class Delayed(JobStore):
    """Lets the token of a job expire between its recording and its sending, as a long queue would."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        really_create = self.submissions.create_job

        def create_job(new: NewJob) -> JobRow:
            row = really_create(new)
            with write(engine) as connection:
                connection.execute(
                    update(Token).where(Token.handle == new.token_handle).values(expires_at=database_now() - 1)
                )
            return row

        self.submissions.create_job = create_job  # type: ignore[method-assign]


def test_a_token_that_expires_in_the_queue_holds_its_target(site: Site) -> None:
    from underbutler.submission.preparing import prepare
    from underbutler.submission.submit import submit

    context = site.context
    with prepare("secretSay", ["demo", *IDS], repositories=context.repositories, user="ann") as ready:
        row = submit(
            ready,
            jobs=Delayed(context.engine),
            app=make_app(site.settings),
            settings=site.settings,
            token=read_token("known-and-soon-expired"),
        )
    ended = site.ended(row)
    assert ended.phase == Phase.ERROR
    for target in context.jobs.read.targets(row.id):
        assert target.state == TargetState.HELD
        assert "expired" in (target.error_text or ""), "at a time that is said, or the sweep has forgotten it since"
        assert "Submit again with a new one" in (target.error_text or "")


@pytest.mark.parametrize(
    ("words", "env", "reason"),
    [
        (("--access-token", "known-in-clear-1"), {}, "never given on the command line"),
        (("--access-token=known-in-clear-1",), {}, "never given on the command line"),
        ((), {"UNDERBUTLER_ACCESS_TOKEN": "known in clear 1"}, "not an access token"),
        (("--access-token-file", "/nowhere/token"), {}, "cannot be read"),
        (("--token-lifetime", "1"), {}, "needs a token"),
        (("-c", "words=known-in-clear-1"), {"UNDERBUTLER_ACCESS_TOKEN": "known-in-clear-1"}, "everybody could read it"),
    ],
)
def test_a_token_given_wrongly_is_refused_before_any_write(
    site: Site, words: tuple[str, ...], env: dict[str, str], reason: str
) -> None:
    before = site.context.jobs.read.jobs(limit=1)
    done = site.run("submit", "secretSay", "demo", *IDS, *words, env=env)
    assert done.code == 2
    assert reason in done.err
    assert "in-clear" not in done.err + done.out
    assert "in clear" not in done.err + done.out
    assert site.context.jobs.read.jobs(limit=1) == before


class Bomb:
    """Makes a folder as soon as it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


def test_a_pickle_in_the_queue_never_runs_and_is_kept(site: Site, tmp_path: Path) -> None:
    settings, marker = site.settings, tmp_path / "exploded"
    envelope = {
        "body": base64.b64encode(pickle.dumps(([Bomb(marker)], {}, {}))).decode(),
        "content-encoding": "binary",
        "content-type": "application/x-python-serialize",
        "headers": {"lang": "py", "task": "secretSay", "id": f"bomb-{time.time_ns()}"},
        "properties": {
            "correlation_id": "bomb",
            "delivery_mode": 2,
            "delivery_info": {"exchange": settings.queue, "routing_key": settings.queue},
            "priority": 0,
            "body_encoding": "base64",
            "delivery_tag": f"bomb-{time.time_ns()}",
        },
    }
    with redis.Redis.from_url(settings.broker_url) as client:
        client.lpush(f"{settings.broker_prefix}{settings.queue}", json.dumps(envelope))
    raw = pickle.dumps(([Bomb(marker)], {}, {}))
    eventually(
        lambda: any(
            raw in row.raw or base64.b64encode(raw) in row.raw for row in site.context.jobs.quarantine.parked()
        ),
        30,
    )
    assert not marker.exists()
