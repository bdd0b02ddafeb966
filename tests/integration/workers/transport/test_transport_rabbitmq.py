"""RabbitMQ as the other broker: a quorum queue, whose messages outlast killed workers, restarts and timeouts."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote, urlparse

import pytest

from tests.support.programs.transport_app import said
from tests.support.services import RabbitServer, eventually, rabbitmq_server
from tests.support.transport_site import all_said, send_words, worker
from underbutler.broker import Depth, connection, make_app, queue_depth, task_queue, translate_broker_errors
from underbutler.errors import BrokerUnavailableError
from underbutler.settings import Settings


@pytest.fixture
def site(settings: Settings, rabbitmq_url: str) -> Settings:
    return settings.model_copy(update={"broker_url": rabbitmq_url})


def depth(site: Settings) -> Depth:
    with connection(site) as opened:
        return queue_depth(opened, site, site.queue)


def described(node: RabbitServer, site: Settings) -> dict[str, Any]:
    """Return what the server says of the task queue."""
    host = quote(urlparse(site.broker_url).path[1:], safe="")
    found: Any = node.call("GET", f"/queues/{host}/{site.queue}")
    return dict(found)


def test_the_task_queue_is_a_quorum_queue_that_drops_nothing(
    site: Settings, rabbitmq_node: RabbitServer, folder: Path
) -> None:
    send_words(site, folder, ["declared by a producer"])
    queue = described(rabbitmq_node, site)
    assert queue["type"] == "quorum"
    assert queue["durable"]
    assert queue["arguments"]["x-delivery-limit"] >= 1_000_000
    assert queue["arguments"]["x-consumer-timeout"] >= 1000 * Settings.model_fields["hard_limit_s"].default
    with worker(site, folder, "-c", "1"):
        all_said(folder, 1)


def test_counts_are_of_ready_messages_only(site: Settings, folder: Path) -> None:
    assert depth(site) == Depth(ready=0, unacked=None)
    send_words(site, folder, range(3))
    assert depth(site) == Depth(ready=3, unacked=None)
    assert queue_depth(make_app(site), site, site.queue) == Depth(ready=3, unacked=None)


def test_a_message_delivered_but_not_acknowledged_is_kept(site: Settings, folder: Path) -> None:
    """RabbitMQ 4 drops a quorum queue's message after 20 deliveries, unless it is told otherwise."""
    send_words(site, folder, ["often"])

    def taken() -> Any:
        with connection(site) as opened:  # closed without an acknowledgement: delivered again
            return opened.default_channel.basic_get(site.queue)

    for number in range(25):
        message = eventually(taken, 20, "the message")
        assert message.delivery_info["redelivered"] == (number > 0)


def test_workers_that_are_killed_lose_nothing(site: Settings, folder: Path) -> None:
    send_words(site, folder, range(300), seconds=0.005)
    for number in range(2):
        with worker(site, folder, "-c", "2", name=f"victim{number}") as victim:
            eventually(lambda n=number: len(set(said(folder))) > 60 * (n + 1), 60, "some work")
            victim.kill()
    assert len(set(said(folder))) < 300, "the kills came in the middle"
    with worker(site, folder, "-c", "2"):
        words = all_said(folder, 300)
    assert {int(word) for word in words} == set(range(300))


def test_a_producer_is_told_what_the_broker_has_not_taken(site: Settings, rabbitmq_node: RabbitServer) -> None:
    """Publisher confirms: a queue that is full and refuses is an error, not a silence."""
    host = quote(urlparse(site.broker_url).path[1:], safe="")
    queue = task_queue(site)
    with connection(site) as opened, opened.Producer() as producer:
        queue(opened.default_channel).declare()
        limit = {"pattern": f"^{queue.name}$", "definition": {"max-length": 1, "overflow": "reject-publish"}}
        rabbitmq_node.call("PUT", f"/policies/{host}/full", limit | {"apply-to": "queues"})

        def refused() -> str:
            try:
                with translate_broker_errors(site):
                    producer.publish({}, exchange=queue.exchange, routing_key=queue.name)
            except BrokerUnavailableError as error:
                return str(error)
            return ""

        assert "did not confirm" in eventually(refused, 30, "a refusal")


def test_a_worker_goes_on_when_the_server_was_restarted(settings: Settings, folder: Path) -> None:
    with rabbitmq_server() as node:
        site = settings.model_copy(update={"broker_url": f"amqp://guest:guest@127.0.0.1:{node.amqp_port}//"})
        send_words(site, folder, range(100), seconds=0.02)
        with worker(site, folder, "-c", "2") as running:
            eventually(lambda: len(said(folder)) > 10, 60, "some work")
            node.end()
            node.start()
            assert {int(word) for word in all_said(folder, 100, 90)} == set(range(100))
            assert running.exit_code is None, "the same worker went on"


def test_a_channel_closed_by_consumer_timeout_ends_no_worker(settings: Settings, folder: Path) -> None:
    """Before 3.12 only the server's configuration says how long a delivery may be out, and a client cannot ask."""
    with rabbitmq_server("[{rabbit, [{consumer_timeout, 2000}, {channel_tick_interval, 1000}]}].") as node:
        url = f"amqp://guest:guest@127.0.0.1:{node.amqp_port}//"
        site = settings.model_copy(update={"broker_url": url, "hard_limit_s": 3600})
        overview: Any = node.call("GET", "/overview")
        old = tuple(int(part) for part in overview["rabbitmq_version"].split(".")[:2]) < (3, 12)
        with worker(site, folder, "-c", "2") as running:
            log = folder / "worker.log"
            assert ("consumer_timeout_unknown" in log.read_text()) == old
            send_words(site, folder, ["long"], seconds=8)
            all_said(folder, 1)
            send_words(site, folder, ["after"])
            assert set(all_said(folder, 2)) == {"long", "after"}
            if old:
                assert "delivery acknowledgement on channel 1 timed out" in log.read_text()
            assert running.exit_code is None, "the same worker went on"
