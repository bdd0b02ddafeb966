"""What the broker's client raises becomes a sentence; what is not the broker's stays as it is."""

from __future__ import annotations

from ssl import SSLCertVerificationError

import pytest
from amqp.exceptions import AccessRefused, NotAllowed
from kombu.exceptions import OperationalError
from pydantic import SecretStr
from redis.exceptions import AuthenticationError, NoPermissionError, ResponseError
from redis.sentinel import MasterNotFoundError

from underbutler.broker import (
    CONSUMER_TIMEOUT_MS,
    celery_settings,
    make_app,
    task_queue,
    translate_broker_errors,
    transport_options,
)
from underbutler.errors import (
    BrokerRefusesError,
    BrokerUnavailableError,
    RecordsUnavailableError,
    TransientError,
    UnknownNameError,
    exit_code,
)
from underbutler.settings import Settings


def test_a_full_broker_says_so(settings: Settings) -> None:
    with pytest.raises(BrokerUnavailableError, match=r"is full.*OOM"), translate_broker_errors(settings):
        raise ResponseError("OOM command not allowed")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (AuthenticationError("invalid username-password pair or user is disabled."), r"password in CELERY_BROKER_URL"),
        (AuthenticationError("Authentication required."), r"password in CELERY_BROKER_URL"),
        (AccessRefused("Login was refused"), r"password in CELERY_BROKER_URL"),
        (NoPermissionError("User ann has no permissions to run the 'eval' command"), r"'eval'.*redis-rights\.md"),
        (NotAllowed("no access to this vhost"), r"virtual host of CELERY_BROKER_URL"),
        (SSLCertVerificationError("self-signed certificate"), r"TLS.*self-signed.*ssl_ca_certs"),
    ],
    ids=["password", "none given", "RabbitMQ", "right", "virtual host", "certificate"],
)
def test_a_refusal_names_its_variable_and_its_cure(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, error: Exception, words: str
) -> None:
    monkeypatch.setenv("CELERY_BROKER_URL", "redis://h")
    with pytest.raises(BrokerRefusesError, match=words) as caught, translate_broker_errors(settings):
        raise OperationalError(str(error)) from error
    assert exit_code(caught.value) == 2
    assert isinstance(caught.value, TransientError)  # a worker tries again


def test_sentinels_that_know_no_master_name_the_setting(settings: Settings) -> None:
    with (
        pytest.raises(BrokerUnavailableError, match="BROKER_MASTER_NAME='mymaster'"),
        translate_broker_errors(settings),
    ):
        raise MasterNotFoundError("No master found for 'mymaster'")


def test_the_celery_app_goes_where_the_settings_say(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Celery's own variable would win over an app's configuration, and send targets elsewhere than notices."""
    monkeypatch.setenv("CELERY_BROKER_URL", "amqp://elsewhere//")
    app = make_app(settings.model_copy(update={"broker_url": "redis://here:6379/0"}))
    found = {app.connection_for_read().hostname, app.connection_for_write().hostname, app.connection().hostname}
    assert found == {"here"}


def test_sentinels_are_spoken_to_with_their_own_password(settings: Settings) -> None:
    changes = {
        "broker_url": "sentinel://:mine@a:1;sentinel://:mine@b:1",
        "broker_sentinel_password": SecretStr("theirs"),
    }
    options = transport_options(settings.model_copy(update=changes))
    assert options["master_name"] == "mymaster"
    assert options["sentinel_kwargs"]["password"] == "theirs"


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
