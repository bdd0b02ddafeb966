"""What a submission sends: all of it, once, in batches, at a rate, whatever becomes of the broker."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest
import redis
from sqlalchemy import Engine

from tests.support.records.rows import let_send_lease_expire
from tests.support.submission_place import FRAMES, SKY, Place, WhenRecording
from tests.support.tcp_proxy import tcp_proxy
from underbutler.broker import make_app
from underbutler.errors import BrokerUnavailableError, UsageError
from underbutler.model.message import HEADER
from underbutler.records import JobStore
from underbutler.submission.sending import send

# The broker


def test_a_broker_that_is_away_at_first_leaves_nothing(place: Place) -> None:
    place.settings = place.settings.model_copy(update={"broker_url": "redis://127.0.0.1:1/0"})
    with pytest.raises(BrokerUnavailableError):
        place.submit()
    assert place.nothing_is_left()


def test_a_broker_lost_while_sending_gets_the_rest_later(place: Place) -> None:
    port = int(place.settings.broker_url.rsplit(":", 1)[1].split("/")[0])
    with tcp_proxy(port) as proxy:
        direct = place.settings.broker_url
        place.settings = place.settings.model_copy(update={"broker_url": direct.replace(str(port), str(proxy.port))})
        place.app = make_app(place.settings)
        row = place.submit(jobs=WhenRecording(place, proxy.cut))
        assert place.all_is_there()
        ((sent, reason),) = place.left
        assert (sent, row.n_targets) == (0, FRAMES)
        assert str(proxy.port) in reason
        place.settings = place.settings.model_copy(update={"broker_url": direct})
        assert place.messages() == []
        proxy.mend()
        let_send_lease_expire(place.context.engine)
        assert send(place.context.jobs, place.app) == FRAMES
    assert len(place.messages()) == FRAMES


def test_the_command_says_what_is_unsent_and_exits_with_0(place: Place) -> None:
    """A script that saw an error would submit the same job once more."""
    port = int(place.settings.broker_url.rsplit(":", 1)[1].split("/")[0])
    with tcp_proxy(port) as proxy:
        proxy.cut_at(b"LPUSH", deliver=False, stay_away=True)
        settings = {
            "UNDERBUTLER_HOME": str(place.settings.home),
            "UNDERBUTLER_REPOSITORY_INDEX": place.settings.index_uri,
            "UNDERBUTLER_BROKER_URL": place.settings.broker_url.replace(str(port), str(proxy.port)),
        }
        program = Path(sys.executable).parent / "underbutler"
        done = subprocess.run(
            [program, "submit", "processCcd", *SKY, "--no-check", "--format", "json"],
            env={**os.environ, **settings},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert (answer["targets"], answer["sent"]) == (FRAMES, 0)
    assert place.context.jobs.read.job(answer["job"]).n_targets == FRAMES
    assert f"is recorded, 0 of {FRAMES} sent; the sweeper sends them" in done.stderr
    assert "Do not submit it again" in done.stderr
    let_send_lease_expire(place.context.engine)
    assert send(place.context.jobs, place.app) == FRAMES


def test_a_connection_cut_between_sendings_loses_no_message(place: Place) -> None:
    """The pipeline over a dead connection fails; what it carried goes out again, one by one."""
    place.submit()
    with redis.Redis.from_url(place.settings.broker_url) as client:
        for one in client.client_list(_type="normal"):
            if int(one["id"]) != client.client_id():
                client.client_kill_filter(_id=one["id"])
    place.job = uuid.uuid4()
    place.submit()
    assert place.left == []
    bodies = [message["headers"][HEADER]["target"] for message in place.messages()]
    assert len(set(bodies)) == 2 * FRAMES


def test_a_batch_goes_out_in_one_pipeline_and_in_order(place: Place) -> None:
    calls: list[int] = []
    place.submit(progress=calls.append)
    assert calls == [FRAMES]
    with redis.Redis.from_url(place.settings.broker_url) as client:
        stats = client.info("commandstats")
    assert stats["cmdstat_lpush"]["calls"] >= FRAMES
    targets = [str(target.id) for target in place.context.jobs.read.targets(place.job)]
    oldest_first = [message["headers"][HEADER]["target"] for message in reversed(place.messages())]
    assert oldest_first == targets


class Counting(JobStore):
    """Notes how many messages are taken at a time."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self.taken: list[int] = []
        really_take = self.outbox.take

        def take(**options: Any) -> Any:
            batch = really_take(**options)
            self.taken.append(len(batch))
            return batch

        self.outbox.take = take  # type: ignore[method-assign]


def test_a_rate_bounds_what_goes_out_each_second(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    naps: list[float] = []
    monkeypatch.setattr("underbutler.submission.sending.time.sleep", naps.append)
    monkeypatch.setattr("underbutler.submission.sending.time.monotonic", lambda: 100.0)  # no time passes by itself
    jobs = Counting(place.context.engine)
    monkeypatch.setattr("underbutler.submission.submit.send", lambda *_, **__: 0)
    place.submit()
    assert send(jobs, place.app, rate=0.5) == FRAMES
    assert jobs.taken == [1, 1, 1, 0]
    assert naps == [0.0, 2.0, 4.0, 6.0]
    with pytest.raises(UsageError, match="above 0"):
        send(jobs, place.app, rate=0)


def test_at_most_leaves_the_rest_to_another_call(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("underbutler.submission.submit.send", lambda *_, **__: 0)
    place.submit()
    assert send(place.context.jobs, place.app, at_most=2) == 2
    assert send(place.context.jobs, place.app, at_most=2) == 1
    assert len(place.messages()) == FRAMES


def test_rabbitmq_confirms_each_message(place: Place, rabbitmq_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    place.settings = place.settings.model_copy(update={"broker_url": rabbitmq_url})
    place.app = make_app(place.settings)
    place.submit()
    assert place.left == []
    with place.app.connection() as connection, connection.channel() as channel:
        found = channel.queue_declare(place.settings.queue, passive=True)
    assert found.message_count == FRAMES
