"""The schedule's file: TOML in, entries and what is wrong out, each with its line.

Every ``[[schedule]]`` is read by itself, so that what is wrong with one, be it a missing quote, leaves the others.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from underbutler.errors import UsageError, suggest

from .entries import Definition, Entry, Site, When

__all__ = ["Problem", "ScheduleFile", "parse_schedules", "read_schedules"]

_MULTILINE: Final = re.compile(r'"""(?:[^\\]|\\.)*?"""|\'\'\'.*?\'\'\'', re.DOTALL)
_HEADER: Final = re.compile(r"\s*(\[\[?)\s*([^\[\]]+?)\s*\]\]?\s*(?:#.*)?$")
_AT: Final = re.compile(r"\s*\(at (?:line (\d+), column \d+|end of document)\)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong in a file.

    Parameters
    ----------
    line
        Where, counted from 1.
    entry
        Name of the entry, empty if it has none; None if it is of the file's other tables.
    field
        Which field, with dots; empty for the whole entry.
    words
        What is wrong.
    """

    line: int
    entry: str | None
    field: str
    words: str

    def text(self, path: str | Path) -> str:
        """Return file, line, entry, field and what is wrong in one line."""
        entry = (
            "the file" if self.entry is None else f"schedule {self.entry!r}" if self.entry else "a nameless schedule"
        )
        return f"{path}:{self.line}: {entry}{f', {self.field}' if self.field else ''}: {self.words}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleFile:
    """A file as it was read.

    Parameters
    ----------
    path
        Which file.
    digest
        Of its bytes.
    entries
        What is right in it, in its order.
    problems
        What is wrong in it.
    lines
        Where each entry begins.
    """

    path: Path
    digest: str
    entries: tuple[Definition, ...]
    problems: tuple[Problem, ...]
    lines: Mapping[str, int]

    @property
    def wrong_names(self) -> dict[str, str]:
        """Names of entries that have a problem, with what is said of it."""
        return {problem.entry: problem.text(self.path) for problem in reversed(self.problems) if problem.entry}

    @property
    def may_hold_more(self) -> bool:
        """Tell whether there may be entries in it whose name could not be read: then nothing counts as removed."""
        return any(not problem.entry for problem in self.problems)


@dataclass(frozen=True, slots=True)
class _Part:
    """Some lines of the file: an entry, or what stands outside of entries."""

    line: int
    lines: Sequence[str]
    is_entry: bool

    @property
    def text(self) -> str:
        return "\n".join(self.lines) + "\n"


def read_schedules(path: Path) -> ScheduleFile:
    """Read a file.

    Raises
    ------
    UsageError
        If it cannot be read at all.
    """
    try:
        content = path.read_bytes()
        text = content.decode()
    except OSError as error:
        raise UsageError(f"The schedule {path} cannot be read: {error.strerror}.", path=str(path)) from error
    except UnicodeDecodeError as error:
        raise UsageError(f"The schedule {path} is not UTF-8 text: {error}.", path=str(path)) from error
    return parse_schedules(text, path)


def parse_schedules(text: str, path: Path) -> ScheduleFile:
    """Parse the text of a file; what is wrong is returned with its line, and leaves the rest."""
    problems: list[Problem] = []
    entries: list[tuple[int, Entry]] = []
    site: Site | None = None
    site_is_wrong = False
    for part in _parts(text):
        if part.is_entry:
            found = _entry(part, problems)
            entries += [] if found is None else [(part.line, found)]
        else:
            before = len(problems)
            site = _site(part, problems) or site
            site_is_wrong |= len(problems) > before
    if site_is_wrong:  # whoever goes by its sun or its time zone stays as he was
        entries = [(line, one) for line, one in entries if not _needs_site(line, one, problems)]
    complete = [made for line, one in entries if (made := _complete(line, one, site, problems)) is not None]
    times = Counter(one.name for _, one in entries)
    for line, one in entries:
        if times[one.name] > 1:
            problems.append(Problem(line=line, entry=one.name, field="name", words="two entries have this name"))
    return ScheduleFile(
        path=path,
        digest=hashlib.sha256(text.encode()).hexdigest(),
        entries=tuple(one for one in complete if times[one.name] == 1),
        problems=tuple(sorted(problems, key=lambda problem: problem.line)),
        lines={one.name: line for line, one in entries},
    )


def _parts(text: str) -> Iterator[_Part]:
    """Cut a file before each ``[[schedule]]``, and where a table follows that is none of its own."""
    lines = text.splitlines()
    # What stands in a multi-line string is not a header.
    masked = _MULTILINE.sub(lambda found: "\n" * found[0].count("\n") + '""', text).splitlines()
    begin, is_entry = 0, False
    for number, line in enumerate(masked):
        header = _HEADER.match(line)
        if header is None:
            continue
        name = header[2].replace('"', "").replace("'", "").replace(" ", "")
        opens = header[1] == "[[" and name == "schedule"
        if opens or not name.startswith("schedule."):
            if number > begin:
                yield _Part(begin + 1, lines[begin:number], is_entry)
            begin, is_entry = number, opens
    if begin < len(lines):
        yield _Part(begin + 1, lines[begin:], is_entry)


def _table(part: _Part, name: str | None, problems: list[Problem]) -> dict[str, Any] | None:
    try:
        return tomllib.loads(part.text)
    except tomllib.TOMLDecodeError as error:
        at = _AT.search(str(error))
        words = _AT.sub("", str(error))
        line = part.line - 1 + (int(at[1]) if at and at[1] else len(part.lines))
        problems.append(Problem(line=line, entry=name, field="", words=f"is not TOML: {words}"))
        return None


def _entry(part: _Part, problems: list[Problem]) -> Entry | None:
    name = _name_in(part)
    table = _table(part, name, problems)
    if table is None:
        return None
    try:
        return Entry.model_validate(table["schedule"][0])
    except ValidationError as error:
        problems.extend(_problems(error, part, name, Entry))
        return None


def _site(part: _Part, problems: list[Problem]) -> Site | None:
    table = _table(part, None, problems)
    if table is None:
        return None
    for key in table.keys() - {"site"}:
        words = "is not known here. Known: [site], [[schedule]]"
        problems.append(Problem(line=_line_of(part, [key]), entry=None, field=key, words=words))
    if not isinstance(table.get("site"), Mapping):
        return None
    try:
        return Site.model_validate(table["site"])
    except ValidationError as error:
        problems.extend(_problems(error, part, None, Site, ("site",)))
        return None


def _needs_site(line: int, entry: Entry, problems: list[Problem]) -> bool:
    if not entry.when.uses_site:
        return False
    problems.append(Problem(line=line, entry=entry.name, field="when", words="needs [site], which is wrong"))
    return True


def _complete(line: int, entry: Entry, site: Site | None, problems: list[Problem]) -> Definition | None:
    """Join an entry and its site."""
    try:
        return Definition.model_validate(entry.model_dump(exclude_unset=True) | {"site": site})
    except ValidationError as error:
        words = "; ".join(_words(detail) for detail in error.errors())
        problems.append(Problem(line=line, entry=entry.name, field="when", words=words))
        return None


def _problems(
    error: ValidationError, part: _Part, name: str | None, model: type[Any], within: tuple[str, ...] = ()
) -> Iterator[Problem]:
    known = _known_fields()
    seen: set[str] = set()
    for detail in error.errors():
        # pydantic names the branch of a union too: only what the file says is told.
        steps = [*within, *(step for step in detail["loc"] if isinstance(step, str) and not _is_branch(step))]
        field = ".".join(steps[len(within) :] if model is Entry else steps)
        if field in seen:
            continue
        seen.add(field)
        words = _words(detail)
        if detail["type"] == "extra_forbidden":
            fields = known.get(".".join(steps[:-1]), [])
            words = f"is not known.{suggest(steps[-1], fields)} Known: {', '.join(fields)}"
        yield Problem(line=_line_of(part, steps), entry=name, field=field, words=words)


def _known_fields() -> dict[str, list[str]]:
    return {"": list(Entry.model_fields), "when": list(When.model_fields), "site": list(Site.model_fields)}


def _is_branch(step: str) -> bool:
    return step.startswith(("literal[", "function-", "list[", "constrained-")) or step in ("int", "str", "bool")


def _words(detail: Any) -> str:
    words = str(detail["msg"]).removeprefix("Value error, ")
    given = detail.get("input")
    shown = f" (it is {given!r})" if isinstance(given, str | int | float) and repr(given) not in words else ""
    return f"{words[:1].lower()}{words[1:]}{shown}"


def _name_in(part: _Part) -> str:
    """Return the name of an entry whose TOML may be broken."""
    for line in part.lines:
        found = re.match(r"\s*name\s*=\s*([\"'])(.+?)\1", line)
        if found:
            return found[2]
    return ""


def _line_of(part: _Part, steps: Sequence[str]) -> int:
    """Return the line where a key stands; that of the nearest table around it where it is missing."""
    table: list[str] = []
    best = (-1, 0)
    for number, line in enumerate(part.lines):
        header = _HEADER.match(line)
        if header:
            names = [name.strip("\"' ") for name in header[2].split(".")]
            table = [] if names[0] == "schedule" and len(names) == 1 else names[names[0] == "schedule" :]
            best = max(best, (_shared(table, steps), number), key=lambda one: one[0])
            continue
        key = re.match(r"\s*([A-Za-z0-9_.\-\"' ]+?)\s*=\s*(.*)", line)
        if key is None:
            continue
        path = [*table, *(name.strip("\"' ") for name in key[1].split("."))]
        shared = _shared(path, steps)
        if shared == len(path) < len(steps) and re.search(rf"\b{re.escape(steps[len(path)])}\b", key[2]):
            shared += 1  # it stands in an inline table
        best = max(best, (shared if path[: len(steps)] == list(steps[: len(path)]) else 0, number), key=lambda o: o[0])
    return part.line + best[1]


def _shared(path: Sequence[str], steps: Sequence[str]) -> int:
    if list(path) != list(steps[: len(path)]):
        return 0
    return len(path)
