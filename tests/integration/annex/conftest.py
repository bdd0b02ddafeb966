"""Settings of an empty broker."""

from __future__ import annotations

import pytest

from underbutler.settings import Settings


@pytest.fixture(params=["redis_url", "rabbitmq_url"], ids=["redis", "rabbitmq"])
def broker(request: pytest.FixtureRequest, settings: Settings) -> Settings:
    return settings.model_copy(update={"broker_url": request.getfixturevalue(request.param)})


@pytest.fixture
def on_redis(redis_url: str, settings: Settings) -> Settings:
    return settings.model_copy(update={"broker_url": redis_url})
