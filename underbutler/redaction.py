"""Secrets of this process, and text without them.

What a process redeems or is configured with is hidden here once; from then on its logs, and whatever is passed through
`redacted`, show ``***`` in its place. Passwords in URLs are always blotted out, known or not.
"""

from __future__ import annotations

import json
import re
import threading
import traceback
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, TypeVar
from urllib.parse import quote, quote_plus

__all__ = ["BLOT", "SHORTEST", "forget_all", "hide", "redacted", "redacted_error", "redacted_text"]

BLOT = "***"
"""What stands where a secret stood."""

SHORTEST = 8
"""Shorter secrets are not searched for, in characters: a password `reduce` would blot out half of every log."""

KEPT = 1000
"""How many secrets a process remembers; the oldest is forgotten first, and those it is configured with never."""

T = TypeVar("T")

_URL_PASSWORD = re.compile(r"(?<=://)([^\s/@:'\"]*):([^\s/@'\"]+)@")

_lock = threading.Lock()
_secrets: OrderedDict[str, bool] = OrderedDict()
_pattern: re.Pattern[str] | None = None


def hide(*secrets: str | None, always: bool = False) -> None:
    """Let nothing of this process show these secrets from now on, in any spelling that a text gives them.

    Parameters
    ----------
    *secrets
        What is secret; None and what is shorter than `SHORTEST` is passed over.
    always
        Never forget them: what the process is configured with.
    """
    global _pattern  # noqa: PLW0603 - one set of secrets per process, that is what this module is
    with _lock:
        known = len(_secrets)
        for secret in secrets:
            if secret is None or len(secret) < SHORTEST:
                continue
            _secrets[secret] = _secrets.get(secret, False) or always
        if len(_secrets) == known:
            return
        passing = [secret for secret, kept in _secrets.items() if not kept]
        for secret in passing[: max(0, len(passing) - KEPT)]:
            del _secrets[secret]
        spellings = {spelling for secret in _secrets for spelling in _spellings(secret)}
        longest_first = sorted(spellings, key=lambda text: (-len(text), text))
        _pattern = re.compile("|".join(map(re.escape, longest_first)))


def forget_all() -> None:
    """Forget every secret: for tests."""
    global _pattern  # noqa: PLW0603
    with _lock:
        _secrets.clear()
        _pattern = None


def redacted_text(text: str) -> str:
    """Return a text without secrets."""
    if _pattern is not None:
        text = _pattern.sub(BLOT, text)
    if "://" in text and "@" in text:
        text = _URL_PASSWORD.sub(rf"\1:{BLOT}@", text)
    return text


def redacted(value: T) -> T:
    """Return a value without secrets: texts in lists, tuples and mappings, keys too; what else it holds is as it was.

    An error inside becomes `redacted_error` of it.
    """
    return _redacted(value)  # type: ignore[no-any-return]


def redacted_error(error: BaseException) -> BaseException:
    """Return an error that says the same without secrets, for whoever logs, pickles or prints it.

    Its type stays; its causes are redacted too, and the local variables of its traceback are cleared. An error that
    cannot be made again, or whose text would still show a secret, becomes one of a class of the same name.
    """
    return _ErrorRedaction().of(error)


class _ErrorRedaction:
    """One chain of errors: each is made once, also where they go round in a circle."""

    def __init__(self) -> None:
        self._made: dict[int, BaseException] = {}

    def of(self, error: BaseException) -> BaseException:
        if id(error) in self._made:
            return self._made[id(error)]
        made = self._made[id(error)] = self._clean(error)
        trace = error.__traceback__
        if trace is not None:
            traceback.clear_frames(trace)
        if made is error:
            for name in ("__cause__", "__context__"):
                linked = getattr(error, name)
                if linked is not None and (clean := self.of(linked)) is not linked:
                    suppressed = error.__suppress_context__
                    setattr(error, name, clean)
                    error.__suppress_context__ = suppressed
            return error
        made.__cause__ = None if error.__cause__ is None else self.of(error.__cause__)
        made.__context__ = None if error.__context__ is None else self.of(error.__context__)
        made.__suppress_context__ = error.__suppress_context__
        return made.with_traceback(trace)

    def _clean(self, error: BaseException) -> BaseException:
        if not _shows(error):
            return error
        try:
            made = self._made_again(error)
        except Exception:  # noqa: BLE001 - a foreign constructor may do anything; then a class of ours says it
            made = None
        if made is not None and not _shows(made):
            return made
        kind = type(type(error).__name__, (RuntimeError,), {"__module__": type(error).__module__})
        named: BaseException = kind(_said(error))
        return named

    def _made_again(self, error: BaseException) -> BaseException | None:
        """Make the error as pickle would, of redacted parts."""
        parts: Any = error.__reduce__()
        kind, args, *rest = parts
        made = kind(*_redacted(args))
        if not isinstance(made, BaseException):
            return None
        if rest and isinstance(rest[0], dict):
            made.__dict__.update(_redacted(rest[0]))
        return made


def _redacted(value: Any) -> Any:
    if isinstance(value, str):
        return redacted_text(value) if type(value) is str else _kept_type(value)
    if isinstance(value, bytes):
        clean = redacted_text(value.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
        return value if clean == value else clean
    if isinstance(value, BaseException):
        return redacted_error(value)
    if type(value) in (list, tuple, set, frozenset):
        return type(value)(_redacted(item) for item in value)
    if isinstance(value, Mapping):
        return {_redacted(key): _redacted(item) for key, item in value.items()}
    return value


def _kept_type(value: str) -> str:
    """Return a text of a type of its own (an enumeration's, a path's) as it was, unless it shows a secret."""
    clean = redacted_text(str(value))
    return value if clean == str(value) else clean


def _shows(error: BaseException) -> bool:
    texts = [_said(error, raw=True), *_representations(error)]
    return any(redacted_text(text) != text for text in texts)


def _said(error: BaseException, *, raw: bool = False) -> str:
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - an error whose __str__ fails says nothing
        text = ""
    return text if raw else redacted_text(text)


def _representations(error: BaseException) -> list[str]:
    found = []
    for value in (error, error.args, error.__dict__):
        try:
            found.append(repr(value))
        except Exception:  # noqa: BLE001 - a repr that fails shows nothing
            found.append("")
    return found


def _spellings(secret: str) -> set[str]:
    """Return how a secret is written in a text, a URL, JSON and a repr."""
    return {
        secret,
        quote(secret, safe=""),
        quote(secret),
        quote_plus(secret),
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        repr(secret)[1:-1],
    }
