"""The message of one target: Celery args and our one header, both JSON.

A target of the usual kind is a pair ``(dataRef, kwargs)`` and travels as two Celery args; a task runner of one's own
may make any element of JSON and tagged values, such as a list of references or ``(refs, kwargs)``, which travels as
one. No pickle, no import path, no token is ever in it.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

from underbutler.errors import MessageError, UsageError
from underbutler.wording import visible

from .dataref import MESSAGE_VERSION, READABLE_VERSIONS, DataRef, human_data_id, human_data_ids

__all__ = [
    "HEADER",
    "SIZE_LIMIT_BYTES",
    "Element",
    "Envelope",
    "TargetMessage",
    "canonical_json",
    "decode_value",
    "digest_of",
    "encode_value",
    "has_kwargs",
]

HEADER = "underbutler"
"""Name of the one Celery header that is ours."""

SIZE_LIMIT_BYTES = 256 * 1024

Element: TypeAlias = Any
"""What `getTargetList` yields: a pair of reference and kwargs, or any value of JSON and tagged values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """Our header: which target this is, and which sending of it.

    Parameters
    ----------
    job, target
        Identities in the records.
    send_no
        Counts the sendings of this target; part of the Celery task id, because Celery discards an id once revoked.
    digest
        Of task, args and config: a message whose digest is not the target's is discarded.
    config
        Digest of the effective config; the config itself is in the records.
    sent_at
        Seconds since 1970 UTC, by the sender's clock (for people; nothing is decided by it).
    traceparent
        W3C trace context of the submission, or None.
    token
        Handle of the access token that the job was given, or None; the token itself is never in a message.
    """

    job: uuid.UUID
    target: uuid.UUID
    send_no: int
    digest: str
    config: str
    sent_at: float
    traceparent: str | None = None
    token: str | None = None

    @property
    def task_id(self) -> str:
        """The Celery task id of this sending."""
        return f"{self.target}.{self.send_no}"

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form of the header."""
        fields = asdict(self)
        return fields | {"v": MESSAGE_VERSION, "job": str(self.job), "target": str(self.target)}

    @classmethod
    def from_json(cls, document: object) -> Envelope:
        """Build the header from its JSON form.

        Raises
        ------
        MessageError
            If it is missing, of another version, or not ours.
        """
        if not isinstance(document, Mapping):
            raise MessageError(
                f"The message has no {HEADER!r} header: Underbutler did not send it. Submit with `underbutler submit`."
            )
        if document.get("v") not in READABLE_VERSIONS:
            raise MessageError(
                f"The header is of version {document.get('v')!r}; this worker reads {sorted(READABLE_VERSIONS)}."
            )
        try:
            traceparent, token = document.get("traceparent"), document.get("token")
            return cls(
                job=uuid.UUID(document["job"]),
                target=uuid.UUID(document["target"]),
                send_no=int(document["send_no"]),
                digest=str(document["digest"]),
                config=str(document["config"]),
                sent_at=float(document["sent_at"]),
                traceparent=None if traceparent is None else str(traceparent),
                token=None if token is None else str(token),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise MessageError(f"The {HEADER!r} header does not decode: {type(error).__name__}: {error}.") from error


@dataclass(frozen=True, slots=True)
class TargetMessage:
    """One target as it travels: the science task's name, encoded args, our header."""

    task: str
    args: tuple[Any, ...]
    envelope: Envelope

    @property
    def argsrepr(self) -> str:
        """The data ID in words, for Flower."""
        return describe(self.args)[0]

    @property
    def kwargsrepr(self) -> str:
        """The keyword arguments in words, for Flower."""
        return describe(self.args)[1]

    def element(self) -> Element:
        """Decode what `getTargetList` yielded. Run it inside ``PersistenceContextVars().run``."""
        return decode_element(self.args)


def encode_element(element: Element) -> tuple[Any, ...]:
    """Encode one element of a target list as Celery args.

    Raises
    ------
    UsageError
        If a value is neither JSON nor one of the tagged kinds, naming where it stands, or if it is over 256 KiB.
    """
    match element:
        case tuple((DataRef() as ref, dict() as kwargs)):
            args: tuple[Any, ...] = (ref.to_json(), encode_value(kwargs, "kwargs"))
        case _:
            args = (encode_value(element, "element"),)
    size = len(canonical_json(args))
    if size > SIZE_LIMIT_BYTES:
        raise UsageError(
            f"The message of target {describe(args)[0] or '(element)'} is {size} bytes; the limit is "
            f"{SIZE_LIMIT_BYTES}. Put large values into the Butler and send their data IDs.",
            size=size,
            limit=SIZE_LIMIT_BYTES,
        )
    return args


def decode_element(args: object) -> Element:
    """Decode Celery args to what `getTargetList` yielded.

    Raises
    ------
    MessageError
        If the args are not of one of the two shapes.
    """
    match args:
        case [ref, Mapping() as kwargs]:
            return DataRef.from_json(ref), decode_value(kwargs)
        case [single]:
            return decode_value(single)
    raise MessageError("A target has one or two args: a data reference and kwargs, or one element.")


def has_kwargs(element: Element) -> bool:
    """Tell whether an element is a pair whose second part are keyword arguments."""
    return isinstance(element, tuple) and len(element) == 2 and isinstance(element[1], dict)


def describe(args: tuple[Any, ...]) -> tuple[str, str]:
    """Return short human texts of encoded args: the data ID or what several share, and the keyword arguments.

    No terminal or browser obeys them, whatever the values hold.
    """
    data_ids, kwargs = _described(args)
    return visible(data_ids), visible(kwargs)


def _described(args: tuple[Any, ...]) -> tuple[str, str]:
    match args:
        case ({"data_id": data_id}, dict() as kwargs):
            return human_data_id(data_id), _words(kwargs)
        case ({"$tuple": [one, dict() as kwargs]},) if not any(str(key).startswith("$") for key in kwargs):
            return _named(one), _words(kwargs)
    return _named(args[0] if args else ""), ""


def digest_of(task: str, args: tuple[Any, ...], config: str) -> str:
    """Return the SHA-256 of what a target does: task, encoded args and config digest."""
    return hashlib.sha256(canonical_json([task, list(args), config])).hexdigest()


def canonical_json(value: object) -> bytes:
    """Return the one JSON text of a value: sorted keys, no blanks, UTF-8."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def now_s() -> float:
    """Return the sender's clock for `Envelope.sent_at`, in seconds."""
    return round(time.time(), 3)


def encode_value(value: object, where: str = "value") -> Any:
    """Encode a value as JSON; references, times, dataset UUIDs and tuples become tagged objects.

    Raises
    ------
    UsageError
        If the value, or one inside it, would not come back as it was.
    """
    if isinstance(value, str) and not _encodes(value):
        raise UsageError(f"{where} is a text with a lone surrogate, which is not UTF-8.", where=where)
    if value is None or isinstance(value, bool | str) or type(value) is int:
        return value
    if type(value) is float:
        if math.isfinite(value):
            return value
        raise UsageError(f"{where} is {value!r}, which JSON does not know. Send None, or a text.", where=where)
    if type(value) is list:
        return [encode_value(item, f"{where}[{index}]") for index, item in enumerate(value)]
    if type(value) is tuple:
        return {_TUPLE: [encode_value(item, f"{where}[{index}]") for index, item in enumerate(value)]}
    if type(value) is dict:
        return {_key(key, where): encode_value(item, f"{where}.{key}") for key, item in value.items()}
    for tag, (matches, encode, _) in _TAGS.items():
        if matches(value):
            return {tag: encode(value)}
    raise UsageError(
        f"{where} is a {type(value).__module__}.{type(value).__qualname__}, which a message cannot carry. Allowed: "
        "None, bool, int, float, str, list, tuple, dict, DataRef, uuid.UUID, astropy.time.Time.",
        where=where,
    )


def decode_value(value: object) -> Any:
    """Decode what `encode_value` made.

    Raises
    ------
    MessageError
        If a tag is not in the closed table.
    """
    if isinstance(value, list):
        return [decode_value(item) for item in value]
    if isinstance(value, Mapping):
        tags = [key for key in value if key.startswith("$")]
        if not tags:
            return {key: decode_value(item) for key, item in value.items()}
        if len(value) != 1 or tags[0] not in _TAGS:
            raise MessageError(f"Unknown tagged value {sorted(value)}; known tags: {', '.join(_TAGS)}.", tags=tags)
        (tag,) = tags
        try:
            return _TAGS[tag][2](value[tag])
        except (TypeError, ValueError, KeyError) as error:
            raise MessageError(f"The tagged value {tag} does not decode: {error}.", tags=tags) from error
    return value


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _key(key: object, where: str) -> str:
    if not isinstance(key, str) or key.startswith("$") or not _encodes(key):
        raise UsageError(f"{where} has the key {key!r}; keys are texts that do not begin with '$'.", where=where)
    return key


def _is_time(value: object) -> bool:
    return type(value).__module__.startswith("astropy.time") and type(value).__name__ == "Time"


def _encode_time(value: Any) -> dict[str, Any]:
    if value.shape != ():
        raise UsageError("An array of times cannot travel in a message; send a list of single times.")
    return {"jd": [float(value.jd1), float(value.jd2)], "scale": value.scale}


def _decode_time(value: Any) -> Any:
    from astropy.time import Time

    jd1, jd2 = value["jd"]
    return Time(jd1, jd2, format="jd", scale=value["scale"])


def _decode_tuple(value: Any) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise TypeError(f"a tuple is a list, not {value!r}")
    return tuple(decode_value(item) for item in value)


_TUPLE = "$tuple"
_Tag: TypeAlias = tuple[Callable[[Any], bool], Callable[[Any], Any], Callable[[Any], Any]]
_TAGS: dict[str, _Tag] = {
    "$ref": (lambda value: isinstance(value, DataRef), lambda value: value.to_json(), DataRef.from_json),
    "$dataset": (lambda value: isinstance(value, uuid.UUID), str, uuid.UUID),
    "$time": (_is_time, _encode_time, _decode_time),
    _TUPLE: (lambda value: type(value) is tuple, list, _decode_tuple),
}


def _named(value: object) -> str:
    """Return an encoded value in words: by the data IDs of its references, if it has any."""
    data_ids = list(_data_ids(value))
    return human_data_ids(data_ids) if data_ids else _short(value)


def _words(kwargs: Mapping[str, Any]) -> str:
    return " ".join(f"{key}={_named(value)}" for key, value in kwargs.items())


def _data_ids(value: object) -> Iterator[Mapping[str, Any]]:
    """Return the data IDs of all references in an encoded value, in order."""
    if isinstance(value, Mapping):
        if "$ref" in value:
            yield value["$ref"]["data_id"]
        else:
            value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _data_ids(item)


def _short(value: object, limit: int = 60) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
