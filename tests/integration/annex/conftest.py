"""Settings of an empty broker, and clients that only AWS' own files and variables configure."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from underbutler.s3 import make_client
from underbutler.settings import Settings, load_settings


@pytest.fixture(params=["redis_url", "rabbitmq_url"], ids=["redis", "rabbitmq"])
def broker(request: pytest.FixtureRequest, settings: Settings) -> Settings:
    return settings.model_copy(update={"broker_url": request.getfixturevalue(request.param)})


@pytest.fixture
def on_redis(redis_url: str, settings: Settings) -> Settings:
    return settings.model_copy(update={"broker_url": redis_url})


@pytest.fixture
def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Return what makes a client of AWS' files and variables, and of nothing else."""

    def make(config: str = "", credentials: str = "", **variables: str) -> Any:
        for name, text in (("AWS_CONFIG_FILE", config), ("AWS_SHARED_CREDENTIALS_FILE", credentials)):
            path = tmp_path / name
            path.write_text(text)
            monkeypatch.setenv(name, str(path))
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return make_client(load_settings(home=tmp_path))

    return make
