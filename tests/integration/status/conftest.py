"""A site for `underbutler status`, that is well."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.command_line import CommandLine
from tests.support.services import S3Endpoint
from tests.support.status_site import StatusSite
from underbutler.status import asking, service


@pytest.fixture
def site(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    redis_url: str,
    moto_endpoint: S3Endpoint,
    migrated_file: Path,
) -> Iterator[StatusSite]:
    """Return a site with a living worker and beat; its services have all the time that a busy machine needs."""
    monkeypatch.setattr(asking, "ANSWER_S", 30.0)
    monkeypatch.setattr(asking, "LONGEST_S", 60.0)
    monkeypatch.setattr(service, "NAMES_S", 30.0)
    made = StatusSite(monkeypatch, CommandLine(capsys), redis_url, moto_endpoint, migrated_file)
    made.begin()
    yield made
    made.close()
