"""Where nobody listens: the service is named, with the cure and without its password."""

from __future__ import annotations

import asyncio

import pytest

import underbutler.catalog.database.tables
import underbutler.records.tables.jobs  # noqa: F401
from underbutler.annex import AsyncS3Bucket
from underbutler.broker import (
    connection,
    translate_broker_errors,
)
from underbutler.embedded.process import free_port
from underbutler.errors import (
    AnnexUnavailableError,
    BrokerUnavailableError,
    RecordsUnavailableError,
)
from underbutler.migrations import is_current
from underbutler.recording import JobRecorder
from underbutler.records import JobStore
from underbutler.settings import Settings
from underbutler.sql import open_engine


def test_a_broker_that_is_away_is_named_without_its_password(settings: Settings) -> None:
    port = free_port()
    away = settings.model_copy(update={"broker_url": f"redis://:secret@127.0.0.1:{port}/0"})
    with (
        pytest.raises(
            BrokerUnavailableError, match=f"127.0.0.1:{port}.*Start your Redis at 127.0.0.1:{port}"
        ) as caught,
        translate_broker_errors(away),
    ):
        connection(away).ensure_connection(max_retries=1, timeout=1)
    assert "secret" not in str(caught.value)


def test_a_server_that_is_away_is_said_without_the_password() -> None:
    store = JobStore(open_engine("postgresql://ann:secret@127.0.0.1:1/records", wait_s=1))
    with pytest.raises(RecordsUnavailableError, match=r"127\.0\.0\.1:1/records") as caught:
        store.ping()
    assert "secret" not in str(caught.value) + str(caught.value.fields)


NAME = "rubinobs-lfa-test-atptg"


def test_a_store_that_is_away_is_named_with_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("S3_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "y")
    with pytest.raises(
        AnnexUnavailableError, match=r"http://127\.0\.0\.1:1 .*Start your S3 server there, or correct S3_ENDPOINT_URL"
    ):
        asyncio.run(AsyncS3Bucket(NAME).exists("k"))


def test_a_database_without_tables_is_said(postgres_url: str) -> None:
    assert not is_current(postgres_url)
    engine = open_engine(postgres_url)
    with pytest.raises(RecordsUnavailableError, match="it has no tables yet"):
        JobStore(engine, JobRecorder()).ping()
    engine.dispose()
