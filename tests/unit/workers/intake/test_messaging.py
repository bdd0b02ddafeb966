"""What a worker says of its broker when it starts."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs

from underbutler.settings import Settings
from workers.intake.messaging import check_broker, messaging_settings
from workers.transport.transport import consumer_url


def broker(**properties: str) -> Any:
    return SimpleNamespace(connection=SimpleNamespace(server_properties=properties))


@pytest.mark.parametrize(
    ("version", "hard_limit_s", "event"),
    [
        ("3.10.8", 3600, "consumer_timeout_unknown"),
        ("3.10.8", 600, None),
        ("3.11.28", 1800, "consumer_timeout_unknown"),
        ("3.12.0", 3600, None),
        ("4.1.2", 29 * 86_400, None),
        ("4.1.2", 31 * 86_400, "consumer_timeout_too_short"),
    ],
)
def test_a_hard_limit_that_rabbitmq_may_cut_is_said(
    settings: Settings, version: str, hard_limit_s: int, event: str | None
) -> None:
    with capture_logs() as said:
        check_broker(
            broker(product="RabbitMQ", version=version), settings.model_copy(update={"hard_limit_s": hard_limit_s})
        )
    assert [line["event"] for line in said] == ([event] if event else [])
    if event == "consumer_timeout_unknown":
        assert f"consumer_timeout = {(hard_limit_s + 60) * 1000}" in said[0]["cure"]


def test_other_brokers_have_no_such_timeout(settings: Settings) -> None:
    with capture_logs() as said:
        check_broker(broker(), settings)
        check_broker(SimpleNamespace(connection=object()), settings)
    assert said == []


def test_several_servers_are_left_to_stock_kombu_and_it_is_said(settings: Settings) -> None:
    with capture_logs() as said:
        configured = messaging_settings(settings.model_copy(update={"broker_url": "redis://a:1;redis://b:1"}))
    assert "broker_transport_options" not in configured
    assert configured["worker_consumer"] == "workers.intake.consumer:Consumer"
    assert [line["event"] for line in said] == ["stock_redis_transport"]


@pytest.mark.parametrize(
    ("url", "consumed"),
    [
        ("redis://h/1", None),
        ("redis+socket:///run/r.sock?virtual_host=1", "underbutler-redis+socket:///run/r.sock?virtual_host=1"),
        ("sentinel://:p@a:1;sentinel://:p@b:1", "underbutler-sentinel://:p@a:1;underbutler-sentinel://:p@b:1"),
        ("amqp://h", None),
    ],
)
def test_a_worker_takes_the_transport_from_where_kombu_does(settings: Settings, url: str, consumed: str | None) -> None:
    assert consumer_url(settings.model_copy(update={"broker_url": url})) == consumed
