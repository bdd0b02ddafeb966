"""Notices that are published, collected and counted on a broker."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kombu import Exchange, Producer

from underbutler.annex import LargeFileObjectAvailable, NoticeConsumer, NoticePublisher
from underbutler.annex.subscription import open_connection
from underbutler.settings import Settings

IDLE_S = 0.6


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


def publish_raw(settings: Settings, body: bytes, content_type: str, compression: str | None = None) -> None:
    with open_connection(settings) as link:
        Producer(link.channel()).publish(
            body,
            exchange=Exchange(settings.notice_exchange, type="topic", durable=True),
            compression=compression,
            declare=[Exchange(settings.notice_exchange, type="topic", durable=True)],
            routing_key="a.b.c",
            content_type=content_type,
            content_encoding="utf-8",
        )


def redis_client(settings: Settings) -> Any:
    import redis

    return redis.Redis.from_url(settings.broker_url, decode_responses=True)


def redis_keys(settings: Settings) -> list[str]:
    return sorted(redis_client(settings).keys("*"))


def consumer_name(settings: Settings) -> str:
    return f"{settings.notice_exchange}.archive"


def bindings(settings: Settings) -> list[str]:
    """Return the queues that are bound to the exchange."""
    members = redis_client(settings).smembers(f"{settings.broker_prefix}_kombu.binding.{settings.notice_exchange}")
    return sorted(member.split("\x06\x16")[2] for member in members)
