"""``underbutler logs``: what targets said while they ran, and why they failed."""

from __future__ import annotations

import json
import os
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import click

from underbutler.errors import UnknownNameError, UsageError
from underbutler.model.fingerprint import fingerprint_of
from underbutler.model.identity import short_id
from underbutler.model.job import Phase, TargetState
from underbutler.telemetry import claim_log_file as black_box
from underbutler.terminal import LEVELS, attempt_text, log_lines, stderr_console, target_text
from underbutler.wording import visible

from .session import open_records
from .target_names import is_data_id, named_targets

if TYPE_CHECKING:
    from underbutler.context import ServiceContext
    from underbutler.records import ClaimRow, JobRow, TargetRow

__all__ = ["logs"]

BAD: Final = (TargetState.FAILED, TargetState.HELD)
KINDS: Final = 10
"""So many kinds of failure are shown, by one target each."""
SHOWN: Final = 20
"""So many targets are shown when none has failed."""
LOOK_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class _Chosen:
    """A target whose log is shown, and how many others have failed alike."""

    target: TargetRow
    alike: int = 0


@click.command(short_help="Show the logs of targets: why they failed.")
@click.argument("job")
@click.argument("target", nargs=-1)
@click.option("--attempt", type=click.IntRange(min=1), metavar="N", help="Show this attempt. Default: the last one.")
@click.option("--level", type=click.Choice(list(LEVELS), case_sensitive=False), default="trace", metavar="LEVEL",
              help="Show lines of this level or above: info, warning, error.")  # fmt: skip
@click.option("--full", "in_full", is_flag=True, help="Show the framework's frames of a traceback too.")
@click.option("-f", "--follow", is_flag=True, help="Follow until what is shown has ended.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per attempt and line, with its lines.")
def logs(
    job: str, target: tuple[str, ...], attempt: int | None, level: str, in_full: bool, follow: bool, as_json: bool
) -> None:
    """Show the log of each attempt at the targets of a JOB: of what failed first, one target for each kind of failure.

    JOB is a job's id or its first or last characters. TARGET is one of its targets: its place in `underbutler status
    JOB` (1 is the first), its id or at least 4 characters of it, or words of its data ID (exposure=42 detector=0).

    A log is kept when its attempt ends, also when its process was killed or crashed. Of an attempt that runs on this
    machine it is shown as far as it is. On a terminal a long answer goes through $PAGER. Of a traceback the task's own
    frames are shown, and those of the framework around it are counted; the JSON has all of them.

    \b
    Examples:
      underbutler logs 1a2b3c4d                            why did it fail?
      underbutler logs 1a2b3c4d 3 --attempt 1
      underbutler logs 1a2b3c4d exposure=20130713005733 --level warning
      underbutler logs 1a2b3c4d --follow
      underbutler logs 1a2b3c4d --json | jq -r '.lines[] | select(.level == "error").text'
    """
    with open_records() as context:
        row = context.jobs.read.job(job)
        if row.phase == Phase.ARCHIVED:
            raise UsageError(f"Job {short_id(row.id)} was destroyed, and its logs with it.", job=str(row.id))
        show = _Show(context, row, level.lower(), attempt, as_json, in_full)
        if follow:
            show.follow(target)
        else:
            _page(show.texts(_chosen(context, row, target)), plain=as_json)


@dataclass
class _Show:
    """How logs are shown."""

    context: ServiceContext
    job: JobRow
    level: str
    attempt: int | None
    as_json: bool
    in_full: bool

    def texts(self, chosen: Sequence[_Chosen]) -> Iterator[str]:
        """Yield what is shown of targets."""
        for one in chosen:
            yield self.text(one)

    def text(self, one: _Chosen) -> str:
        """Return what is shown of one target."""
        claims = self.context.jobs.read.claims(one.target.id)
        claim = self._claim(one.target, claims)
        log = None if claim is None else self.log_of(claim)
        if self.as_json:
            return json.dumps(_document(one.target, claim, log, self.level), default=str)
        parts = [target_text(one.target, self.job.n_targets)]
        if one.alike:
            parts[0] += f"\n  and {one.alike} more alike: `underbutler status {short_id(self.job.id)}` lists them"
        parts.append(
            "  not tried yet" if claim is None else attempt_text(claim, claims, log, self.level, in_full=self.in_full)
        )
        return "\n".join(parts) + "\n"

    def log_of(self, claim: ClaimRow) -> str | None:
        """Return the log of a claim; of one that runs on this machine what there is of it."""
        if claim.log is not None or claim.ended_at is not None:
            return claim.log
        path = black_box.find(self.context.settings.scratch_folder, claim.target_id, claim.claim_no)
        return None if path is None else black_box.take(path.parent, claim.target_id, claim.claim_no)

    def _claim(self, target: TargetRow, claims: Sequence[ClaimRow]) -> ClaimRow | None:
        if self.attempt is None:
            return claims[-1] if claims else None
        for claim in claims:
            if claim.claim_no == self.attempt:
                return claim
        known = ", ".join(str(claim.claim_no) for claim in claims) or "none"
        raise UnknownNameError(
            f"Target {target.ordinal + 1} ({target.argsrepr}) has no attempt {self.attempt}; there are: {known}.",
            name=str(self.attempt),
        )

    def follow(self, words: Sequence[str]) -> None:
        """Show each attempt as it goes on and ends, until every target that was asked for has ended."""
        said: dict[tuple[uuid.UUID, int], int] = {}
        over: set[tuple[uuid.UUID, int]] = set()
        wanted = {one.id for one in named_targets(self.context.jobs.read.targets(self.job.id), self.job, words)}
        while True:
            targets = [one for one in self.context.jobs.read.targets(self.job.id) if one.id in wanted]
            for target in targets:
                if target.claim_no and (target.id, target.claim_no) not in over:
                    self._go_on(target, said, over)
            if all(target.state.ended for target in targets):
                return
            time.sleep(LOOK_S)

    def _go_on(
        self,
        target: TargetRow,
        said: dict[tuple[uuid.UUID, int], int],
        over: set[tuple[uuid.UUID, int]],
    ) -> None:
        claims = self.context.jobs.read.claims(target.id)
        for claim in claims:
            key = (claim.target_id, claim.claim_no)
            if key in over or (self.attempt is not None and claim.claim_no != self.attempt):
                continue
            ended = claim.ended_at is not None
            if self.as_json:
                if ended:
                    click.echo(json.dumps(_document(target, claim, claim.log, self.level), default=str))
                    over.add(key)
                continue
            if ended:
                over.add(key)
            self._say_new(target, claim, said)

    def _say_new(self, target: TargetRow, claim: ClaimRow, said: dict[tuple[uuid.UUID, int], int]) -> None:
        """Say the lines of an attempt that were not said yet, each below the name of its target."""
        key = (claim.target_id, claim.claim_no)
        lines = log_lines(self.log_of(claim) or "")
        head = visible(f"{target.argsrepr} attempt {claim.claim_no}")
        for line in lines[said.get(key, 0) :]:
            if line.reaches(self.level):
                text = line.text if self.in_full else line.folded().text
                click.echo(f"{click.style(head, fg='cyan')}  {line.time[11:19]} {line.level.upper()} {text}")
        said[key] = max(len(lines), said.get(key, 0))
        if claim.ended_at is not None:
            reason = f": {claim.reason}" if claim.reason else ""
            click.echo(f"{click.style(head, fg='cyan')}  {click.style(str(claim.end), bold=True)}{visible(reason)}")


def _chosen(context: ServiceContext, job: JobRow, words: Sequence[str]) -> list[_Chosen]:
    """Return the targets that are shown: those that were named; of many one for each kind of failure."""
    if words and not is_data_id(words):
        return [_Chosen(one) for one in named_targets(context.jobs.read.targets(job.id), job, words)]
    bad = named_targets(context.jobs.read.targets(job.id, states=BAD), job, words, may_be_none=True)
    if bad:
        return _one_of_each_kind(bad)
    found = named_targets(context.jobs.read.targets(job.id), job, words)
    if len(found) > SHOWN:
        say = f"None of these {len(found)} targets has failed; the first {SHOWN} are shown. Name others by data ID."
        stderr_console().print(say, soft_wrap=True)
    return [_Chosen(one) for one in found[:SHOWN]]


def _one_of_each_kind(bad: Sequence[TargetRow]) -> list[_Chosen]:
    kinds: dict[str, list[TargetRow]] = {}
    for target in bad:
        kinds.setdefault(fingerprint_of(target.error_type or "", target.error_text or ""), []).append(target)
    largest = sorted(kinds.values(), key=len, reverse=True)
    if len(largest) > KINDS:
        stderr_console().print(
            f"{len(bad)} targets failed in {len(largest)} ways; the {KINDS} most frequent are shown."
        )
    return [_Chosen(alike[0], len(alike) - 1) for alike in largest[:KINDS]]


def _document(target: TargetRow, claim: ClaimRow | None, log: str | None, level: str) -> dict[str, Any]:
    """Return an attempt as JSON."""
    of_target = {
        "job": target.job_id,
        "target": target.id,
        "place": target.ordinal + 1,
        "task": target.task,
        "data_id": target.data_id,
        "state": target.state.value,
        "error": None if target.error_text is None else f"{target.error_type}: {target.error_text}",
    }
    if claim is None:
        return of_target | {"attempt": None, "lines": None}
    fields = ("worker", "pid", "started_at", "ended_at", "end", "reason")
    lines = None if log is None else [
        {"time": line.time, "level": line.level, "logger": line.logger, "text": line.text}
        for line in log_lines(log, level)
    ]  # fmt: skip
    return of_target | {"attempt": claim.claim_no, **{name: getattr(claim, name) for name in fields}, "lines": lines}


def _page(texts: Iterator[str], *, plain: bool) -> None:
    """Write texts: on a terminal through the pager, which shows a short one and ends."""
    if plain or not sys.stdout.isatty():
        for text in texts:
            click.echo(text)
        return
    os.environ.setdefault("LESS", "FRX")
    click.echo_via_pager((f"{text}\n" for text in texts), color=True)
