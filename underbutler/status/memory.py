"""What `underbutler status` remembers of its last look, in a small file in the home: since when what is away."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from .findings import PartState, State

__all__ = ["Memory"]

FILE: Final = "status.json"


class Memory:
    """When each part answered last, since when it does not, and when somebody looked last.

    What cannot be read is not remembered, and what cannot be written is forgotten: nothing depends on it.

    Parameters
    ----------
    home
        Folder of the file.
    """

    def __init__(self, home: Path) -> None:
        self._path = home / FILE
        self._parts: dict[str, dict[str, Any]] = {}
        self.looked_at: float | None = None
        """When somebody was shown the failures last, in seconds since 1970 UTC."""
        with contextlib.suppress(OSError, ValueError, TypeError, AttributeError):
            known = json.loads(self._path.read_text(encoding="utf-8"))
            self.looked_at = None if known["looked_at"] is None else float(known["looked_at"])
            self._parts = {str(name): dict(part) for name, part in known["parts"].items()}

    def dated(self, parts: Iterable[PartState], now: float) -> list[PartState]:
        """Return parts with the moment since when they are away, as far as it is known, and remember them.

        Parameters
        ----------
        parts
            As they are now.
        now
            In seconds since 1970 UTC.
        """
        return [self._dated(part, now) for part in parts]

    def keep(self, *, looked_at: float | None = None) -> None:
        """Write what is remembered, atomically; a home that is not there is not made.

        Parameters
        ----------
        looked_at
            When somebody was shown the failures, if that is now.
        """
        self.looked_at = self.looked_at if looked_at is None else looked_at
        draft = self._path.with_name(f".{FILE}.{os.getpid()}")
        try:
            draft.write_text(json.dumps({"looked_at": self.looked_at, "parts": self._parts}), encoding="utf-8")
            draft.replace(self._path)
        except OSError:
            with contextlib.suppress(OSError):
                draft.unlink()

    def _dated(self, part: PartState, now: float) -> PartState:
        before = self._parts.get(part.name, {})
        if before.get("address") != part.address:
            before = {"address": part.address}
        if part.state is State.ANSWERS:
            self._parts[part.name] = {"address": part.address, "answered_at": now}
            return part
        if part.state is State.UNKNOWN:
            return part
        since = part.since or before.get("away_since") or now
        self._parts[part.name] = before | {"away_since": since}
        seen = "answered_at" in before or part.since is not None
        return replace(part, state=State.AWAY if seen else State.NEVER, since=since if seen else None)
