"""How the broker is reached: one Celery app and one kombu connection, configured the same for everybody.

Submitters, workers, beat, Flower and consumers of notices build theirs here, so that key prefix, queue and serializer
never differ.
"""

from .app import CONSUMER_TIMEOUT_MS, CONSUMER_URL, celery_settings, make_app, send_to_every_queue, task_queue
from .connecting import connection, is_redis, transport_options
from .depth import Depth, queue_depth
from .refusals import broker_error, shown_address, translate_broker_errors

__all__ = [
    "CONSUMER_TIMEOUT_MS",
    "CONSUMER_URL",
    "Depth",
    "broker_error",
    "celery_settings",
    "connection",
    "is_redis",
    "make_app",
    "queue_depth",
    "send_to_every_queue",
    "shown_address",
    "task_queue",
    "translate_broker_errors",
    "transport_options",
]
