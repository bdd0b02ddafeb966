"""What a user asks for, as a value: a frozen `JobRequest` of one or more steps, and its JSON.

The command line, the schedule, retry and replay each build one; `underbutler.pipe.understanding.understand` checks it.
Nothing in it is looked up: it can be made, stored, compared and sent where neither repository nor task is at hand.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from importlib.resources import files
from typing import Annotated, Any, Final, Self, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    ValidationError,
    model_validator,
)

from underbutler.errors import suggest

from .faults import Fault, request_error

__all__ = ["SCHEMA_FILE", "JobRequest", "Override", "RequestStep", "RequestTarget", "request_schema"]

SCHEMA_FILE: Final = "job_request.schema.json"
"""File of this package that holds the JSON Schema of a request."""


def _storable(text: str) -> str:
    if "\0" in text:
        raise ValueError("holds the character NUL, which no record can keep")
    return text


def _finite(value: JsonValue) -> JsonValue:
    if isinstance(value, str):
        return _storable(value)
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"is {value!r}, which JSON does not have. Write it as text")
    if isinstance(value, list):
        return [_finite(item) for item in value]
    if isinstance(value, dict):
        return {_storable(key): _finite(item) for key, item in value.items()}
    return value


def _key(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError(f"takes an integer or text, not {value!r}")
    return value


Text: TypeAlias = Annotated[str, AfterValidator(_storable)]
Word: TypeAlias = Annotated[str, Field(min_length=1, max_length=4000), AfterValidator(_storable)]
Json: TypeAlias = Annotated[JsonValue, AfterValidator(_finite)]
Key: TypeAlias = Annotated[int | Text, BeforeValidator(_key)]
Flag: TypeAlias = Annotated[bool, Field(strict=True)]
Seconds: TypeAlias = Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)]


class _Value(BaseModel):
    """Frozen, and closed: a field that is not known is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Override(_Value):
    """One config override."""

    path: Text
    """Path of a config field, e.g. ``detect.threshold``."""
    value: Json
    """Its value; a mapping for a nested config sets the fields that are in it."""
    is_text: Flag = False
    """Whether `value` is text as typed after ``-c PATH=``, to be read by the type of its field."""
    origin: Text = ""
    """Instrument whose map says it; empty: whoever asks."""

    @model_validator(mode="after")
    def _text_is_text(self) -> Self:
        if self.is_text and not isinstance(self.value, str):
            raise ValueError("is_text needs a value that is text")
        return self


class RequestTarget(_Value):
    """One target that is named explicitly: by its data ID, or by the args of a message."""

    data_id: dict[Word, Key] | None = None
    """Values by dimension; with those that the task's dataset type needs."""
    args: tuple[Json, ...] | None = None
    """Instead of `data_id`: what the message of a recorded target carries."""
    kwargs: dict[Text, Json] | None = None
    """Keyword arguments of the task for this target, JSON and tagged values. With `args` they replace those that
    are in it; None keeps them."""

    @model_validator(mode="after")
    def _named_once(self) -> Self:
        if (self.data_id is None) == (self.args is None):
            raise ValueError("a target has either a data_id or args")
        return self


class RequestStep(_Value):
    """One task on its data."""

    task: Word
    """Registered name of the task."""
    label: Text = ""
    """Name of the step within the job; empty: the task's name."""
    config: tuple[Override, ...] = ()
    """Config overrides, applied in this order."""
    ids: dict[Word, tuple[tuple[Text, ...], ...]] = {}
    """By name of an id argument, e.g. ``id``: its expressions, each the words ``KEY=VALUE[^VALUE]`` after one
    ``--id``; later keys vary fastest."""
    where: Text = ""
    """Butler query that selects further; empty selects all."""
    targets: tuple[RequestTarget, ...] | None = None
    """Instead of `ids` and `where`: the targets themselves."""
    targets_run: Word | None = None
    """RUN collection that `targets` name where the job's own RUN is meant."""
    options: dict[Word, Json] = {}
    """The task's own options by name; those left out take their defaults."""

    @model_validator(mode="after")
    def _data_named_once(self) -> Self:
        if self.targets is not None and (self.ids or self.where):
            raise ValueError("data are named either by ids and where, or by targets")
        if self.targets is None and self.targets_run is not None:
            raise ValueError("give targets_run only together with targets")
        return self

    @property
    def name(self) -> str:
        """Label of the step, or the name of its task."""
        return self.label or self.task


class JobRequest(_Value):
    """A job as a user asks for it."""

    repo: Word
    """Label of the repository that is read."""
    out: Word | None = None
    """Label of the repository that is written; None: `repo`."""
    steps: Annotated[tuple[RequestStep, ...], Field(json_schema_extra={"minItems": 1})]
    """What is done, in this order."""
    collections: tuple[Word, ...] | None = None
    """Collections that are searched, in this order; None: raw and calib of the instruments involved."""
    run: Text | None = None
    """RUN collection of the outputs; None: one of the job's own."""
    new_run: Flag = False
    """Refuse a `run` that exists."""
    allow_empty: Flag = False
    """Go on without data IDs that do not exist."""
    allow_many: Flag = False
    """Take more data IDs than are usually meant."""
    with_versions: Flag = True
    """Write and compare the versions of packages."""
    queue: Word | None = None
    """Queue whose workers run it; None: that of the settings."""
    lifetime_s: Seconds | None = None
    """Its rows and logs are destroyed so long after it was submitted, in seconds; None: that of the settings."""
    user: Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_storable)] | None = None
    """Who asks; None: the user of the settings."""
    tags: dict[Word, Text] = {}
    """Free text by name, kept with the job."""

    @model_validator(mode="after")
    def _steps_differ(self) -> Self:
        if not self.steps:
            raise ValueError("a request needs a step: what is done")
        names = [step.name for step in self.steps]
        if len(set(names)) < len(names):
            raise ValueError("two steps have the same label: give each a label of its own")
        return self

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON data, without what has its default."""
        return self.model_dump(mode="json", exclude_defaults=True)

    def to_record(self) -> dict[str, Any]:
        """Return what the job's row keeps: all but targets that are named by args, which have rows of their own."""
        document = self.to_json()
        for step, kept in zip(self.steps, document["steps"], strict=True):
            if any(target.args is not None for target in step.targets or ()):
                del kept["targets"]
                kept.pop("targets_run", None)
        return document

    @classmethod
    def from_json(cls, document: object) -> JobRequest:
        """Return the request of JSON data.

        Raises
        ------
        RequestError
            If it is not a request, naming each field that is wrong.
        """
        try:
            return cls.model_validate(document)
        except ValidationError as error:
            raise request_error(list(_faults(error))) from error

    def replaced(self, **fields: Any) -> JobRequest:
        """Return the request with other values of some fields.

        Raises
        ------
        RequestError
            If a value is not one of its field.
        """
        return JobRequest.from_json({name: getattr(self, name) for name in type(self).model_fields} | fields)


def request_schema() -> dict[str, Any]:
    """Return the JSON Schema of a request, as this package ships it."""
    schema: dict[str, Any] = json.loads((files(__package__) / SCHEMA_FILE).read_text(encoding="utf-8"))
    return schema


def _faults(error: ValidationError) -> Iterator[Fault]:
    for detail in error.errors():
        words = str(detail["msg"]).removeprefix("Value error, ")
        if detail["type"] == "extra_forbidden":
            words = f"a request has no such field.{suggest(str(detail['loc'][-1]), _FIELDS)}".removesuffix(".")
        yield Fault(_path(detail["loc"]), f"{words[:1].upper()}{words[1:]}{'' if words.endswith(('.', '?')) else '.'}")


_FIELDS: Final = sorted(
    {name for model in (JobRequest, RequestStep, RequestTarget, Override) for name in model.model_fields}
)


def _path(steps: Any) -> str:
    text = ""
    for step in steps:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text
