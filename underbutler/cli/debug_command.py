"""``underbutler debug``: a target of a job again, here, where it can be looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from underbutler.errors import UsageError
from underbutler.model.identity import short_id
from underbutler.model.job import Phase, TargetState
from underbutler.wording import visible

from .run_summary import RunSummary
from .session import open_records
from .target_names import named_targets
from .token_options import read_access_token, token_options

if TYPE_CHECKING:
    from pathlib import Path

    from underbutler.context import ServiceContext
    from underbutler.records import JobRow, TargetRow
    from underbutler.submission.preparing import Prepared

__all__ = ["debug"]

_BAD = (TargetState.FAILED, TargetState.HELD)
_SHOWN = 5


@click.command(short_help="Run a target of a job again, here, to see why it failed.")
@click.argument("job")
@click.argument("target", nargs=-1)
@click.option(
    "-c", "--config", "words", multiple=True, metavar="PATH=VALUE", help="Config override, after those of JOB."
)
@click.option("--pdb", "debugs", is_flag=True, help="Stop in the debugger where the task raises.")
@click.option("--keep", is_flag=True, help="Keep the RUN collection that it wrote.")
@token_options
@click.pass_context
def debug(
    ctx: click.Context,
    job: str,
    target: tuple[str, ...],
    words: tuple[str, ...],
    debugs: bool,
    keep: bool,
    access_token_file: Path | None,
    token_lifetime: float | None,
) -> None:
    """Run a TARGET of a JOB in this process, with its recorded configuration and inputs, without queue and records.

    TARGET is its place in `underbutler status JOB`, its id or at least 4 characters of it, or words of its data ID;
    default is the first that failed. It writes into a RUN collection of its own, which is removed after, and job and
    target stay as they are. Exits with 1 if it fails. A remote repository is opened with your token, not the job's.

    \b
    Examples:
      underbutler debug 1a2b3c4d
      underbutler debug 1a2b3c4d 3 --pdb
      underbutler debug 1a2b3c4d exposure=20130713005733 -c detect.threshold=5 --keep
    """
    from underbutler.pipe.job_command import LocalOptions
    from underbutler.submission.preparing import prepare_request
    from underbutler.sweeper.resubmission import request_again

    token = read_access_token(access_token_file, token_lifetime)
    with open_records() as context:
        row = context.jobs.read.job(job)
        chosen = _one(context, row, target)
        click.echo(f"target {chosen.ordinal + 1} of job {short_id(row.id)}: {chosen.argsrepr}", err=True)
        _tell_other_versions(row)
        request = request_again(row, [chosen], config_words=words)
        local = LocalOptions(doraise=debugs)
        secret = None if token is None else token.secret
        with prepare_request(request, repositories=context.repositories, local=local, access_token=secret) as prepared:
            failed = _run(prepared, debugs=debugs, keep=keep)
    if failed:
        ctx.exit(1)


def _run(prepared: Prepared, *, debugs: bool, keep: bool) -> bool:
    """Run the one target; return whether it failed."""
    command, runner = prepared.command, prepared.runner
    parsed_cmd = command.parsed_cmd
    runner.listed = list(command.elements or ())
    with RunSummary() as summary:
        try:
            runner.run(parsed_cmd)
        except Exception as error:
            if not debugs or not runner.endings:
                raise
            _stop_in_debugger(error)
        finally:
            summary.take(parsed_cmd, runner, stays=keep)
            _leave(prepared, keep=keep)
    return runner.precallFailed or summary.n_bad > 0


def _stop_in_debugger(error: Exception) -> None:
    import pdb

    click.echo(visible(f"{type(error).__name__}: {error}"), err=True)
    pdb.post_mortem(error.__traceback__)


def _leave(prepared: Prepared, *, keep: bool) -> None:
    """Remove what was written, unless it is to be kept."""
    parsed_cmd = prepared.command.parsed_cmd
    written = getattr(parsed_cmd, "written", None)
    if written is None or written.run is None:
        return
    if keep:
        return
    prepared.runner.undo_precall(parsed_cmd, written)
    click.echo("Its RUN collection is removed; --keep leaves it.", err=True)


def _one(context: ServiceContext, row: JobRow, words: tuple[str, ...]) -> TargetRow:
    """Return the target that is meant: of several the first that failed."""
    if row.phase == Phase.ARCHIVED:
        raise UsageError(f"Job {short_id(row.id)} was destroyed, and its targets with it.", job=str(row.id))
    found = named_targets(context.jobs.read.targets(row.id), row, words)
    bad = [one for one in found if one.state in _BAD]
    if words and len(bad or found) > 1:
        named = "; ".join(f"{one.ordinal + 1}: {one.argsrepr}" for one in (bad or found)[:_SHOWN])
        raise UsageError(f"{' '.join(words)} names {len(bad or found)} targets. Name one by its place: {named}.")
    if not words and not bad:
        raise UsageError(
            f"No target of job {short_id(row.id)} has failed. Name one by its place in `underbutler status "
            f"{short_id(row.id)}`: underbutler debug {short_id(row.id)} 1"
        )
    return (bad or found)[0]


def _tell_other_versions(row: JobRow) -> None:
    """Tell which packages are here in another version than where the job was submitted: it may not fail here."""
    from underbutler.pipe import package_versions
    from underbutler.pipe.versions import common_differences

    others = common_differences(row.versions, package_versions())
    if others:
        told = ", ".join(f"{name} {there} there, {here} here" for name, there, here in others[:_SHOWN])
        more = f" and {len(others) - _SHOWN} more" if len(others) > _SHOWN else ""
        click.echo(f"Other versions than the job's: {told}{more}.", err=True)
