"""Where settings come from, in which order; and the observatory's clock."""

from __future__ import annotations

from pathlib import Path

import pytest
from astropy.time import Time
from pydantic import ValidationError

from underbutler.clock import observing_day, tai_milliseconds
from underbutler.errors import UnknownNameError, UsageError, suggest
from underbutler.settings import load_settings


def test_defaults_need_nothing_but_a_home(tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path)
    assert settings.records_url == f"sqlite:///{tmp_path / 'records.db'}"
    assert settings.index_uri == str(tmp_path / "repositories.yaml")


def test_a_running_stack_is_found_after_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "stack.env").write_text("UNDERBUTLER_BROKER_URL=redis://stack/0\nUNDERBUTLER_QUEUE=stacked\n")
    assert load_settings(home=tmp_path).broker_url == "redis://stack/0"
    monkeypatch.setenv("UNDERBUTLER_BROKER_URL", "redis://environment/0")
    settings = load_settings(home=tmp_path)
    assert (settings.broker_url, settings.queue) == ("redis://environment/0", "stacked")
    assert load_settings(home=tmp_path, broker_url="redis://argument/0").broker_url == "redis://argument/0"


def test_the_ecosystems_own_names_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("S3_ENDPOINT_URL", "http://s3:9000")
    monkeypatch.setenv("DAF_BUTLER_REPOSITORY_INDEX", "/data/index.yaml")
    monkeypatch.setenv("CELERY_BROKER_URL", "amqp://rabbit//")
    settings = load_settings(home=tmp_path)
    assert settings.s3_endpoint_url == "http://s3:9000"
    assert settings.index_uri == "/data/index.yaml"
    assert settings.broker_url == "amqp://rabbit//"


def test_a_secret_is_not_printed_and_settings_do_not_change(tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path, s3_secret_access_key="hush")
    assert "hush" not in repr(settings)
    with pytest.raises(ValidationError):
        settings.queue = "other"  # type: ignore[misc]


def test_milliseconds_round_half_up_in_tai() -> None:
    assert tai_milliseconds(Time("2020-01-01T00:00:00.0006", scale="tai")).microsecond == 1000
    assert tai_milliseconds(Time("2020-01-01T00:00:00.0004", scale="tai")).microsecond == 0


def test_an_observing_day_ends_at_noon() -> None:
    assert observing_day(Time("2026-11-20T11:59:00", scale="tai")) == 20261119
    assert observing_day(Time("2026-11-20T12:00:00", scale="tai")) == 20261120


def test_an_unknown_name_tells_the_nearest_and_all() -> None:
    error = UnknownNameError.of("task", "procesCcd", ["processCcd", "makeBias"], "Look again.")
    assert str(error) == (
        "No task is called 'procesCcd'. Did you mean 'processCcd'? Known: makeBias, processCcd. Look again."
    )
    assert isinstance(error, UsageError)
    assert isinstance(error, KeyError)
    assert suggest("x", ["abcdef"]) == ""
