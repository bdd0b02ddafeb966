"""The command line in a test's own process: arguments in, exit code and what was said out."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest

from underbutler.settings import Settings

__all__ = ["CommandLine", "Said", "environment_of"]


@dataclass(frozen=True)
class Said:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it answered."""
        return json.loads(self.out)


class CommandLine:
    """Calls ``underbutler`` with arguments.

    Parameters
    ----------
    capsys
        Catches what is said.
    """

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *args: object) -> Said:
        from underbutler.cli import main

        self._capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(arg) for arg in args])
        said = self._capsys.readouterr()
        return Said(int(ended.value.code or 0), said.out, said.err)


def environment_of(settings: Settings) -> dict[str, str]:
    """Return the environment that leads a command to the same services."""
    secret = settings.s3_secret_access_key
    return {
        "UNDERBUTLER_HOME": str(settings.home),
        "UNDERBUTLER_USER": settings.user,
        "UNDERBUTLER_BROKER_URL": settings.broker_url,
        "UNDERBUTLER_S3_ENDPOINT_URL": settings.s3_endpoint_url or "",
        "UNDERBUTLER_S3_ACCESS_KEY_ID": settings.s3_access_key_id or "",
        "UNDERBUTLER_S3_SECRET_ACCESS_KEY": secret.get_secret_value() if secret else "",
        "UNDERBUTLER_S3_INSTANCE": settings.s3_instance,
        "UNDERBUTLER_HARD_LIMIT_S": str(settings.hard_limit_s),
        "UNDERBUTLER_OUTBOX_GRACE_S": str(settings.outbox_grace_s),
        "COLUMNS": "120",
    }
