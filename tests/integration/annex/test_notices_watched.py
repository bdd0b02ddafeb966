"""Watchers of notices, and brokers that go away and come back, over a real Redis and a real RabbitMQ."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.notices import (
    IDLE_S,
    bindings,
    collecting,
    consumer_name,
    notice,
    publish,
    publish_raw,
    redis_client,
    redis_keys,
)
from tests.support.services import RabbitServer, eventually
from underbutler.annex import NoticePublisher, watch
from underbutler.annex.queues import RedisQueues
from underbutler.annex.subscription import open_connection
from underbutler.embedded.process import Process
from underbutler.embedded.servers import find_redis, start_redis
from underbutler.settings import Settings


@contextmanager
def at_the_broker(broker: Settings) -> Iterator[tuple[list[str], list[str]]]:
    """Run a consumer and a watcher inside the block; return what each has got. Both end when they are told to."""
    consumer, got = collecting(broker)
    seen: list[str] = []
    stop = threading.Event()
    watching = watch(broker, stop=stop)
    threads = [
        threading.Thread(target=consumer.run, kwargs={"stop": stop}),
        threading.Thread(target=lambda: seen.extend(found.id for found in watching)),
    ]
    for thread in threads:
        thread.start()
    try:
        yield got, seen
    finally:
        stop.set()
        for thread in threads:
            thread.join(30)
    assert not any(thread.is_alive() for thread in threads)


def test_consumer_and_watcher_bind_again_when_redis_is_empty(settings: Settings, tmp_path: Path) -> None:
    server = start_redis(tmp_path / "redis")
    port = server.url.rsplit(":", 1)[1].split("/")[0]
    broker = settings.model_copy(update={"broker_url": server.url})
    again = None
    try:
        with at_the_broker(broker) as (got, seen), NoticePublisher(broker) as publisher:
            publisher.publish([notice("before")])
            eventually(lambda: got == seen == ["before"], what="the first notice")
            server.process.stop()
            again = Process("redis", [find_redis(), "--port", port, "--bind", "127.0.0.1", "--save", ""])
            again.wait_until(lambda: answers(broker), 20)
            eventually(lambda: len(bindings(broker)) == 2, what="two bindings", timeout=30)
            publisher.publish([notice("after")])
            eventually(lambda: got == seen == ["before", "after"], what="the second notice")
    finally:
        server.process.stop()
        if again is not None:
            again.stop()


def test_a_publisher_finds_a_broker_that_dropped_its_connection(
    rabbitmq_url: str, rabbitmq_node: RabbitServer, settings: Settings
) -> None:
    broker = settings.model_copy(update={"broker_url": rabbitmq_url})
    consumer, got = collecting(broker)
    with NoticePublisher(broker) as publisher:
        publisher.publish([notice("before")])
        close_connections(rabbitmq_node, rabbitmq_url)
        assert publisher.publish([notice("after")]) == ["after"]
    consumer.run(idle_s=IDLE_S)
    assert got == ["before", "after"]


def test_a_consumer_and_a_watcher_find_a_broker_again(
    rabbitmq_url: str, rabbitmq_node: RabbitServer, settings: Settings
) -> None:
    broker = settings.model_copy(update={"broker_url": rabbitmq_url})
    with at_the_broker(broker) as (got, seen):
        publish(broker, notice("before"))
        eventually(lambda: got == ["before"], what="the first notice")
        close_connections(rabbitmq_node, rabbitmq_url)
        publish(broker, notice("after"))
        eventually(lambda: got == ["before", "after"], what="the second notice")
        eventually(lambda: "before" in seen, what="the watcher's notice")


def close_connections(node: RabbitServer, url: str) -> None:
    """Have RabbitMQ close every connection of a virtual host."""
    vhost = url.rsplit("/", 1)[1]

    def names() -> list[str]:
        found: Any = node.call("GET", f"/vhosts/{vhost}/connections")
        return [connection["name"] for connection in found if "name" in connection]

    from urllib.parse import quote

    for name in eventually(names, what="a listed connection"):
        node.call("DELETE", f"/connections/{quote(name)}")


# Watching.


def test_a_watcher_sees_what_comes_after_it_began_each_once(broker: Settings) -> None:
    publish(broker, notice("before"))
    with watch(broker, timeout_s=IDLE_S) as notices:
        publish(broker, notice("a"), notice("b"), notice("a"))
        assert [found.id for found in notices] == ["a", "b"]


def test_watchers_do_not_take_from_each_other_or_from_consumers(broker: Settings) -> None:
    consumer, got = collecting(broker)
    with watch(broker, timeout_s=IDLE_S) as first, watch(broker, ["*.*.preview"], timeout_s=IDLE_S) as second:
        publish(broker, notice("a"), notice("b", generator="processCcd.preview"))
        assert [found.id for found in first] == ["a", "b"]
        assert [found.id for found in second] == ["b"]
    consumer.run(idle_s=IDLE_S)
    assert got == ["a", "b"]


def test_a_watcher_passes_over_what_is_no_notice(broker: Settings) -> None:
    with watch(broker, timeout_s=IDLE_S) as notices:
        publish_raw(broker, b"{}", "application/json")
        publish(broker, notice())
        assert [found.id for found in notices] == ["a"]


def test_a_watcher_that_ends_leaves_nothing_on_redis(on_redis: Settings) -> None:
    with watch(on_redis):
        publish(on_redis, notice())
        assert redis_keys(on_redis)
    assert [key for key in redis_keys(on_redis) if ".watch." in key] == []
    assert bindings(on_redis) == []


def test_a_watcher_that_ends_leaves_no_queue_on_rabbitmq(
    rabbitmq_url: str, rabbitmq_node: RabbitServer, settings: Settings
) -> None:
    broker = settings.model_copy(update={"broker_url": rabbitmq_url})
    vhost = rabbitmq_url.rsplit("/", 1)[1]
    with watch(broker):
        (queue,) = rabbitmq_node.call("GET", f"/queues/{vhost}")  # type: ignore[misc]
        assert queue["arguments"] == {"x-expires": 300_000, "x-max-length": 10_000}
    assert rabbitmq_node.call("GET", f"/queues/{vhost}") == []


def test_publishers_drop_the_queue_of_a_watcher_that_was_killed(on_redis: Settings) -> None:
    consumer, got = collecting(on_redis)
    watching = watch(on_redis)
    publish(on_redis, notice("a"))
    for key in redis_keys(on_redis):
        if key.endswith(".alive"):
            redis_client(on_redis).delete(key)  # as if its time had run out

    publish(on_redis, notice("b"))

    assert [key for key in redis_keys(on_redis) if ".watch." in key] == []
    assert bindings(on_redis) == [consumer_name(on_redis)]
    watching.close()
    consumer.run(idle_s=IDLE_S)
    assert got == ["a", "b"]


def test_a_watcher_that_was_given_up_binds_again(on_redis: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("underbutler.annex.watcher.WATCH_EXPIRES_S", 0)
    with watch(on_redis, timeout_s=10) as notices:
        with open_connection(on_redis) as link:
            (queue,) = bindings(on_redis)
            RedisQueues(link.channel(), on_redis).drop(queue)
        thread = threading.Thread(target=publish_until_bound, args=(on_redis,))
        thread.start()
        assert next(notices).id == "a"
        thread.join()


def publish_until_bound(settings: Settings) -> None:
    deadline = time.monotonic() + 20
    while not bindings(settings) and time.monotonic() < deadline:
        time.sleep(0.05)
    publish(settings, notice())


def test_every_key_on_redis_has_the_prefix(on_redis: Settings) -> None:
    collecting(on_redis, queue_limit=3)
    with watch(on_redis):
        publish(on_redis, *(notice(str(number)) for number in range(5)))
        assert {key.split(":")[0] for key in redis_keys(on_redis)} == {"underbutler"}


def test_a_queue_on_redis_survives_its_killed_consumer_alone(on_redis: Settings) -> None:
    """A message in the hand of a dead consumer comes back to its queue alone, after the visibility timeout."""
    quick = on_redis.model_copy(update={"visibility_timeout_s": 5})
    consumer, got = collecting(quick)
    other, _ = collecting(quick, "other")
    publish(quick, notice())
    with open_connection(quick) as link:
        channel: Any = link.channel()
        message = channel.basic_get(consumer_name(quick))
        assert message is not None
        channel.qos.restore_visible = lambda **_: None
        channel.qos._delivered.clear()  # the process dies: nothing is given back
    assert consumer.run(limit=1, idle_s=30) == 1
    assert got == ["a"]
    assert other.backlog().ready == 1


def answers(settings: Settings) -> bool:
    import redis

    try:
        return bool(redis_client(settings).ping())
    except redis.ConnectionError:
        return False
