"""The parsed command of a job that is run again: from what its record holds, without a command line."""

from __future__ import annotations

import argparse
import logging
import uuid
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from underbutler.butlers.bound import bind
from underbutler.errors import UnknownNameError
from underbutler.model.message import decode_value

from .argument_parser import LOG_NAME
from .binding import references
from .command import refuse_remote_output
from .job_config import config_digest, config_json
from .overrides import apply_overrides, apply_text, validated
from .versions import package_versions

if TYPE_CHECKING:
    from underbutler.butlers import Repositories
    from underbutler.model.dataref import DataRef

    from .argument_parser import ArgumentParser
    from .cmdline_task import CmdLineTask

__all__ = ["recorded_command"]


def recorded_command(
    task_class: type[CmdLineTask],
    *,
    repositories: Repositories,
    job: uuid.UUID,
    user: str,
    repo: str,
    out: str,
    run: str,
    collections: Sequence[str],
    overrides: Iterable[Sequence[Any]],
    options: Mapping[str, Any],
    elements: Iterable[Any],
    with_versions: bool = True,
    config_words: Iterable[str] = (),
    log: logging.Logger | None = None,
) -> argparse.Namespace:
    """Return a command as `ArgumentParser.parse` does, for `TaskRunner.precall`. Nothing is written.

    Parameters
    ----------
    task_class
        The task.
    repositories
        Where labels lead to.
    job, user
        Identity of the job to be, and whose it is.
    repo, out
        Labels of the repositories that are read and written.
    run
        RUN collection of its own.
    collections
        Collections that are searched.
    overrides
        Config overrides as recorded.
    options
        The task's own options as recorded.
    elements
        The target list; each id argument's container gets the references of its dataset type.
    with_versions
        Whether package versions are recorded and written.
    config_words
        Further overrides, ``PATH=VALUE``, applied after those recorded.
    log
        Parent of the task's log.

    Raises
    ------
    UsageError
        If this release's task does not take the overrides or options, or the output cannot be written.
    TransientError
        If the repository's database is away.
    """
    parser = task_class._makeArgumentParser()
    given = {action.dest: action.default for action in parser._actions if action.dest not in _NO_FIELD}
    given |= {name: decode_value(value) for name, value in options.items()}
    command = argparse.Namespace(
        **given | {"input": repo, "repo": repo, "out": out, "run": run, "ownRun": True, "user": user, "job": job},
        log=log or logging.getLogger(LOG_NAME),
        loglevels=[],
        show_only=False,
    )
    command.options = dict(options)
    command.collections = tuple(collections)
    command.noVersions = not with_versions
    command.versions = package_versions() if with_versions else {}
    command.repositories = repositories
    _configure(command, task_class, overrides, config_words)
    command.resources = ExitStack()
    try:
        refuse_remote_output(repositories, command)
        command.butler = command.resources.enter_context(repositories.butler(repo))
        _fill_containers(command, parser, task_class, list(references(list(elements))))
    except BaseException:
        command.resources.close()
        raise
    return command


_NO_FIELD = frozenset({argparse.SUPPRESS, "help"})


def _configure(
    command: argparse.Namespace,
    task_class: type[CmdLineTask],
    overrides: Iterable[Sequence[Any]],
    words: Iterable[str],
) -> None:
    config = task_class.ConfigClass()
    task_class.applyOverrides(config)
    command.overrides = [*apply_overrides(config, overrides), *(apply_text(config, word) for word in words)]
    command.config = validated(config)
    command.config_json = config_json(config)
    command.config_digest = config_digest(command.config_json)


def _fill_containers(
    command: argparse.Namespace, parser: ArgumentParser, task_class: type[CmdLineTask], refs: Sequence[DataRef]
) -> None:
    command.idContainers = []
    for dest, argument in parser._id_arguments.items():
        container = argument.container()
        setattr(command, dest, container)
        command.idContainers.append(container)
        parser._set_dataset_type(command, dest, argument)
        if not argument.with_references:
            continue
        try:
            container.setDimensions(command.butler, task_class.datasetTypes)
        except UnknownNameError:  # no reference of a dataset type that is not registered can be here
            continue
        for ref in refs:
            if ref.dataset_type == container.datasetType:
                first = container.refList[0] if container.refList else None
                container.refList.append(bind(ref, command.butler) if first is None else first.beside(ref))
                container.idList.append(ref.dataId)
