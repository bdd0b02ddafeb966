"""The look before a job is made, and what ``--dry-run`` shows: targets, findings, an estimate. Nothing is written."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from underbutler.model.message import describe
from underbutler.terminal import estimate_text, look_text, stderr_console, stdout_console
from underbutler.wording import counted

from .session import answer_json

if TYPE_CHECKING:
    from underbutler.context import ServiceContext
    from underbutler.submission.preparing import Prepared

__all__ = ["no_check_option", "refuse_what_would_fail", "show_dry_run"]


F = TypeVar("F", bound=Callable[..., Any])


def no_check_option() -> Callable[[F], F]:
    """Return the option ``--no-check`` of commands that run targets again."""
    return click.option("--no-check", is_flag=True, help="Do not look before: run also what is known to fail.")


def refuse_what_would_fail(prepared: Prepared) -> None:
    """Look before anything is written, unless ``--no-check`` was given; say what is only to be known.

    Raises
    ------
    FindingsError
        If targets would fail, with every reason.
    """
    from underbutler.submission.preparing import look_before

    if prepared.command.local.no_check:
        return
    look = look_before(prepared)
    look.raise_if_failing()
    for finding in look.warnings:
        stderr_console().print(str(finding), style="yellow", soft_wrap=True, markup=False, highlight=False)


def show_dry_run(context: ServiceContext, prepared: Prepared, form: str) -> int:
    """Show targets, what a look finds, and what they may take; return the exit code that the submission would have."""
    from underbutler.pipe.findings import Look
    from underbutler.submission.forecast import forecast
    from underbutler.submission.preparing import look_before

    look = Look() if prepared.command.local.no_check else look_before(prepared)
    expected = forecast(prepared, context.jobs, context.settings)
    if form == "json":
        answer_json(
            {
                "targets": [{"args": target.args, "digest": target.digest} for target in prepared.targets],
                "look": look.to_json(),
                "estimate": expected.to_json(),
            }
        )
        return 2 if look.refusals else 0
    console, say = stdout_console(), stderr_console().print
    for target in prepared.targets:
        console.print("  ".join(part for part in describe(tuple(target.args)) if part), highlight=False)
    if not prepared.command.local.no_check:
        say(look_text(look), soft_wrap=True, highlight=False)
    say(estimate_text(expected.past, expected.numbers, expected.processes), soft_wrap=True, highlight=False)
    say(f"{counted(len(prepared.targets), 'target')} would be sent; RUN {prepared.command.run}. Nothing was written.")
    return 2 if look.refusals else 0
