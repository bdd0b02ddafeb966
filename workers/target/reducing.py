"""The science of a target: its butlers opened, what dead claims left removed, the task's own runner called."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lsst.pipe.base import NoWorkFound

from underbutler.butlers.translation import translate_butler_errors
from underbutler.errors import FencedOutError, TransientError, UsageError
from underbutler.pipe import worker_command
from underbutler.pipe.binding import first_reference
from underbutler.pipe.job_types import declared_types
from underbutler.pipe.running.target_ending import scalars_of
from underbutler.records import Outcome
from underbutler.telemetry import tracing
from underbutler.telemetry.logs import get_logger

from .artifacts import Artifact, artifacts_of
from .attempt import Attempt, Failure, GiveBack
from .butler_session import bound_target, clear_leftovers, output_butler
from .endings import after, no_work, stored_products
from .waiting_for_records import retry_until_available

if TYPE_CHECKING:
    from lsst.daf.butler import Butler

    from underbutler.model.message import Element
    from underbutler.pipe import TaskRunner


__all__ = ["ExitStatusError", "Reduced", "reduce"]

log = get_logger(__name__)


class ExitStatusError(UsageError):
    """A task runner of one's own returned an exit status that is not 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reduced:
    """What the science made: it is in the Butler.

    Parameters
    ----------
    artifacts
        Every dataset that was put, and its file.
    scalars
        The numbers and texts of the task's metadata.
    found_work
        Whether there was anything to do.
    """

    artifacts: Sequence[Artifact]
    scalars: dict[str, Any] = field(default_factory=dict)
    found_work: bool = True


def reduce(attempt: Attempt, element: Element) -> Reduced | Outcome | Failure | GiveBack:
    """Run the task's runner on a target.

    Raises
    ------
    FencedOutError
        If the claim was overtaken. Then nothing is pruned either: what is there may be another claim's.
    TransientError
        If a repository does not answer before the science began.
    TokenExpiredError
        If the job's access token is not valid any more.
    """
    context, task_class = attempt.context, attempt.task_class
    claim = attempt.claim
    job, step, config = retry_until_available(context.job_and_config, claim.job, claim.step, task_class)
    declared = declared_types(task_class, config)
    token = retry_until_available(context.token, claim.token_handle)
    with bound_target(element, attempt, declared, token) as target:
        butler = output_butler(target)
        with translate_butler_errors(job.out):
            clear_leftovers(attempt, butler)
        command = worker_command(
            task_class, overrides=step.overrides, options=step.options, butler=butler, config=config
        )
        runner = task_class.RunnerClass(TaskClass=task_class, parsedCmd=command, doReturnResults=True)
        return _called(runner, target, attempt, butler, job.out)


def _called(
    runner: TaskRunner, target: Element, attempt: Attempt, butler: Butler, label: str
) -> Reduced | Outcome | Failure | GiveBack:
    """Call the runner, and say how it ended; the butler is needed for that."""
    stored = attempt.journal.stored_refs
    try:
        with tracing.span("reduce"):
            struct = _call(runner, target)
        with translate_butler_errors(label):
            specs = attempt.task_class.datasetTypes
            found = artifacts_of(stored.values(), butler, attempt.claim, attempt.context, specs)
    except NoWorkFound as reason:
        return no_work(reason, stored_products(stored.values(), butler))
    except FencedOutError:
        raise
    except Exception as error:  # noqa: BLE001 - it is the target's, and recorded
        ending = after(error, attempt, runner.lastMetadata)
        if isinstance(ending, GiveBack):
            return ending
        if isinstance(error, TransientError):
            _write_last_metadata(runner, target)
        return Failure(ending.outcome.replaced(products=stored_products(stored.values(), butler)), error)
    return Reduced(
        artifacts=found,
        scalars=scalars_of(getattr(struct, "metadata", None)),
        found_work=not getattr(struct, "noWork", False),
    )


def _call(runner: TaskRunner, target: Element) -> Any:
    struct = runner(target)
    status = getattr(struct, "exitStatus", 0)
    if status:
        raise ExitStatusError(f"exit status {status}")
    return struct


def _write_last_metadata(runner: TaskRunner, target: Element) -> None:
    """Put the metadata of a target that is not tried again although a service was away: it may be away still."""
    try:
        runner.writeLastMetadata(first_reference(target))
    except FencedOutError:
        raise
    except Exception as error:  # noqa: BLE001 - what ends the target is the error that it met first
        log.warning("metadata_not_written", error=f"{type(error).__name__}: {error}")
