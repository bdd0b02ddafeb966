"""`underbutler status` in each state that a site may be in: what it says first, the cure, and its exit code."""

from __future__ import annotations

import re
import shutil
import socket
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import jsonschema
import pytest
import redis
from sqlalchemy import Engine, event, update

from tests.support.records.rows import new_job
from tests.support.status_site import StatusSite, stub_s3
from underbutler.annex import NoticeConsumer, NoticePublisher
from underbutler.migrations import upgrade
from underbutler.model.notice import LargeFileObjectAvailable
from underbutler.records.tables.service import SweepState
from underbutler.records.tables.service import Worker as WorkerTable
from underbutler.settings import load_settings
from underbutler.sql import write
from underbutler.status import asking, status_schema

PASSWORD = "a-long-and-wrong-password"
REFUSED = """<?xml version="1.0" encoding="UTF-8"?>
<Error><Code>{code}</Code><Message>{text}</Message></Error>"""


def first(text: str) -> str:
    """Return the first finding, in one line."""
    return " ".join(text.partition("\n  - ")[2].partition("\n  - ")[0].partition("\n\n")[0].split())


def line_of(text: str, part: str) -> str:
    """Return the line of a part."""
    return next(line for line in text.splitlines() if re.match(rf"{part}  +", line))


def refused_port() -> int:
    """Return a port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextmanager
def silent_port() -> Iterator[int]:
    """Listen, accept, and never answer."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_site_that_is_well_has_every_part_in_a_line(site: StatusSite) -> None:
    said = site.status()
    assert said.out.startswith("Nothing is wrong.\n"), said.out
    assert said.code == 0
    assert f"answers  {site.broker_url}; messages waiting: reduce 0" in line_of(said.out, "broker")
    assert "answers  sqlite:///" in line_of(said.out, "records")
    assert line_of(said.out, "s3").rstrip().endswith("; 1 bucket")
    assert line_of(said.out, "repository demo").rstrip().endswith("repo; CAM, NEW")
    assert "1 worker with 2 processes; reduce 1; since 2" in line_of(said.out, "workers")
    assert "ccd-1/9 fires the schedule; since 2" in line_of(said.out, "beat")
    assert "nothing is scheduled" in line_of(said.out, "schedule")
    assert "none is registered" in line_of(said.out, "consumers")
    assert "free for home, scratch, records, repository demo" in line_of(said.out, "disk")
    assert "No jobs yet. Submit one: `underbutler submit --help`." in said.out


def test_the_json_answer_keeps_its_schema(site: StatusSite) -> None:
    site.announce("2026/11/20/a.fits")
    site.fail("bad seeing")
    told = site.status("--format", "json").json
    jsonschema.Draft202012Validator(status_schema()).validate(told)
    assert (told["well"], told["exit_code"]) == (False, 1)
    assert told["parts"][0]["facts"] == {"queues": {"reduce": 0}}
    (finding,) = told["wrong"]
    assert (finding["about"], finding["count"]) == ("s3", 1)
    (failure,) = told["failures"]
    assert (failure["reason"], failure["count"], failure["new"]) == ("ValueError: bad seeing", 1, 1)


def test_a_fresh_site_is_told_how_all_of_it_begins(site: StatusSite) -> None:
    port = refused_port()
    (site.home / "records.db").unlink()
    (site.home / "repositories.yaml").unlink()
    site.set(
        UNDERBUTLER_BROKER_URL=f"redis://127.0.0.1:{port}/0", UNDERBUTLER_S3_ENDPOINT_URL=f"http://127.0.0.1:{port}"
    )
    said = site.status()
    assert said.code == 3
    assert first(said.out).startswith(
        "Nothing was started here yet. `underbutler up` starts all of it on this machine."
    )
    assert "never seen" in line_of(said.out, "broker")
    assert "the records do not tell" in line_of(said.out, "workers")
    assert not (site.home / "records.db").exists(), "a look makes nothing"


def test_records_without_worker_and_beat_ask_for_both(site: StatusSite) -> None:
    with write(site.engine) as connection:
        connection.execute(WorkerTable.__table__.delete())
        connection.execute(SweepState.__table__.delete())
    said = site.status()
    assert said.code == 1
    assert "No worker is alive; none was seen yet." in said.out
    assert "Start one: `celery -A workers worker`, or `underbutler up`." in said.out
    assert "No housekeeping runs: lost messages and dead workers are not noticed." in said.out
    assert "never seen" in line_of(said.out, "workers")
    assert "never seen" in line_of(said.out, "beat")


def test_a_broker_that_is_away_is_told_first_and_since_when(site: StatusSite) -> None:
    assert site.status().code == 0
    place = f"127.0.0.1:{refused_port()}"
    site.set(UNDERBUTLER_BROKER_URL=f"redis://:{PASSWORD}@{place}/0")
    never = site.status()
    assert never.code == 3
    assert "Connection refused" in first(never.out)
    assert first(never.out).endswith(f"Start your Redis at {place}, or correct UNDERBUTLER_BROKER_URL.")
    assert "never seen" in line_of(never.out, "broker")
    assert "unknown" in line_of(never.out, "consumers")
    assert PASSWORD not in never.out + never.err + site.status("--format", "json").out


def test_what_answered_once_is_away_since_then(site: StatusSite) -> None:
    with stub_s3(200, "<ListBucketResult/>") as url:
        site.set(UNDERBUTLER_S3_ENDPOINT_URL=url)
        assert site.status().code == 0
    gone = site.status()
    assert gone.code == 3
    assert re.search(r"^s3 +away since 2\d{3}-", gone.out, re.MULTILINE)
    since = re.findall(r"away since (\S+ \S+)", gone.out)
    assert re.findall(r"away since (\S+ \S+)", site.status().out) == since, "the moment is remembered"
    assert f"The annex at {url} does not answer" in first(gone.out)
    assert "Start your S3 server there, or correct UNDERBUTLER_S3_ENDPOINT_URL. Since" not in first(gone.out)


def test_a_rabbitmq_that_is_away_is_to_be_started_as_such(site: StatusSite) -> None:
    port = refused_port()
    site.set(UNDERBUTLER_BROKER_URL=f"amqp://ann:{PASSWORD}@127.0.0.1:{port}//")
    said = site.status()
    assert said.code == 3
    assert first(said.out).endswith(f"Start your RabbitMQ at 127.0.0.1:{port}, or correct UNDERBUTLER_BROKER_URL.")
    assert "underbutler up" not in first(said.out)
    assert PASSWORD not in said.out


def test_a_wrong_password_is_told_by_its_variable(site: StatusSite) -> None:
    place = site.broker_url.partition("://")[2]
    site.set(UNDERBUTLER_BROKER_URL=f"redis://ann:{PASSWORD}@{place}")
    said = site.status()
    assert said.code == 2
    assert "refuses the user or the password in UNDERBUTLER_BROKER_URL" in first(said.out)
    assert first(said.out).endswith("Correct them there.")
    assert PASSWORD not in said.out + site.status("--format", "json").out


def test_records_that_are_away_leave_the_other_parts_told(site: StatusSite) -> None:
    place = f"127.0.0.1:{refused_port()}"
    site.set(UNDERBUTLER_DATABASE_URL=f"postgresql://ann:{PASSWORD}@{place}/jobs")
    said = site.status()
    assert said.code == 3
    assert first(said.out).startswith("The records at postgresql+psycopg://ann:***@127.0.0.1:")
    assert "Connection refused" in first(said.out)
    assert re.search(
        r"Start your PostgreSQL at 127\.0\.0\.1:\d+, or correct UNDERBUTLER_DATABASE_URL\.", first(said.out)
    )
    assert "answers" in line_of(said.out, "broker")
    assert PASSWORD not in said.out


def test_records_on_postgresql_answer_or_name_their_cure(site: StatusSite, postgres_url: str) -> None:
    upgrade(postgres_url)
    site.set(UNDERBUTLER_DATABASE_URL=postgres_url)
    said = site.status()
    assert f"answers  {postgres_url}" in re.sub(" +", "  ", line_of(said.out, "records"))
    assert "No worker is alive; none was seen yet." in first(said.out)
    site.set(UNDERBUTLER_DATABASE_URL=postgres_url + "_gone")
    gone = site.status()
    assert gone.code == 3
    assert "does not exist. Correct UNDERBUTLER_DATABASE_URL, or make that database." in first(gone.out)


def test_records_that_are_full_are_told_though_they_answer(site: StatusSite) -> None:
    def fill(connection: Any, _: Any) -> None:
        connection.execute("PRAGMA max_page_count = 1")  # as many as there are: SQLite takes away none

    site.engine.dispose()
    with closing(sqlite3.connect(site.home / "records.db")) as records:
        records.execute("VACUUM")
    event.listen(Engine, "connect", fill)
    try:
        said = site.status()
    finally:
        event.remove(Engine, "connect", fill)
    assert said.code == 3, said.out
    assert "can be read and not written: the disk is full." in first(said.out)
    assert f"Free space on the disk of {site.home}." in first(said.out)
    assert "answers" in line_of(said.out, "records")


def test_an_s3_that_refuses_is_told_by_what_it_says(site: StatusSite) -> None:
    with stub_s3(403, REFUSED.format(code="InvalidAccessKeyId", text="No such key.")) as url:
        site.set(UNDERBUTLER_S3_ENDPOINT_URL=url)
        said = site.status()
    assert said.code == 2
    assert "does not know the access key of UNDERBUTLER_S3_ACCESS_KEY_ID" in first(said.out)


def test_a_password_in_the_address_of_s3_is_kept_nowhere(site: StatusSite) -> None:
    site.set(UNDERBUTLER_S3_ENDPOINT_URL=f"http://ann:{PASSWORD}@127.0.0.1:{refused_port()}")
    said = site.status()
    assert "The annex at http://ann:***@127.0.0.1:" in said.out
    assert PASSWORD not in said.out + said.err + (site.home / "status.json").read_text()
    assert PASSWORD not in site.status("--format", "json").out


def test_a_clock_that_is_off_is_told_by_how_much(site: StatusSite) -> None:
    with stub_s3(200, "<ListBucketResult/>", clock=time.time() + 7230) as url:
        site.set(UNDERBUTLER_S3_ENDPOINT_URL=url)
        said = site.status()
    assert said.code == 1
    assert first(said.out).startswith(f"The clock of this machine is 2 h behind that of the annex at {url}.")
    assert "Set the clock that is wrong, by NTP for instance (`timedatectl`)." in first(said.out)


def test_a_bucket_that_is_gone_takes_its_objects_along(site: StatusSite) -> None:
    site.announce("2026/11/20/a.fits", "2026/11/20/b.fits")
    site.set(UNDERBUTLER_S3_INSTANCE="elsewhere")
    site.client.delete_bucket(Bucket=site.bucket)
    said = site.status()
    site.client.create_bucket(Bucket=site.bucket)
    assert said.code == 1
    assert f"has no bucket '{site.bucket}'. What was announced in it is gone." in first(said.out)
    assert f"s3 mb s3://{site.bucket}" in first(said.out)
    assert "2 of 2 announced objects are missing in S3." in said.out
    assert "has no bucket 'rubinobs-lfa-elsewhere-cam'" in said.out.partition("To be known:")[2]


def test_objects_that_are_missing_are_counted(site: StatusSite) -> None:
    site.announce("2026/11/20/a.fits", "2026/11/20/b.fits", "2026/11/20/c.fits")
    site.client.put_object(Bucket=site.bucket, Key="2026/11/20/b.fits", Body=b"x")
    said = site.status()
    assert said.code == 1
    assert first(said.out).startswith("2 of 3 announced objects are missing in S3.")
    assert first(said.out).endswith("Bring them back from the Butler: `underbutler annex verify --repair`.")
    for key in "ac":
        site.client.put_object(Bucket=site.bucket, Key=f"2026/11/20/{key}.fits", Body=b"x")
    well = site.status()
    assert well.code == 0
    assert "all of 3 announced objects looked for are there" in line_of(well.out, "s3")


def test_a_repository_whose_folder_is_gone_is_told(site: StatusSite) -> None:
    shutil.rmtree(site.repository)
    said = site.status()
    assert said.code == 3
    assert first(said.out).startswith(f"Repository 'demo' at {site.repository} is gone: there is no such folder.")
    assert f"remove the line `demo:` from {site.home}/repositories.yaml." in first(said.out)


def test_a_registry_that_is_damaged_is_told(site: StatusSite) -> None:
    (site.repository / "gen3.sqlite3").write_bytes(b"not a database, but long enough to be looked at" * 100)
    said = site.status()
    assert said.code == 3
    assert "Repository 'demo'" in first(said.out)
    assert "file is not a database" in first(said.out)


def test_a_queue_with_work_that_no_worker_takes_is_told(site: StatusSite) -> None:
    job = site.store.submissions.create_job(new_job(2, queue="big"))
    site.store.outbox.mark_sent([(target.id, 1) for target in site.store.read.targets(job.id)])
    taken = site.store.outbox.take()
    site.store.outbox.mark_sent([(one.message.envelope.target, one.message.envelope.send_no) for one in taken])
    said = site.status()
    assert said.code == 1
    assert re.match(r"No worker takes from the queue 'big', and 2 targets wait there for \d+ s\.", first(said.out))
    assert first(said.out).endswith("Start one with UNDERBUTLER_QUEUE=big: `celery -A workers worker`.")


def test_a_worker_that_was_killed_is_away(site: StatusSite) -> None:
    with write(site.engine) as connection:
        connection.execute(update(WorkerTable).values(seen_at=WorkerTable.seen_at - 7200))
    said = site.status()
    assert said.code == 1
    assert first(said.out).startswith("No worker is alive; the last was seen 2 h ago.")
    assert re.search(r"^workers +away since 2", said.out, re.MULTILINE)
    assert "Worker w@ccd-1/1 was not seen for 2 h." in said.out


def test_a_schedule_that_no_beat_fires_is_told(site: StatusSite) -> None:
    site.store.beats.mark_ended("ccd-1/9")
    (site.home / "schedules.toml").write_text('[[schedule]]\nname = "night"\nwhen = { every_s = "x" }\n')
    said = site.status()
    assert said.code == 1
    assert f"No beat was seen: {site.home}/schedules.toml is not read." in said.out
    assert "Start it: `celery -A beat beat`, or `underbutler up`." in said.out
    assert "The schedule's file has a fault." in said.out
    assert "schedules.toml:" in said.out


def test_a_disk_that_is_full_is_told_as_such(site: StatusSite) -> None:
    site.set(UNDERBUTLER_SCRATCH_MIN_BYTES=str(2**62))
    said = site.status()
    assert said.code == 1
    assert re.match(r"The disk of home, scratch, records and repository demo is full: .* are free at ", first(said.out))
    assert "No worker is alive" not in said.out


def test_a_consumer_whose_queue_is_long_is_told(site: StatusSite) -> None:
    settings = load_settings()
    NoticeConsumer(settings, "archive", ["#"], print, queue_limit=10).register()
    notice = LargeFileObjectAvailable(
        url=f"s3://{site.bucket}/a.fits", generator="processCcd.calexp", version=1.0, byteSize=1, checkSum="e" * 64,
        mimeType="application/fits", id="a.1", job="j", target="t", dataset="d", data_id={"instrument": "CAM"},
        sent_at=1.5,
    )  # fmt: skip
    with NoticePublisher(settings) as publisher:
        publisher.publish([notice] * 6)
    said = site.status()
    assert said.code == 1
    assert first(said.out).startswith("6 notices wait for the consumer 'archive'; at 10 the oldest are dropped.")
    assert "notices waiting: archive 6 of 10" in line_of(said.out, "consumers")


def test_who_hangs_is_not_waited_for(site: StatusSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "ANSWER_S", 0.3)
    with silent_port() as port:
        place = f"127.0.0.1:{port}"
        site.set(UNDERBUTLER_BROKER_URL=f"redis://{place}/0", UNDERBUTLER_S3_ENDPOINT_URL=f"http://{place}")
        told = site.status("--format", "json").json
    found = {finding["about"]: finding["what"] for finding in told["wrong"]}
    assert re.fullmatch(rf"The broker at redis://{place}/0 gives no answer within \d\.\d s\.", found["broker"])
    assert re.fullmatch(rf"The annex at http://{place} gives no answer within \d\.\d s\.", found["s3"])
    assert told["exit_code"] == 3


def test_failures_are_new_until_somebody_has_looked(site: StatusSite) -> None:
    site.fail("no stars in frame 17", "no stars in frame 18", "saturated")
    site.status("--format", "json")
    looked = site.status().out
    assert "Last failures (all of them new to you):" in looked
    assert re.search(r"new .*  processCcd failed, 2 targets  job ", looked)
    assert "ValueError: saturated" in looked
    assert "Last failures (none is new since you looked" in site.status().out
    site.fail("no stars in frame 19")
    again = site.status().out
    assert "Last failures (1 new since you looked" in again
    assert again.index("no stars in frame 19") < again.index("saturated")


def test_a_redis_without_room_is_told(site: StatusSite) -> None:
    with redis.Redis.from_url(site.broker_url) as client:
        used = client.info("memory")["used_memory"]
        client.config_set("maxmemory", used)
        try:
            said = site.status()
        finally:
            client.config_set("maxmemory", 0)
    assert said.code != 0
    assert "full" in first(said.out) or "of the memory that it may use" in first(said.out)
