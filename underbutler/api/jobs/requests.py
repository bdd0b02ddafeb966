"""What is asked by parameters, as UWS has them, and the request that they make."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

from pydantic_core import from_json

from underbutler.errors import UsageError, suggest
from underbutler.pipe.faults import Fault, request_error
from underbutler.pipe.request import JobRequest

if TYPE_CHECKING:
    from underbutler.records import JobRow

__all__ = [
    "ONE_REQUEST",
    "PARAMETERS",
    "check_parameters",
    "known_of",
    "merged",
    "parameters_of",
    "request_of",
    "value",
]

ONE_REQUEST: Final = "JOBREQUEST"

PARAMETERS: Final = {
    "TASK": "registered name of the task",
    "LABEL": "label of the repository that is read and written",
    "ID": "data ID, `instrument=SIMCAM detector=0`; again for more",
    "WHERE": "Butler query that selects further",
    "CONFIG": "config override, `detect.threshold=3`; again for more",
    "INPUT": "collections that are searched, with commas",
    "OUTPUT": "RUN collection of the outputs",
    "RUNID": "a text of the client's own",
    ONE_REQUEST: "a JobRequest in JSON, in place of all others but RUNID",
}
_REPEATABLE: Final = ("ID", "CONFIG")
_READ_AS: Final = {"QUERY": ONE_REQUEST}
_IGNORED: Final = ("REQUEST", "LANG")
"""What clients of TAP send with every job."""


def check_parameters(pairs: Iterable[tuple[str, str]], controls: Sequence[str] = ()) -> list[tuple[str, str]]:
    """Return parameters under their own names, without those that mean nothing here.

    Parameters
    ----------
    pairs
        Names in any case, and values.
    controls
        Further names that are known; they are left out.

    Raises
    ------
    RequestError
        With each one that is not known, is given twice, or cannot be read.
    """
    kept: list[tuple[str, str]] = []
    faults: list[Fault] = []
    for given, text in pairs:
        upper = given.upper()
        name = _READ_AS.get(upper, upper)
        if name in _IGNORED or name in controls:
            continue
        fault = _fault(name, given, text, kept)
        if fault is not None:
            faults.append(Fault(given[:40], fault))
        kept.append((name, text))
    if faults:
        raise request_error(faults)
    return kept


def _fault(name: str, given: str, text: str, kept: Sequence[tuple[str, str]]) -> str | None:
    if name not in PARAMETERS:
        known = ", ".join(PARAMETERS)
        return f"No parameter is called {given[:40]!r}.{suggest(given[:40].upper(), PARAMETERS)} Known: {known}."
    if name not in _REPEATABLE and any(name == other for other, _ in kept):
        return f"{name} is given twice. Give it once."
    if "\0" in text:
        return "holds the character NUL, which no record can keep."
    if (name == "CONFIG" and not text.partition("=")[0].strip()) or (name == "CONFIG" and "=" not in text):
        return f"{text[:80]!r} should be PATH=VALUE, e.g. detect.threshold=3."
    if name == ONE_REQUEST:
        try:
            from_json(text, allow_inf_nan=False)
        except ValueError as error:
            return f"is not JSON: {error}."
    return None


def merged(before: Sequence[Sequence[str]], more: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return stored parameters with those that were posted later: these replace those of their names."""
    replaced = {name for name, _ in more}
    return [*((name, text) for name, text in before if name not in replaced), *more]


def parameters_of(request: JobRequest) -> list[tuple[str, str]]:
    """Return a request as parameters."""
    return [(ONE_REQUEST, json.dumps(request.to_json(), separators=(",", ":")))]


def value(parameters: Iterable[Sequence[str]] | None, name: str) -> str | None:
    """Return the value of a parameter; None if it was not given."""
    return next((text for known, text in parameters or () if known == name), None)


def known_of(parameters: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Return what parameters tell of a job that is not begun: task and labels."""
    document = _one_request(parameters)
    if document is not None:
        steps = document.get("steps") or [{}]
        first = steps[0] if isinstance(steps, list) and isinstance(steps[0], dict) else {}
        found = {"task": first.get("task"), "repo": document.get("repo"), "out": document.get("out")}
    else:
        found = {"task": value(parameters, "TASK"), "repo": value(parameters, "LABEL")}
    return {name: str(text)[:200] for name, text in found.items() if text}


def request_of(row: JobRow) -> JobRequest | UsageError:
    """Return what the parameters of a stored request ask for, or all that is wrong with them."""
    parameters = [(name, text) for name, text in row.parameters or ()]
    try:
        return _request(parameters)
    except UsageError as error:
        return error


def _request(parameters: Sequence[tuple[str, str]]) -> JobRequest:
    run_id = value(parameters, "RUNID")
    tags = {} if run_id is None else {"RUNID": run_id}
    document = _one_request(parameters)
    if document is not None:
        others = [name for name, _ in parameters if name not in {ONE_REQUEST, "RUNID"}]
        if others:
            raise UsageError(f"{others[0]}: a job is asked for either by {ONE_REQUEST} or by other parameters.")
        request = JobRequest.from_json(document)
        return request.replaced(tags={**request.tags, **tags}) if tags else request
    missing = [name for name in ("TASK", "LABEL") if not value(parameters, name)]
    if missing:
        raise request_error([Fault(name, f"is missing: {PARAMETERS[name]}.") for name in missing])
    return JobRequest.from_json(
        {"repo": value(parameters, "LABEL"), "steps": [_step(parameters)], **_rest(parameters, tags)}
    )


def _step(parameters: Sequence[tuple[str, str]]) -> dict[str, Any]:
    overrides = [text.partition("=") for name, text in parameters if name == "CONFIG"]
    step: dict[str, Any] = {
        "task": value(parameters, "TASK"),
        "where": value(parameters, "WHERE") or "",
        "config": [{"path": path.strip(), "value": text, "is_text": True} for path, _, text in overrides],
    }
    expressions = [_words(text) for name, text in parameters if name == "ID"]
    return step | ({"ids": {"id": expressions}} if expressions else {})


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise UsageError(
            f"ID: {text[:80]!r} cannot be read: {error}. Example: instrument=SIMCAM detector=0."
        ) from error


def _rest(parameters: Sequence[tuple[str, str]], tags: dict[str, str]) -> dict[str, Any]:
    given = value(parameters, "INPUT")
    rest: dict[str, Any] = {"tags": tags, "run": value(parameters, "OUTPUT") or None}
    return rest if given is None else rest | {"collections": [one.strip() for one in given.split(",") if one.strip()]}


def _one_request(parameters: Sequence[Sequence[str]]) -> dict[str, Any] | None:
    text = value(parameters, ONE_REQUEST)
    if text is None:
        return None
    document = from_json(text)
    if not isinstance(document, dict):
        raise UsageError(f"{ONE_REQUEST} is not a JSON object.", field=ONE_REQUEST)
    return document
