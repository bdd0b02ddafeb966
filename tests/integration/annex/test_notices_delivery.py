"""Notices over a real Redis and a real RabbitMQ: published, consumed, given back, set aside, bounded, watched."""

from __future__ import annotations

import json
import multiprocessing
import threading
import zlib
from typing import Any

import pytest

from tests.support.notices import IDLE_S, collecting, failing, notice, publish, publish_raw, redis_client
from tests.support.services import eventually
from underbutler.annex import LargeFileObjectAvailable, NoticeConsumer, NoticePublisher, watch
from underbutler.errors import BrokerUnavailableError, ConflictError, UsageError
from underbutler.settings import Settings


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


def test_a_compressed_message_is_parked_as_it_came(broker: Settings) -> None:
    """Nobody inflates it, neither who consumes nor who looks at what was parked."""
    consumer, got = collecting(broker)
    body = json.dumps(notice().to_json()).encode()
    publish_raw(broker, body, "application/json", compression="zlib")
    publish(broker, notice("after"))
    consumer.run(idle_s=IDLE_S)
    assert got == ["after"]
    (parked,) = consumer.parked()
    assert parked.body == zlib.compress(body)
    assert parked.reason == "MessageError: It is compressed, which no notice is."


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
    with pytest.raises(
        BrokerUnavailableError, match=r"does not answer .*Start your (Redis|RabbitMQ) at 127\.0\.0\.1:1,"
    ) as caught:
        publish(away, notice())
    assert "secret" not in str(caught.value)
    assert caught.value.fields["published"] == []
    for call in (collecting, watch):
        with pytest.raises(BrokerUnavailableError):
            call(away)  # type: ignore[operator]


def test_a_broker_that_refuses_the_password_is_said(rabbitmq_url: str, settings: Settings) -> None:
    wrong = settings.model_copy(update={"broker_url": rabbitmq_url.replace("guest:guest", "guest:wrong")})
    with pytest.raises(
        BrokerUnavailableError, match=r"refuses .*password in UNDERBUTLER_BROKER_URL .*ACCESS_REFUSED"
    ) as caught:
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
