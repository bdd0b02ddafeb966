"""What a look at a job finds before anything of it is written: what targets lack, told once for all that lack it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from underbutler.errors import UsageError
from underbutler.wording import counted

__all__ = ["Finding", "FindingsError", "Look"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is not as a group of alike targets needs it.

    Parameters
    ----------
    group
        The targets, in words: ``24 frames of SIMCAM detector 0``.
    what
        What is wrong, as the rest of that sentence: ``no dark is valid``.
    cure
        What to do, in whole sentences.
    targets
        Their places in the target list.
    example
        The data ID of one of them.
    overrides
        Config overrides ``PATH=VALUE`` that let them run as things are.
    options
        Other words of the command line that do the same, e.g. ``--replace``.
    fails
        Whether the targets would fail. If not, it is only said.
    """

    group: str
    what: str
    cure: str = ""
    targets: tuple[int, ...] = ()
    example: str = ""
    overrides: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    fails: bool = True

    def __str__(self) -> str:
        example = f" (e.g. {self.example})" if self.example else ""
        return f"{self.group}{example}: {self.what}. {self.cure}".rstrip()


class FindingsError(UsageError):
    """Targets would fail for reasons that are known before they are sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a look before has found, and what it looked at.

    Parameters
    ----------
    findings
        In the order in which they are told.
    looked_at
        What was looked at, in words; empty if the task does not say what it needs.
    """

    findings: tuple[Finding, ...] = ()
    looked_at: tuple[str, ...] = ()

    @property
    def refusals(self) -> tuple[Finding, ...]:
        """What lets targets fail."""
        return tuple(finding for finding in self.findings if finding.fails)

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """What is only said."""
        return tuple(finding for finding in self.findings if not finding.fails)

    @property
    def failing(self) -> frozenset[int]:
        """Places of the targets that would fail."""
        return frozenset(place for finding in self.refusals for place in finding.targets)

    @property
    def words(self) -> tuple[str, ...]:
        """Words to add to the command that let it run as things are; empty if something has no such words."""
        if not self.refusals or not all(finding.overrides or finding.options for finding in self.refusals):
            return ()
        overrides = _once(word for finding in self.refusals for word in finding.overrides)
        options = _once(word for finding in self.refusals for word in finding.options)
        return (*(("-c", *overrides) if overrides else ()), *options)

    def raise_if_failing(self) -> None:
        """Refuse a job of which targets would fail.

        Raises
        ------
        FindingsError
            With everything that was found.
        """
        if self.refusals:
            raise FindingsError(
                _refusal(self),
                findings=[_as_json(finding) for finding in self.refusals],
                words=list(self.words),
            )

    def to_json(self) -> dict[str, object]:
        """Return it as JSON data."""
        return {
            "looked_at": list(self.looked_at),
            "findings": [_as_json(finding) for finding in self.findings],
            "words": list(self.words),
        }


def _refusal(look: Look) -> str:
    number, one = len(look.failing), len(look.refusals) == 1
    head = f"{counted(number, 'target')} would fail" if number else "The job would fail"
    things = "for a reason that is" if one else f"for {len(look.refusals)} reasons that are"
    lines = [f"{head}, {things} known now. Nothing was written."]
    lines += [f"  - {finding}" for finding in look.refusals]
    if look.words:
        lines.append(f"To run it as things are, add: {' '.join(look.words)}")
    lines.append("To send it all the same: --no-check.")
    return "\n".join(lines)


def _as_json(finding: Finding) -> dict[str, object]:
    return {
        "group": finding.group,
        "what": finding.what,
        "cure": finding.cure,
        "example": finding.example,
        "targets": len(finding.targets),
        "overrides": list(finding.overrides),
        "options": list(finding.options),
        "fails": finding.fails,
    }


def _once(words: Iterable[str]) -> Sequence[str]:
    """Return words in their order, a config field once: what was said of it first."""
    by_field: dict[str, str] = {}
    for word in words:
        by_field.setdefault(word.partition("=")[0], word)
    return list(by_field.values())
