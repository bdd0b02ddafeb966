"""From parsed words to what a runner needs: config, repositories, collections, RUN, data. Nothing is written."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from underbutler.butlers.data_ids import instruments as registered_instruments
from underbutler.butlers.data_ids import unknown_collection
from underbutler.clock import stamp
from underbutler.errors import UnknownNameError, UsageError
from underbutler.model.naming import run_name

from .job_config import config_digest, config_json
from .overrides import apply_file, apply_text, validated

if TYPE_CHECKING:
    import argparse

    from lsst.daf.butler import Butler

    from underbutler.butlers import Repositories

    from .datasets import DatasetSpec
    from .id_container import DataIdContainer

__all__ = ["apply_config", "choose_run", "find_data", "refuse_remote_output", "searched_collections"]


def apply_config(
    namespace: argparse.Namespace,
    config: Any,
    override: Callable[[Any], None] | None,
    *,
    allow_python: bool,
    allow_files: bool,
) -> None:
    """Apply the overrides to the config in their order, validate and freeze it, and keep what a record needs.

    Raises
    ------
    UsageError
        If an override cannot be applied, or the config is not valid.
    """
    if override is not None:
        override(config)
    overrides: list[list[Any]] = []
    for is_file, word in namespace.configWords or []:
        if not is_file:
            overrides.append(apply_text(config, word))
        elif not allow_files:
            raise UsageError(f"-C {word}: files are not read here. Give the overrides themselves, with -c.")
        elif word.endswith(".py"):
            _run_python(config, word, allow_python=allow_python)
        else:
            overrides += apply_file(config, Path(word))
    namespace.config = validated(config)
    namespace.overrides = overrides
    namespace.config_json = config_json(config)
    namespace.config_digest = config_digest(namespace.config_json)


def find_data(
    namespace: argparse.Namespace,
    containers: Mapping[str, tuple[DataIdContainer, bool]],
    declared: Mapping[str, DatasetSpec],
) -> None:
    """Fill the id containers: first data IDs, then references.

    Parameters
    ----------
    namespace
        The parsed command, with its butler.
    containers
        By name: the container, and whether references are made.
    declared
        The task's outputs.

    Raises
    ------
    UsageError
        If something named does not exist, or does not cast.
    """
    queried = _queried(namespace, containers, declared)
    for name, (container, with_references) in containers.items():
        if not with_references:
            container.named(namespace.butler, may_be_many=namespace.yes)
            continue
        where = namespace.query if name in queried else ""
        if container.given or where:
            container.search(namespace, declared, where, namespace.log)
            container.makeDataRefList(namespace)
        else:
            with suppress(UnknownNameError):  # a dataset type that nobody asks for need not exist
                container.setDimensions(namespace.butler, declared)


def searched_collections(namespace: argparse.Namespace, containers: Iterable[DataIdContainer]) -> tuple[str, ...]:
    """Return the collections that are searched: those given, else raw and calib of the instruments involved.

    Raises
    ------
    UnknownNameError
        If one that was given does not exist.
    UsageError
        If none was given and an instrument has neither.
    """
    butler = namespace.butler
    if namespace.collections is not None:
        given = tuple(name.strip() for name in namespace.collections.split(",") if name.strip())
        if not given:
            raise UsageError("--collections names none. Example: --collections STE3/raw,STE3/calib.")
        missing = [name for name in given if not _exists(butler, name)]
        if missing:
            raise unknown_collection(butler, missing)
        return given
    instruments = list(dict.fromkeys(name for container in containers for name in container.instruments()))
    known = registered_instruments(butler)
    for name in instruments:
        if name not in known:
            raise UnknownNameError.of("instrument", name, known, "Ingest its frames first.")
    wanted = [f"{name}/{kind}" for name in instruments or known for kind in ("raw", "calib")]
    found = tuple(name for name in wanted if _exists(butler, name))
    if wanted and not found:
        existing = sorted(butler.collections.query("*"))
        raise UsageError(
            f"The repository {namespace.repo!r} has none of the collections {', '.join(wanted)}. Name some with "
            f"--collections. Known: {', '.join(existing) or 'none'}."
        )
    return found


def choose_run(namespace: argparse.Namespace, output: Butler | None, task: str) -> None:
    """Set `run`: the one of ``-o``, else one of the job's own; and `ownRun`.

    Parameters
    ----------
    namespace
        The parsed command, with its user and job.
    output
        Butler of the output repository, for one that was named.
    task
        Name of the task.

    Raises
    ------
    UsageError
        If the name is a collection of another kind, or ``--clobber-config`` is given with a RUN that exists.
    """
    job: uuid.UUID = namespace.job
    own = run_name(user=namespace.user, task=task, stamp=getattr(namespace, "runStamp", None) or stamp(), job=job)
    namespace.ownRun = namespace.run is None
    if namespace.run is None:
        namespace.run = own
        return
    assert output is not None
    if not namespace.run.strip() or any(character.isspace() or character in "*?," for character in namespace.run):
        raise UsageError(f"-o {namespace.run!r} is no name of a RUN collection. Example: -o u/ann/try1.")
    if not _exists(output, namespace.run):
        return
    kind = output.collections.get_info(namespace.run).type.name
    if kind != "RUN":
        raise UsageError(
            f"-o {namespace.run}: this collection is {kind}, and outputs need a RUN. Name another, or leave -o out."
        )
    if namespace.clobberConfig:
        raise UsageError(
            f"--clobber-config means a new RUN: {namespace.run!r} exists, and what is in it is never rewritten. Leave "
            f"out -o (the job then gets {own}), or name a RUN that does not exist."
        )


def refuse_remote_output(repositories: Repositories, namespace: argparse.Namespace) -> None:
    """Refuse a command whose outputs could not be written.

    Raises
    ------
    UsageError
        If its `out` is a remote repository.
    """
    if repositories.is_remote(namespace.out):
        raise UsageError(
            f"The repository {namespace.out!r} is remote, which can be read and not written. Name a writeable one "
            "for the output: --out LABEL.",
            repo=namespace.repo,
            out=namespace.out,
        )


def _queried(
    namespace: argparse.Namespace,
    containers: Mapping[str, tuple[DataIdContainer, bool]],
    declared: Mapping[str, DatasetSpec],
) -> set[str]:
    """Return the id arguments that ``--data-query`` selects: inputs; or outputs, if there is no input."""
    if not namespace.query:
        return set()
    searched = {name: container for name, (container, with_references) in containers.items() if with_references}
    inputs = {name for name, container in searched.items() if container.datasetType not in declared}
    return inputs or set(searched)


def _exists(butler: Butler, name: str) -> bool:
    from lsst.daf.butler import MissingCollectionError

    try:
        butler.collections.get_info(name)
    except MissingCollectionError:
        return False
    return True


def _run_python(config: Any, path: str, *, allow_python: bool) -> None:
    if not allow_python:
        raise UsageError(
            f"-C {path}: a Python file is executed, and is taken only by `underbutler run`. Write the overrides as "
            "TOML: [detect] threshold = 3.0.",
            path=path,
        )
    try:
        config.load(path)
    except Exception as error:
        raise UsageError(f"The config file {path} does not run: {type(error).__name__}: {error}", path=path) from error
