"""A user of Redis that has the rights which the page lists, and no others, can do all that is done there."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.support.transport_site import atomic, put, queue_named, stock
from underbutler.annex import LargeFileObjectAvailable, NoticeConsumer, NoticePublisher, watch
from underbutler.broker import make_app, queue_depth, translate_broker_errors
from underbutler.embedded.process import Guard
from underbutler.embedded.servers import start_redis
from underbutler.errors import BrokerRefusesError
from underbutler.settings import Settings

PAGE = Path(__file__).parents[4] / "docs" / "howto" / "redis-rights.md"


def rights() -> list[str]:
    """Return the rights of the page, as `ACL SETUSER` takes them."""
    block = PAGE.read_text().partition("```text\n")[2].partition("```")[0]
    _, _, *words = block.split()
    return words


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[redis.Redis]:
    with Guard() as guard:
        started = start_redis(tmp_path_factory.mktemp("rights"), guard=guard)
        with redis.Redis.from_url(started.url, decode_responses=True) as client:
            yield client
        started.process.stop()


def as_user(server: redis.Redis, settings: Settings, *words: str) -> Settings:
    """Return settings of a user that has these rights; what the server refused before is forgotten."""
    server.execute_command("ACL", "SETUSER", "underbutler", "reset", *words)
    server.acl_log_reset()
    port = server.connection_pool.connection_kwargs["port"]
    return settings.model_copy(update={"broker_url": f"redis://underbutler:a-long-password@127.0.0.1:{port}/0"})


def notice(number: int) -> LargeFileObjectAvailable:
    return LargeFileObjectAvailable(
        url=f"s3://b/{number}",
        generator="processCcd.calexp",
        version=1.0,
        byteSize=1,
        checkSum="0" * 64,
        mimeType="image/fits",
        id=f"{number:032x}",
        data_id={"instrument": "SIMCAM"},
    )


def drained(opened: Any) -> None:
    with suppress(TimeoutError, socket.timeout):
        opened.drain_events(timeout=0.3)


def test_the_rights_of_the_page_are_enough(server: redis.Redis, settings: Settings) -> None:
    site = as_user(server, settings, *rights())
    put(site, "a", "one", "two")
    got: list[Any] = []
    with atomic(site) as opened:  # taken and booked; done, given back, overdue
        consumer = opened.Consumer([queue_named("a")], accept=["json"])
        consumer.on_message = got.append
        consumer.consume()
        drained(opened)
        got[0].ack()
        got[1].reject(requeue=True)
        opened.default_channel.qos.restore_visible()
        assert queue_depth(opened, site, "a").ready >= 0
    app = make_app(site)
    with stock(site) as opened:  # what a worker hears of `cancel`, and Flower of targets
        app.control.mailbox.Node("worker@here", channel=opened.channel()).listen()
        app.control.broadcast("ping", connection=opened)
        app.events.Dispatcher(opened).send("worker-heartbeat")
        drained(opened)
    app.close()
    consumer = NoticeConsumer(site, "archive", ["#"], lambda _: 1 / 0)
    consumer.register()
    with watch(site, timeout_s=0.3) as notices, NoticePublisher(site) as publisher:
        publisher.publish([notice(1)])
        assert [one.id for one in notices] == [notice(1).id]
    consumer.run(idle_s=0.3)
    assert [parked.notice.id for parked in consumer.parked() if parked.notice] == [notice(1).id]
    assert consumer.replay_parked() == 1
    consumer.unregister()
    assert server.acl_log() == []


@pytest.mark.parametrize(("without", "word"), [("+evalsha", "evalsha"), ("~underbutler:*", "key")])
def test_a_missing_right_is_named(server: redis.Redis, settings: Settings, without: str, word: str) -> None:
    site = as_user(server, settings, *(right for right in rights() if right not in {without, "+eval"}))
    with (
        pytest.raises(BrokerRefusesError, match=rf"lacks a right .*{word}.*ACL LOG.*redis-rights\.md"),
        translate_broker_errors(site),
        atomic(site) as opened,
    ):
        opened.default_channel.basic_get("a")
