"""Notices over a real Redis and a real RabbitMQ: published, consumed, given back, set aside, bounded, watched."""

from __future__ import annotations

import json
import multiprocessing
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kombu import Exchange, Producer

from tests.support.services import RabbitServer, eventually
from underbutler.annex import LargeFileObjectAvailable, NoticeConsumer, NoticePublisher, watch
from underbutler.annex.queues import RedisQueues
from underbutler.annex.subscription import open_connection
from underbutler.embedded.process import Process
from underbutler.embedded.servers import find_redis, start_redis
from underbutler.errors import BrokerUnavailableError, ConflictError, UsageError
from underbutler.settings import Settings

IDLE_S = 0.6


@pytest.fixture(params=["redis_url", "rabbitmq_url"], ids=["redis", "rabbitmq"])
def broker(request: pytest.FixtureRequest, settings: Settings) -> Settings:
    return settings.model_copy(update={"broker_url": request.getfixturevalue(request.param)})


@pytest.fixture
def on_redis(redis_url: str, settings: Settings) -> Settings:
    return settings.model_copy(update={"broker_url": redis_url})


def notice(id_: str = "a", instrument: str = "STE3", generator: str = "processCcd.calexp") -> LargeFileObjectAvailable:
    return LargeFileObjectAvailable(
        url=f"s3://bucket/{id_}.fits",
        generator=generator,
        version=1.0,
        byteSize=2**33,
        checkSum="0" * 64,
        mimeType="image/fits",
        id=id_,
        job="j",
        data_id={"instrument": instrument, "detector": 1},
        sent_at=1.5,
    )


def publish(settings: Settings, *notices: LargeFileObjectAvailable) -> list[str]:
    with NoticePublisher(settings) as publisher:
        return publisher.publish(notices)


def collecting(settings: Settings, name: str = "archive", **options: Any) -> tuple[NoticeConsumer, list[str]]:
    got: list[str] = []
    consumer = NoticeConsumer(settings, name, ["#"], lambda found: got.append(found.id), **options)
    consumer.register()
    return consumer, got


def failing(count: int) -> Callable[[LargeFileObjectAvailable], None]:
    """Return a handler that fails so many times."""
    calls: list[str] = []

    def handle(found: LargeFileObjectAvailable) -> None:
        calls.append(found.id)
        if len(calls) <= count:
            raise RuntimeError("disk full")

    return handle


def publish_raw(settings: Settings, body: bytes, content_type: str) -> None:
    with open_connection(settings) as link:
        Producer(link.channel()).publish(
            body,
            exchange=Exchange(settings.notice_exchange, type="topic", durable=True),
            declare=[Exchange(settings.notice_exchange, type="topic", durable=True)],
            routing_key="a.b.c",
            content_type=content_type,
            content_encoding="utf-8",
        )


def test_a_notice_comes_as_it_went(broker: Settings) -> None:
    got: list[LargeFileObjectAvailable] = []
    consumer = NoticeConsumer(broker, "archive", ["STE3.processCcd.*"], got.append)
    consumer.register()

    assert publish(broker, notice()) == ["a"]

    assert consumer.run(limit=1) == 1
    assert got == [notice()]
    assert consumer.backlog().ready == 0


def test_a_registered_consumer_gets_what_came_while_it_was_away(broker: Settings) -> None:
    consumer, got = collecting(broker)
    publish(broker, *(notice(str(number)) for number in range(20)))
    assert consumer.backlog().ready == 20

    assert consumer.run(idle_s=IDLE_S) == 20
    assert got == [str(number) for number in range(20)]


def test_topics_choose(broker: Settings) -> None:
    got: dict[str, list[str]] = {"one": [], "task": [], "all": []}
    consumers = [
        NoticeConsumer(broker, "one", ["STE3.processCcd.preview"], lambda found: got["one"].append(found.id)),
        NoticeConsumer(broker, "task", ["*.makeBias.#", "LATISS.#"], lambda found: got["task"].append(found.id)),
        NoticeConsumer(broker, "all", ["#"], lambda found: got["all"].append(found.id)),
    ]
    for consumer in consumers:
        consumer.register()
    publish(
        broker,
        notice("calexp"),
        notice("preview", generator="processCcd.preview"),
        notice("bias", generator="makeBias.bias"),
        notice("latiss", instrument="LATISS"),
    )
    for consumer in consumers:
        consumer.run(idle_s=IDLE_S)
    assert got == {"one": ["preview"], "task": ["bias", "latiss"], "all": ["calexp", "preview", "bias", "latiss"]}


def test_two_processes_of_one_name_share_the_work(broker: Settings) -> None:
    first, got = collecting(broker)
    second, also = collecting(broker)
    publish(broker, *(notice(str(number)) for number in range(10)))
    first.run(limit=4)
    second.run(idle_s=IDLE_S)
    assert len(got) == 4
    assert sorted(got + also, key=int) == [str(number) for number in range(10)]


def test_a_notice_that_comes_twice_is_handled_once(broker: Settings) -> None:
    consumer, got = collecting(broker)
    publish(broker, notice("a"), notice("b"), notice("a"))
    consumer.run(idle_s=IDLE_S)
    assert got == ["a", "b"]
    assert consumer.backlog().ready == 0


def test_a_handler_that_fails_once_gets_the_notice_again(broker: Settings) -> None:
    consumer = NoticeConsumer(broker, "archive", ["#"], failing(1))
    consumer.register()
    publish(broker, notice())
    assert consumer.run(idle_s=IDLE_S) == 1
    assert (consumer.backlog().ready, consumer.backlog().parked) == (0, 0)


def test_a_notice_whose_handler_fails_twice_is_parked(broker: Settings) -> None:
    consumer = NoticeConsumer(broker, "archive", ["#"], failing(2))
    consumer.register()
    publish(broker, notice())

    assert consumer.run(idle_s=IDLE_S) == 0

    assert (consumer.backlog().ready, consumer.backlog().parked) == (0, 1)
    for _ in range(2):  # looking does not take it away
        (parked,) = consumer.parked()
        assert parked.notice == notice()
        assert parked.reason == "RuntimeError: disk full"
    assert consumer.replay_parked() == 1
    assert consumer.run(idle_s=IDLE_S) == 1
    assert consumer.backlog().parked == 0


def test_what_one_consumer_gives_back_does_not_reach_another(broker: Settings) -> None:
    other, _ = collecting(broker, "other")
    consumer = NoticeConsumer(broker, "failing", ["#"], failing(9))
    consumer.register()
    publish(broker, notice())
    consumer.run(idle_s=IDLE_S)
    assert other.backlog().ready == 1


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"not json", "application/json"),
        (b'{"url": "s3://b/k"}', "application/json"),
        (b"[1]", "application/json"),
        (b"\x80\x04N.", "application/x-python-serialize"),
        (json.dumps({**notice().to_json(), "byteSize": "many"}).encode(), "application/json"),
    ],
    ids=["no json", "fields missing", "a list", "a pickle", "wrong kind"],
)
def test_a_message_that_is_no_notice_is_parked_at_once(broker: Settings, body: bytes, content_type: str) -> None:
    consumer, got = collecting(broker)
    publish_raw(broker, body, content_type)
    publish(broker, notice("after"))
    consumer.run(idle_s=IDLE_S)
    assert got == ["after"]
    (parked,) = consumer.parked()
    assert parked.notice is None
    assert parked.body == body
    assert parked.reason.startswith("MessageError: ")


def test_a_handler_that_is_interrupted_leaves_the_notice(broker: Settings) -> None:
    def interrupt(_: LargeFileObjectAvailable) -> None:
        raise KeyboardInterrupt

    consumer = NoticeConsumer(broker, "archive", ["#"], interrupt)
    consumer.register()
    other, _ = collecting(broker, "other")
    publish(broker, notice())
    with pytest.raises(KeyboardInterrupt):
        consumer.run(limit=1)
    eventually(lambda: consumer.backlog().ready == 1, what="the notice's return")
    assert other.backlog().ready == 1


def test_a_queue_is_bounded_and_keeps_the_newest(broker: Settings) -> None:
    consumer, got = collecting(broker, queue_limit=5)
    publish(broker, *(notice(str(number)) for number in range(12)))
    assert (consumer.backlog().ready, consumer.backlog().limit) == (5, 5)
    consumer.run(idle_s=IDLE_S)
    assert got == ["7", "8", "9", "10", "11"]


def test_a_consumer_of_another_limit_is_refused_by_rabbitmq(rabbitmq_url: str, settings: Settings) -> None:
    broker = settings.model_copy(update={"broker_url": rabbitmq_url})
    collecting(broker, queue_limit=5)
    with pytest.raises(ConflictError, match="exists with other properties"):
        collecting(broker, queue_limit=6)


def test_after_unregistering_nothing_is_kept(broker: Settings) -> None:
    consumer, _ = collecting(broker)
    publish(broker, notice("old"))
    consumer.unregister()
    publish(broker, notice("unheard"))
    again, got = collecting(broker)
    publish(broker, notice("new"))
    again.run(idle_s=IDLE_S)
    assert got == ["new"]


def test_run_stops_when_told_to(broker: Settings) -> None:
    consumer, got = collecting(broker)
    stop = threading.Event()
    thread = threading.Thread(target=consumer.run, kwargs={"stop": stop})
    thread.start()
    publish(broker, notice())
    eventually(lambda: got == ["a"], what="the notice")
    stop.set()
    thread.join(20)
    assert not thread.is_alive()


def test_nobody_bound_is_no_error(broker: Settings) -> None:
    assert publish(broker, notice()) == ["a"]


def test_one_publisher_serves_many_threads(broker: Settings) -> None:
    consumer, got = collecting(broker)
    with NoticePublisher(broker) as publisher:
        threads = [
            threading.Thread(target=lambda start=start: publisher.publish(notice(f"{start}-{n}") for n in range(25)))
            for start in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    consumer.run(idle_s=IDLE_S)
    assert len(set(got)) == 100


def test_a_publisher_opens_its_own_connection_after_a_fork(broker: Settings) -> None:
    consumer, got = collecting(broker)
    with NoticePublisher(broker) as publisher:
        publisher.publish([notice("parent")])
        link = publisher._link
        child = multiprocessing.get_context("fork").Process(target=lambda: publisher.publish([notice("child")]))
        child.start()
        child.join(30)
        publisher.publish([notice("parent again")])
        assert child.exitcode == 0
        assert publisher._link is link
    consumer.run(idle_s=IDLE_S)
    assert got == ["parent", "child", "parent again"]


@pytest.mark.parametrize("url", ["redis://127.0.0.1:1/0", "amqp://guest:secret@127.0.0.1:1//"])
def test_a_broker_that_is_away_is_named_without_its_password(settings: Settings, url: str) -> None:
    away = settings.model_copy(update={"broker_url": url})
    with pytest.raises(BrokerUnavailableError, match=r"127\.0\.0\.1:1.*underbutler up") as caught:
        publish(away, notice())
    assert "secret" not in str(caught.value)
    assert caught.value.fields["published"] == []
    for call in (collecting, watch):
        with pytest.raises(BrokerUnavailableError):
            call(away)  # type: ignore[operator]


def test_a_broker_that_refuses_the_password_is_said(rabbitmq_url: str, settings: Settings) -> None:
    wrong = settings.model_copy(update={"broker_url": rabbitmq_url.replace("guest:guest", "guest:wrong")})
    with pytest.raises(BrokerUnavailableError, match=r"refuses .*ACCESS_REFUSED.*password") as caught:
        publish(wrong, notice())
    assert "guest:wrong" not in str(caught.value)
    with pytest.raises(BrokerUnavailableError):
        collecting(wrong)


def test_a_full_redis_is_said_and_the_notice_goes_later(on_redis: Settings) -> None:
    consumer, got = collecting(on_redis)
    client = redis_client(on_redis)
    client.config_set("maxmemory", "1")
    try:
        with pytest.raises(BrokerUnavailableError, match="memory"):
            publish(on_redis, notice())
    finally:
        client.config_set("maxmemory", "0")
    publish(on_redis, notice())
    consumer.run(idle_s=IDLE_S)
    assert got == ["a"]


def test_consumer_and_watcher_bind_again_when_redis_is_empty(settings: Settings, tmp_path: Path) -> None:
    server = start_redis(tmp_path / "redis")
    port = server.url.rsplit(":", 1)[1].split("/")[0]
    broker = settings.model_copy(update={"broker_url": server.url})
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
    again = None
    try:
        with NoticePublisher(broker) as publisher:
            publisher.publish([notice("before")])
            eventually(lambda: got == seen == ["before"], what="the first notice")
            server.process.stop()
            again = Process("redis", [find_redis(), "--port", port, "--bind", "127.0.0.1", "--save", ""])
            again.wait_until(lambda: answers(broker), 20)
            eventually(lambda: len(bindings(broker)) == 2, what="two bindings", timeout=30)
            publisher.publish([notice("after")])
        eventually(lambda: got == seen == ["before", "after"], what="the second notice")
    finally:
        stop.set()
        for thread in threads:
            thread.join(30)
        server.process.stop()
        if again is not None:
            again.stop()
    assert not any(thread.is_alive() for thread in threads)


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
        publish(broker, notice("before"))
        eventually(lambda: got == ["before"], what="the first notice")
        close_connections(rabbitmq_node, rabbitmq_url)
        publish(broker, notice("after"))
        eventually(lambda: got == ["before", "after"], what="the second notice")
        eventually(lambda: "before" in seen, what="the watcher's notice")
    finally:
        stop.set()
        for thread in threads:
            thread.join(30)
    assert not any(thread.is_alive() for thread in threads)


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


def redis_client(settings: Settings) -> Any:
    import redis

    return redis.Redis.from_url(settings.broker_url, decode_responses=True)


def answers(settings: Settings) -> bool:
    import redis

    try:
        return bool(redis_client(settings).ping())
    except redis.ConnectionError:
        return False


def redis_keys(settings: Settings) -> list[str]:
    return sorted(redis_client(settings).keys("*"))


def consumer_name(settings: Settings) -> str:
    return f"{settings.notice_exchange}.archive"


def bindings(settings: Settings) -> list[str]:
    """Return the queues that are bound to the exchange."""
    members = redis_client(settings).smembers(f"{settings.broker_prefix}_kombu.binding.{settings.notice_exchange}")
    return sorted(member.split("\x06\x16")[2] for member in members)


# Bad input.


@pytest.mark.parametrize("name", ["", "watch.me", "a.parked", "a b", "x" * 101])
def test_a_name_outside_the_rules_is_refused(settings: Settings, name: str) -> None:
    with pytest.raises(UsageError, match="cannot be called"):
        NoticeConsumer(settings, name, ["#"], print)


@pytest.mark.parametrize("topics", ["#", []])
def test_bindings_are_a_list_of_topics(settings: Settings, topics: Any) -> None:
    with pytest.raises(UsageError, match="list of topics"):
        NoticeConsumer(settings, "archive", topics, print)


def test_a_queue_that_keeps_nothing_is_refused(settings: Settings) -> None:
    with pytest.raises(UsageError, match="queue_limit"):
        NoticeConsumer(settings, "archive", ["#"], print, queue_limit=0)
