"""The records, empty, on the database of the test."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from underbutler.recording import JobRecorder
from underbutler.records import JobStore


@pytest.fixture
def store(engine: Engine) -> JobStore:
    """Return the records, empty."""
    return JobStore(engine, JobRecorder())
