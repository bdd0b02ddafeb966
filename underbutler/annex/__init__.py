"""The large file annex: bucket, delivery, notices.

The modules behind the names load at first use: a publisher of notices does not pay for boto3, nor a bucket for kombu.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from underbutler.lazy import lazy_names

if TYPE_CHECKING:
    from underbutler.model.notice import LargeFileObjectAvailable as LargeFileObjectAvailable
    from underbutler.s3 import make_client as make_client

    from .async_bucket import AsyncS3Bucket as AsyncS3Bucket
    from .backlogs import ConsumerQueue as ConsumerQueue
    from .backlogs import consumer_queues as consumer_queues
    from .buckets import bucket_for as bucket_for
    from .buckets import ensure_bucket as ensure_bucket
    from .consumer import NoticeConsumer as NoticeConsumer
    from .delivery import DeliveredObject as DeliveredObject
    from .delivery import deliver as deliver
    from .publisher import NoticePublisher as NoticePublisher
    from .retrieval import fetch as fetch
    from .watcher import watch as watch

_HOME_OF = {
    "AsyncS3Bucket": "underbutler.annex.async_bucket",
    "ConsumerQueue": "underbutler.annex.backlogs",
    "DeliveredObject": "underbutler.annex.delivery",
    "LargeFileObjectAvailable": "underbutler.model.notice",
    "NoticeConsumer": "underbutler.annex.consumer",
    "NoticePublisher": "underbutler.annex.publisher",
    "bucket_for": "underbutler.annex.buckets",
    "consumer_queues": "underbutler.annex.backlogs",
    "deliver": "underbutler.annex.delivery",
    "ensure_bucket": "underbutler.annex.buckets",
    "fetch": "underbutler.annex.retrieval",
    "make_client": "underbutler.s3",
    "watch": "underbutler.annex.watcher",
}

__all__ = [  # noqa: PLE0604 - names of the table above
    *_HOME_OF,
]


__getattr__, __dir__ = lazy_names(__name__, _HOME_OF)
