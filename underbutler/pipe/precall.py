"""What is written once per job, before its first target: RUN, dataset types, config, versions; and its undoing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from underbutler.errors import UsageError

from .data_choice import refuse_remote_output
from .datasets import register_dataset_types
from .job_types import record_types

if TYPE_CHECKING:
    import argparse

    from lsst.daf.butler import Butler

__all__ = ["Written", "prepare_run", "refuse_chained", "remove_run", "undo"]


class _Runner(Protocol):
    """Of a `TaskRunner`, what preparing a RUN needs."""

    clobberConfig: bool

    def makeTask(self, parsedCmd: argparse.Namespace | None = None) -> Any: ...


@dataclass(frozen=True, slots=True)
class Written:
    """What a precall wrote.

    Parameters
    ----------
    run
        The RUN collection, or None if nothing was written.
    own
        Whether the RUN is the job's own, made by this precall, so that it may be removed as a whole.
    """

    run: str | None = None
    own: bool = False


def prepare_run(runner: _Runner, parsedCmd: argparse.Namespace) -> Written:
    """Do what `TaskRunner.precall` does; if it fails, nothing of a RUN of its own is left.

    Raises
    ------
    TaskError
        If the RUN was written with another config, schema or set of package versions.
    UsageError
        If a dataset type is registered otherwise, or the output repository cannot be written.
    """
    task = runner.makeTask(parsedCmd=parsedCmd)
    butler = _open_output(parsedCmd)
    written = Written(butler.run, own=getattr(parsedCmd, "ownRun", False))
    try:
        _copy_records(parsedCmd, butler)
        register_dataset_types(butler, record_types(task, _dimensions(parsedCmd)))
        task.writeConfig(butler, clobber=runner.clobberConfig)
        if not getattr(parsedCmd, "noVersions", False):
            task.writePackageVersions(butler, clobber=runner.clobberConfig)
        task.writeSchemas(butler, clobber=runner.clobberConfig)
    except BaseException:
        undo(parsedCmd, written)
        raise
    return written


def undo(parsedCmd: argparse.Namespace, written: Written) -> None:
    """Remove the job's own RUN with all that is in it; one that was named with ``-o`` is left as it is."""
    if written.run is not None and written.own:
        remove_run(parsedCmd.butler, written.run)


def remove_run(butler: Butler, run: str, *, unlink: bool = False) -> bool:
    """Remove a RUN collection, and those below it, with all that is in them; return False if there is none.

    Parameters
    ----------
    butler
        Writeable.
    run
        The RUN collection.
    unlink
        Whether it is taken out of the CHAINED collections that hold it.

    Raises
    ------
    UsageError
        If a CHAINED collection holds it and it is not to be unlinked: then nothing is removed.
    """
    found = _runs_of(butler, run)
    if not unlink:
        refuse_chained(butler, run)
    if found:
        butler.removeRuns(found, unlink_from_chains=unlink)
    return bool(found)


def refuse_chained(butler: Butler, run: str) -> None:
    """Refuse to remove a RUN that a CHAINED collection holds: the Butler removes its datasets first, and then fails.

    Raises
    ------
    UsageError
        If there is such a collection, of the RUN or of one below it, naming each.
    """
    for name in _runs_of(butler, run):
        chains = sorted(butler.collections.get_info(name, include_parents=True).parents or ())
        if chains:
            raise UsageError(
                f"The RUN collection {name} is in {' and '.join(chains)}: nothing is removed. Take it out of there, or "
                "have that done with --unlink.",
                run=name,
                chains=chains,
            )


def _runs_of(butler: Butler, run: str) -> list[str]:
    """Return a RUN collection and those below it, of those that exist."""
    from lsst.daf.butler import CollectionType

    known = butler.collections.query(f"{run}*", CollectionType.RUN)
    return [name for name in known if name == run or name.startswith(f"{run}/")]


def _open_output(parsedCmd: argparse.Namespace) -> Butler:
    """Return the butler that writes the job's RUN, registering it; it becomes the command's butler."""
    repositories = getattr(parsedCmd, "repositories", None)
    if repositories is not None:
        refuse_remote_output(repositories, parsedCmd.out, parsedCmd.repo)
        reading = parsedCmd.butler
        parsedCmd.butler = parsedCmd.resources.enter_context(
            repositories.butler(parsedCmd.out, writeable=True, run=parsedCmd.run, collections=_searched(parsedCmd))
        )
        parsedCmd.readButler = reading
    butler = parsedCmd.butler
    if butler.run is None:
        raise UsageError("The output has no RUN collection. Name one with -o RUN.")
    return butler


def _searched(parsedCmd: argparse.Namespace) -> tuple[str, ...]:
    return (parsedCmd.run, *parsedCmd.collections) if parsedCmd.out == parsedCmd.repo else (parsedCmd.run,)


def _copy_records(parsedCmd: argparse.Namespace, butler: Butler) -> None:
    """Copy the dimension records that the output needs, if input and output are different repositories."""
    if getattr(parsedCmd, "out", None) == getattr(parsedCmd, "repo", None):
        return
    reading = parsedCmd.readButler
    references = [ref for container in parsedCmd.idContainers for ref in container.refList]
    expanded = {
        tuple(sorted(ref.data_id.items())): reading.registry.expandDataId(dict(ref.data_id)) for ref in references
    }
    butler.transfer_dimension_records_from(reading, list(expanded.values()))


def _dimensions(parsedCmd: Any) -> tuple[str, ...] | None:
    container = getattr(parsedCmd, "id", None)
    return getattr(container, "dimensions", None)
