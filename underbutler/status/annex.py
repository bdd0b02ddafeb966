"""The annex: whether S3 answers to us, by which clock, and whether buckets and announced objects are there."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from underbutler.annex.buckets import bucket_for
from underbutler.errors import (
    AnnexRefusesError,
    AnnexUnavailableError,
    LostDatasetError,
    UnderbutlerError,
    UsageError,
)
from underbutler.model.naming import parse_s3_url
from underbutler.redaction import redacted_text
from underbutler.s3 import S3Client, make_client, translate_s3_errors
from underbutler.s3.connections import endpoint_of
from underbutler.settings import Settings, variable_of
from underbutler.wording import counted

from .asking import Answer, Asking, NoAnswerError
from .clocks import clock_findings
from .findings import Finding, Gravity, PartState, State, away, finding_of

if TYPE_CHECKING:
    from underbutler.records import Announced

__all__ = ["AnnexAnswer", "annex_state", "ask_annex", "buckets_of", "forgotten_objects"]

NAME: Final = "s3"
REQUEST_S: Final = 1.5
"""Longest silence within one request, in seconds."""
SAMPLED_OBJECTS: Final = 8
"""Where a bucket has more keys than are read, so many objects are asked for one by one."""
PAGES: Final = 6
"""So many pages of a bucket's keys are read at most, 1000 keys each."""


@dataclass(slots=True, kw_only=True)
class AnnexAnswer:
    """What S3 says.

    Parameters
    ----------
    endpoint
        Where it is.
    buckets
        Names of those that are there.
    gone
        Names of those that are not.
    used
        Names of those in which something was announced.
    looked_at, missing
        How many announced objects were looked for, and how many of them are not there; None where none was.
    total
        How many there should be, as far as counted.
    clock, asked_at
        Its clock and ours at one moment.
    trouble
        What it said instead of an answer.
    """

    endpoint: str = ""
    buckets: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    used: frozenset[str] = frozenset()
    looked_at: int | None = None
    missing: int | None = None
    total: int = 0
    clock: float | None = None
    asked_at: float = 0.0
    trouble: UnderbutlerError | None = None


class Keys(NamedTuple):
    """Keys of a bucket, and whether they are all of them."""

    names: frozenset[str]
    whole: bool


def buckets_of(settings: Settings, instruments: Sequence[str]) -> list[str]:
    """Return the names of the buckets of some instruments; one whose name does not fit has none."""
    found = []
    for instrument in instruments:
        try:
            found.append(bucket_for(settings, instrument))
        except UsageError:
            continue
    return found


def ask_annex(
    settings: Settings,
    asking: Asking,
    buckets: Callable[[], Sequence[str]],
    announced: Callable[[], Announced | None],
) -> AnnexAnswer:
    """Ask S3.

    Parameters
    ----------
    settings
        Which.
    asking
        Asks for several buckets and objects at a time.
    buckets
        Returns the names of the buckets that should be there.
    announced
        Returns the objects that should be there; None if nobody knows.
    """
    told = AnnexAnswer(endpoint=redacted_text(settings.s3_endpoint_url or ""))
    try:
        client = make_client(settings, timeout_s=REQUEST_S, attempts=1)
        told.endpoint = redacted_text(endpoint_of(client))
        client.meta.events.register("response-received.s3", _note_clock(told))
        _look(client, told, asking, set(buckets()), announced())
    except (AnnexUnavailableError, UsageError) as error:
        told.trouble = error
    return told


def annex_state(settings: Settings, answer: Answer[AnnexAnswer]) -> PartState:
    """Return how S3 is."""
    try:
        told = answer.get()
    except NoAnswerError as error:
        where = redacted_text(settings.s3_endpoint_url or "AWS")
        cure = f"Look at that server and the network between, or correct {variable_of('s3_endpoint_url')}."
        finding = Finding(about=NAME, what=f"The annex at {where} gives {error}.", cure=cure, code=3)
        return away(NAME, where, finding, *forgotten_objects(settings))
    clock = clock_findings(NAME, f"the annex at {told.endpoint}", told.clock, told.asked_at)
    if told.trouble is not None:
        trouble = _trouble(settings, told.trouble)
        return away(NAME, told.endpoint, *clock, trouble, *forgotten_objects(settings))
    lost = list(forgotten_objects(settings)) or list(_missing(told))
    parts = [told.endpoint, counted(len(told.buckets), "bucket")]
    if told.looked_at is not None and not told.missing:
        parts.append(f"all of {counted(told.looked_at, 'announced object')} looked for are there")
    return PartState(
        name=NAME,
        state=State.ANSWERS,
        told="; ".join(parts),
        address=told.endpoint,
        findings=(*clock, *_gone(told), *lost),
        facts={
            "buckets": told.buckets,
            "buckets_gone": told.gone,
            "objects_looked_for": told.looked_at,
            "objects_missing": told.missing,
        },
    )


def _look(client: S3Client, told: AnnexAnswer, asking: Asking, names: set[str], objects: Announced | None) -> None:
    urls = [parse_s3_url(url) for url in objects.urls] if objects else []
    told.used = frozenset(bucket for bucket, _ in urls)
    names |= told.used
    if not names:
        _greet(client)
        return
    pages = PAGES if objects and objects.whole and urls else 1
    asked = {name: asking.begin(f"s3-{name}", _keys_if_there, client, name, pages) for name in sorted(names)}
    keys = {name: answer.get() for name, answer in asked.items()}
    told.buckets = [name for name, found in keys.items() if found is not None]
    told.gone = [name for name, found in keys.items() if found is None]
    if objects and urls:
        if all(found is None or found.whole for found in keys.values()):
            known = {bucket: found.names if found else frozenset() for bucket, found in keys.items()}
            there = [key in known[bucket] for bucket, key in urls]
        else:
            looks = [asking.begin("s3-object", _is_there, client, *url) for url in urls[:SAMPLED_OBJECTS]]
            there = [look.get() for look in looks]
        told.total, told.looked_at, told.missing = objects.total, len(there), there.count(False)


def _greet(client: S3Client) -> None:
    """Ask whether it knows us, where no bucket is known: a user that may not list buckets is known all the same."""
    try:
        with translate_s3_errors(client, bucket=""):
            client.list_buckets()
    except AnnexRefusesError as error:
        if "AccessDenied" not in str(error):
            raise


def _keys_if_there(client: S3Client, bucket: str, pages: int) -> Keys | None:
    """Return the keys of a bucket; None if there is no such bucket."""
    try:
        with translate_s3_errors(client, bucket=bucket):
            return _keys(client, bucket, pages)
    except AnnexUnavailableError as error:
        if "has no bucket" not in str(error):
            raise
        return None


def _keys(client: S3Client, bucket: str, pages: int) -> Keys:
    keys: set[str] = set()
    more: dict[str, Any] = {}
    for _ in range(pages):
        page = client.list_objects_v2(Bucket=bucket, MaxKeys=1000, **more)
        keys |= {str(one["Key"]) for one in page.get("Contents", ())}
        if not page.get("IsTruncated"):
            return Keys(frozenset(keys), whole=True)
        more = {"ContinuationToken": page["NextContinuationToken"]}
    return Keys(frozenset(keys), whole=False)


def _is_there(client: S3Client, bucket: str, key: str) -> bool:
    try:
        with translate_s3_errors(client, bucket=bucket, key=key):
            client.head_object(Bucket=bucket, Key=key)
    except (LostDatasetError, AnnexUnavailableError):
        return False
    return True


def _note_clock(told: AnnexAnswer) -> Callable[..., None]:
    def note(response_dict: dict[str, Any] | None = None, **_: Any) -> None:
        date = {} if response_dict is None else response_dict.get("headers", {})
        if told.clock is None and (said := date.get("date")):
            try:
                told.clock, told.asked_at = parsedate_to_datetime(said).timestamp(), time.time()
            except ValueError:
                return

    return note


def _trouble(settings: Settings, error: UnderbutlerError) -> Finding:
    if not settings.s3_endpoint_url and "was not asked" in str(error) and "Unable to locate" in str(error):
        return Finding(
            about=NAME,
            what="No S3 is configured: there is neither an endpoint nor a key.",
            cure="Start one with `underbutler up`, or set S3_ENDPOINT_URL, AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY, or AWS_PROFILE.",
            code=2,
        )
    return finding_of(NAME, error)


def _gone(told: AnnexAnswer) -> Iterator[Finding]:
    for buckets, why, gravity in (
        ([name for name in told.gone if name in told.used], "What was announced in it is gone.", Gravity.WRONG),
        ([name for name in told.gone if name not in told.used], "What is delivered to it waits.", Gravity.NOTED),
    ):
        if not buckets:
            continue
        named = ", ".join(map(repr, buckets))
        yield Finding(
            about=NAME,
            what=f"The annex at {told.endpoint} has no {'bucket' if len(buckets) == 1 else 'buckets'} {named}.",
            why=why,
            cure=f"Make it: `aws --endpoint-url {told.endpoint} s3 mb s3://{buckets[0]}`; `underbutler ingest` and "
            "`underbutler up` make those of their instruments, too.",
            gravity=gravity,
        )


def _missing(told: AnnexAnswer) -> Iterator[Finding]:
    if not told.missing:
        return
    sampled = "" if told.looked_at == told.total else " that were looked for"
    yield Finding(
        about=NAME,
        what=f"{told.missing} of {counted(told.looked_at or 0, 'announced object')}{sampled} "
        f"{'is' if told.missing == 1 else 'are'} missing in S3.",
        why="They were announced, and somebody has removed them or emptied the store.",
        cure="Bring them back from the Butler: `underbutler annex verify --repair`.",
        count=told.missing,
    )


def forgotten_objects(settings: Settings) -> Iterator[Finding]:
    """Say how many objects an embedded S3 server still lacks that has forgotten them, and is being given again."""
    try:
        facts = json.loads(settings.recovery_file.read_text())
        missing, total, pid = int(facts["missing"]), int(facts["total"]), int(facts["pid"])
    except (OSError, ValueError, KeyError, TypeError):
        return
    if not missing:
        return
    at_work = _lives(pid)
    verify = "Bring them back from the Butler: `underbutler annex verify --repair`."
    yield Finding(
        about=NAME,
        what=f"{missing} of {counted(total, 'announced object')} {'is' if missing == 1 else 'are'} missing in S3.",
        why="The S3 server of `underbutler up` keeps its objects in memory, and was started anew.",
        cure="They are being brought back from the Butler." if at_work else verify,
        gravity=Gravity.NOTED if at_work else Gravity.WRONG,
        count=missing,
    )


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
