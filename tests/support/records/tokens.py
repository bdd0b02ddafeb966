"""Access tokens in the records of the settings: fixtures, and a secret that is looked for where it must not be."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from underbutler import redaction
from underbutler.migrations import upgrade
from underbutler.records import JobStore
from underbutler.settings import Settings
from underbutler.sql import open_engine
from underbutler.submission.tokens import AccessToken, read_token

__all__ = ["SECRET", "fresh", "no_secret_is_left_over", "token_engine", "token_store"]

SECRET = "secret-of-ann-0123456789"


@pytest.fixture(autouse=True)
def no_secret_is_left_over() -> Iterator[None]:
    redaction.forget_all()
    yield
    redaction.forget_all()


@pytest.fixture(name="engine")
def token_engine(settings: Settings) -> Iterator[Engine]:
    upgrade(settings.records_url)
    engine = open_engine(settings.records_url)
    yield engine
    engine.dispose()


@pytest.fixture(name="jobs")
def token_store(engine: Engine) -> JobStore:
    return JobStore(engine)


def fresh(lifetime_s: float = 600.0) -> AccessToken:
    return read_token(SECRET, lifetime_s=lifetime_s)
