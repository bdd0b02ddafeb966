"""What waits for each registered consumer of notices, on each broker; watchers are not counted."""

from __future__ import annotations

import pytest

from tests.support.services import RabbitServer, eventually
from underbutler.annex import ConsumerQueue, NoticeConsumer, NoticePublisher, consumer_queues
from underbutler.annex.subscription import open_connection
from underbutler.annex.watcher import watch
from underbutler.broker import translate_broker_errors
from underbutler.errors import BrokerUnavailableError
from underbutler.model.notice import LargeFileObjectAvailable
from underbutler.settings import Settings

NOTICE = LargeFileObjectAvailable(
    url="s3://bucket/a.fits", generator="processCcd.calexp", version=1.0, byteSize=1, checkSum="e" * 64,
    mimeType="application/fits", id="a.1", job="j", target="t", dataset="d", data_id={"instrument": "CAM"}, sent_at=1.5,
)  # fmt: skip


def told(settings: Settings) -> list[ConsumerQueue]:
    """Ask the broker."""
    with translate_broker_errors(settings):
        link = open_connection(settings)
    try:
        return consumer_queues(link, settings)
    finally:
        link.release()


def filled(settings: Settings) -> None:
    """Register two consumers and a watcher, and publish three notices."""
    NoticeConsumer(settings, "archive", ["#"], print, queue_limit=10).register()
    NoticeConsumer(settings, "quality", ["OTHER.*.*"], print).register()
    with watch(settings, ["#"]), NoticePublisher(settings) as publisher:
        publisher.publish([NOTICE] * 3)


def test_redis_tells_of_each_consumer_and_its_limit(settings: Settings, redis_url: str) -> None:
    settings = settings.model_copy(update={"broker_url": redis_url})
    assert told(settings) == []
    filled(settings)
    assert told(settings) == [
        ConsumerQueue(name="archive", ready=3, limit=10, parked=0, readers=None),
        ConsumerQueue(name="quality", ready=0, limit=10_000, parked=0, readers=None),
    ]


def test_rabbitmq_tells_by_its_management_plugin(
    settings: Settings, rabbitmq_url: str, rabbitmq_node: RabbitServer
) -> None:
    place = f"http://127.0.0.1:{rabbitmq_node.management_port}"
    settings = settings.model_copy(update={"broker_url": rabbitmq_url, "broker_management_url": place})
    filled(settings)
    expected = [
        ConsumerQueue(name="archive", ready=3, limit=10, parked=0, readers=0),
        ConsumerQueue(name="quality", ready=0, limit=10_000, parked=0, readers=0),
    ]
    eventually(lambda: told(settings) == expected, 20, "the plugin's statistics")


def test_a_plugin_that_is_away_is_named(settings: Settings, rabbitmq_url: str) -> None:
    settings = settings.model_copy(update={"broker_url": rabbitmq_url, "broker_management_url": "http://127.0.0.1:9/"})
    with pytest.raises(BrokerUnavailableError, match=r"at http://127\.0\.0\.1:9 .*rabbitmq-plugins enable"):
        told(settings)
