"""What runs, streams and catalogues have of intake's ways, which databroker's users know."""

from __future__ import annotations

from typing import Any, ClassVar

from underbutler.errors import UsageError, suggest

__all__ = ["Entry", "NotPersistedError"]


class NotPersistedError(UsageError, NotImplementedError):
    """Runs are exported, not persisted."""


class Entry:
    """A run, a stream or a catalogue."""

    _CATALOG_OPTIONS: ClassVar = frozenset(
        {
            "auth",
            "description",
            "entry",
            "getenv",
            "getshell",
            "name",
            "persist_mode",
            "storage_options",
            "ttl",
            "user_parameters",
        }
    )
    """Words that the original passed on to the base class of intake's catalogues."""

    _options: dict[str, Any]

    @property
    def has_been_persisted(self) -> bool:
        """Whether a copy was persisted: never."""
        return False

    @property
    def is_persisted(self) -> bool:
        """Whether this is a persisted copy: never."""
        return False

    def _take_options(self, options: dict[str, Any]) -> None:
        """Keep words of intake's catalogues; refuse others as Python refuses an argument."""
        for name in options:
            if name not in self._CATALOG_OPTIONS:
                raise TypeError(f"{type(self).__name__} has no parameter {name!r}.{suggest(name, self._parameters())}")
        self._options = options

    @classmethod
    def _parameters(cls) -> tuple[str, ...]:
        code = cls.__init__.__code__
        return code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount]
