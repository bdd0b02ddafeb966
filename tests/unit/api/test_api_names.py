"""The server's side is there for who installed it, and costs nothing to who did not ask for it."""

from __future__ import annotations

import underbutler.api


def test_every_public_name_is_there() -> None:
    for name in underbutler.api.__all__:
        assert type(getattr(underbutler.api, name)).__name__ != "module", name
