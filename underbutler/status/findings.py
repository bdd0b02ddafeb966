"""What is found: how each part of the service is, what is wrong with it, and the cure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from underbutler.errors import AccessRefusedError, UnderbutlerError, exit_code
from underbutler.redaction import redacted_text

__all__ = ["FAULT", "Finding", "Gravity", "PartState", "State", "away", "finding_of", "sentences"]

FAULT: Final = 1
"""Exit code of what is wrong while every service answers: no worker, a full disk, a queue that is long."""


class State(StrEnum):
    """Whether a part of the service answers."""

    ANSWERS = "answers"
    AWAY = "away"
    NEVER = "never seen"
    UNKNOWN = "unknown"
    """What would tell it does not answer itself."""


class Gravity(StrEnum):
    """How grave a finding is."""

    WRONG = "wrong"
    """The service does not do what it is for until somebody does something."""
    NOTED = "noted"
    """Somebody should know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong, or that should be known.

    Parameters
    ----------
    about
        Name of the part.
    what
        The thing, and what is wrong with it: a sentence.
    why
        The reason, as the service said it.
    cure
        What to do.
    gravity
        How grave it is.
    code
        Exit code that it stands for: 1, 2 or 3.
    since, until
        Seconds since 1970 UTC, where they are known.
    count
        How many targets, messages or objects it is about.
    """

    about: str
    what: str
    why: str = ""
    cure: str = ""
    gravity: Gravity = Gravity.WRONG
    code: int = FAULT
    since: float | None = None
    until: float | None = None
    count: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PartState:
    """How one part of the service is.

    Parameters
    ----------
    name
        ``broker``, ``records``, ``s3``, ``repository LABEL``, ``workers``, ``beat``, ``schedule``, ``consumers`` or
        ``disk``.
    state
        Whether it answers.
    told
        The rest of its line: where it is, what it has.
    address
        Where it is, without passwords; empty of what is in the records.
    since
        Since when it is away; of workers and beat that answer, since when they run. Seconds since 1970 UTC.
    findings
        What is wrong with it.
    facts
        Its numbers, as JSON values.
    """

    name: str
    state: State
    told: str = ""
    address: str = ""
    since: float | None = None
    findings: tuple[Finding, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


def away(name: str, where: str, *findings: Finding) -> PartState:
    """Return the state of a part that does not answer, at an address."""
    return PartState(name=name, state=State.AWAY, told=where, address=where, findings=findings)


def finding_of(about: str, error: UnderbutlerError) -> Finding:
    """Return the finding that a service is away, or refuses: what its error says, the cure by itself."""
    what, cure = sentences(redacted_text(str(error)))
    code = 2 if isinstance(error, AccessRefusedError) else exit_code(error)
    return Finding(about=about, what=what, cure=cure, code=code)


def sentences(text: str) -> tuple[str, str]:
    """Return the first sentence of an error, what is wrong, and the rest, what to do.

    A sentence ends with a full stop before a space and a capital, outside of parentheses.
    """
    depth = 0
    for place, character in enumerate(text):
        depth += {"(": 1, ")": -1}.get(character, 0)
        if character == "." and depth <= 0 and text[place + 1 : place + 2] == " " and text[place + 2].isupper():
            return text[: place + 1], text[place + 2 :].strip()
    return text, ""
