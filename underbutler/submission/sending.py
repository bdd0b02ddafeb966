"""Messages of targets, from their rows to the broker.

A batch is taken under a send-lease, published, and marked when the broker has confirmed it. What was published and not
marked is published again: a second delivery of a target is discarded as a duplicate.
"""

from __future__ import annotations

import math
import time
import uuid
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from kombu.exceptions import BatchPublishError, OperationalError  # type: ignore[attr-defined]

from underbutler.errors import UsageError
from underbutler.model.message import HEADER
from underbutler.records import JobStore
from underbutler.telemetry.logs import get_logger

if TYPE_CHECKING:
    from celery import Celery

    from underbutler.records import Outgoing

__all__ = ["SEND_BATCH", "Progress", "send"]

log = get_logger(__name__)

Progress = Callable[[int], None]

SEND_BATCH = 500
"""Messages that one broker round trip carries."""


def send(
    jobs: JobStore,
    app: Celery,
    *,
    job: uuid.UUID | None = None,
    older_than_s: float = 0.0,
    at_most: int | None = None,
    rate: float | None = None,
    progress: Progress | None = None,
) -> int:
    """Send the messages of targets that are recorded and not sent; return how many were.

    Parameters
    ----------
    jobs
        The records.
    app
        A Celery app that can send.
    job
        Only of this job.
    older_than_s
        Leave targets that were never sent and are younger than this to their submitter, in seconds.
    at_most
        Stop after so many.
    rate
        Send so many a second at most; default as fast as it goes.
    progress
        Called with the number of messages sent so far.

    Raises
    ------
    RecordsUnavailableError
        If the records do not answer.
    Exception
        What the client raises; `underbutler.broker.translate_broker_errors` translates it. What was not confirmed stays
        unsent in the rows.
    """
    if rate is not None and not rate > 0:
        raise UsageError(f"A rate of {rate} messages a second sends nothing. Give a number above 0.", rate=rate)
    batch_size = SEND_BATCH if rate is None else min(SEND_BATCH, math.ceil(rate))
    sent, begin = 0, time.monotonic()
    with app.producer_pool.acquire(block=True) as producer:
        while True:
            limit = batch_size if at_most is None else min(batch_size, at_most - sent)
            if limit <= 0:
                return sent
            if rate is not None:
                time.sleep(max(0.0, begin + sent / rate - time.monotonic()))
            batch = jobs.outbox.take(job=job, limit=limit, older_than_s=older_than_s)
            if not batch:
                return sent
            _publish(app, producer, batch)
            jobs.outbox.mark_sent([(item.message.envelope.target, item.message.envelope.send_no) for item in batch])
            sent += len(batch)
            if progress is not None:
                progress(sent)


def _publish(app: Celery, producer: Any, batch: Sequence[Outgoing]) -> None:
    """Publish messages, each confirmed: by Redis in one pipeline, by RabbitMQ one by one.

    A pipeline that fails leaves open which messages went out, and is not tried again by the client. Then all of them
    are published once more, one by one over a new connection: whichever go out twice are discarded as duplicates.
    """
    if producer.supports_batch_publish:
        try:
            with producer.batch(max_size=2 * len(batch)):  # each may have its event beside it
                for outgoing in batch:
                    _publish_one(app, producer, outgoing, retry=False)
        except (BatchPublishError, OperationalError) as error:
            log.info("batch_not_confirmed", messages=len(batch), error=str(error.__cause__ or error))
        else:
            return
    for outgoing in batch:
        _publish_one(app, producer, outgoing, retry=True)


def _publish_one(app: Celery, producer: Any, outgoing: Outgoing, *, retry: bool) -> None:
    message = outgoing.message
    app.send_task(
        message.task,
        args=message.args,
        kwargs={},
        task_id=message.envelope.task_id,
        queue=outgoing.queue,
        headers={HEADER: message.envelope.to_json()},
        argsrepr=outgoing.argsrepr,
        kwargsrepr=outgoing.kwargsrepr,
        producer=producer,
        ignore_result=True,
        retry=retry,
    )
