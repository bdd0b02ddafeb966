"""What the broker's client raises becomes a sentence; what is not the broker's stays as it is."""

from __future__ import annotations

import pytest
from kombu.exceptions import OperationalError
from redis.exceptions import ResponseError

from underbutler.broker import (
    CONSUMER_TIMEOUT_MS,
    celery_settings,
    task_queue,
    translate_broker_errors,
    transport_options,
)
from underbutler.errors import BrokerUnavailableError, RecordsUnavailableError, UnknownNameError
from underbutler.settings import Settings


def test_a_broker_that_refuses_says_so(settings: Settings) -> None:
    with pytest.raises(BrokerUnavailableError, match=r"refuses.*OOM"), translate_broker_errors(settings):
        raise ResponseError("OOM command not allowed")


@pytest.mark.parametrize(
    "error",
    [RecordsUnavailableError("the records"), UnknownNameError("a name"), KeyError("a key"), ValueError("a value")],
)
def test_what_is_not_the_brokers_stays_as_it_is(settings: Settings, error: Exception) -> None:
    """kombu counts KeyError and every OSError among connection errors: ours are both, and are something else."""
    with pytest.raises(type(error)) as caught, translate_broker_errors(settings):
        raise error
    assert caught.value is error


def test_an_operational_error_of_kombu_is_the_brokers(settings: Settings) -> None:
    with pytest.raises(BrokerUnavailableError), translate_broker_errors(settings):
        raise OperationalError("gone")


def test_only_json_is_accepted_and_nothing_is_kept_as_a_result(settings: Settings) -> None:
    configured = celery_settings(settings)
    assert configured["accept_content"] == ["json"]
    assert configured["task_ignore_result"] is True
    assert configured["task_acks_late"] is True
    assert configured["task_reject_on_worker_lost"] is False
    assert configured["broker_transport_options"]["visibility_timeout"] == 120
    assert configured["broker_transport_options"]["global_keyprefix"] == "underbutler:"


def test_the_task_queue_is_a_quorum_queue_on_rabbitmq_only(settings: Settings) -> None:
    rabbit = settings.model_copy(update={"broker_url": "amqp://guest:guest@h//", "queue": "night"})
    (queue,) = celery_settings(rabbit)["task_queues"]
    assert queue == task_queue(rabbit)
    assert (queue.name, queue.exchange.name, queue.routing_key) == ("night", "night", "night")
    assert queue.queue_arguments["x-queue-type"] == "quorum"
    assert queue.queue_arguments["x-delivery-limit"] > 20, "the default of RabbitMQ 4"
    assert transport_options(rabbit) == {"confirm_publish": True}
    assert not task_queue(settings).queue_arguments
    assert task_queue(settings, "other").routing_key == "other"


def test_a_messages_timeout_is_the_same_for_every_declarer(settings: Settings) -> None:
    """RabbitMQ refuses a queue that is declared in two ways: hosts may have different limits."""
    rabbit = settings.model_copy(update={"broker_url": "amqp://h//"})
    short = rabbit.model_copy(update={"hard_limit_s": 10})
    assert task_queue(short).queue_arguments == task_queue(rabbit).queue_arguments
    assert CONSUMER_TIMEOUT_MS >= 1000 * 30 * 86_400, "the longest TIMEOUT of a task runner"
