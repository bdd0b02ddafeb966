"""The command line of a task: a repository label, data IDs, config overrides; parsed to what a runner runs.

`ArgumentParser.parse` raises; `ArgumentParser.parse_args` speaks to a person: a sentence on stderr and an exit code.
"""

from __future__ import annotations

import argparse
import logging
import sys
import uuid
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NoReturn

from underbutler.errors import FatalError, TransientError, UnderbutlerError, UsageError, suggest

from .command import apply_config, choose_run, find_data, refuse_remote_output, searched_collections
from .dynamic_types import DynamicDatasetType
from .id_container import DataIdContainer
from .id_values import parse_words
from .shows import show
from .standard_options import add_standard_options, apply_log_levels, check_show, expanded
from .versions import package_versions
from .worker_side import task_options

if TYPE_CHECKING:
    from underbutler.butlers import Repositories

    from .cmdline_task import CmdLineTask

__all__ = ["ArgumentParser"]

LOG_NAME: Final = "underbutler.task"

_EXIT_CODES: tuple[tuple[type[UnderbutlerError], int], ...] = ((UsageError, 2), (TransientError, 3), (FatalError, 4))


@dataclass(frozen=True, slots=True)
class _IdArgument:
    option: str
    dataset_type: str | DynamicDatasetType | None
    level: str | None
    with_references: bool
    container_class: type[DataIdContainer]
    required: bool

    def container(self) -> DataIdContainer:
        made = self.container_class(level=self.level)
        made.option = self.option
        return made


EXAMPLES: Final = """\
examples:
  underbutler submit {name} demo --id instrument=STE3 detector=0^1 exposure=20130713000000..20130713235959 --wait
  underbutler submit {name} demo --id instrument=STE3 -C overrides.toml -o u/ann/try1
  underbutler submit {name} demo -d "instrument='STE3' AND exposure.exposure_time > 30" --show targets
  underbutler run {name} demo --id instrument=STE3 -j 2
"""


class ArgumentParser(argparse.ArgumentParser):
    """Parser of a task's command line.

    Parameters
    ----------
    name
        Name of the task.
    usage
        Usage text.
    **kwargs
        For `argparse.ArgumentParser`.
    """

    def __init__(self, name: str, usage: str = "%(prog)s LABEL [options]", **kwargs: Any) -> None:
        defaults: dict[str, Any] = {
            "prog": name,
            "formatter_class": argparse.RawDescriptionHelpFormatter,
            "allow_abbrev": False,
            "epilog": EXAMPLES.format(name=name),
        }
        super().__init__(usage=usage, **(defaults | kwargs))
        self._name = name
        self._id_arguments: dict[str, _IdArgument] = {}
        add_standard_options(self)
        self._standard_dests = frozenset(action.dest for action in self._actions)

    def add_id_argument(
        self,
        name: str,
        datasetType: str | DynamicDatasetType | None,
        help: str,  # noqa: A002 - Gen2's spelling
        level: str | None = None,
        doMakeDataRefList: bool = True,
        ContainerClass: type[DataIdContainer] = DataIdContainer,
        *,
        required: bool | None = None,
    ) -> None:
        """Add an option that takes data IDs.

        Parameters
        ----------
        name
            Name of the option, e.g. ``--id``; what it holds is ``parsedCmd.id``.
        datasetType
            The dataset type whose data IDs these are, or a `DynamicDatasetType`.
        help
            Help text.
        level
            Dimension at which references are made; None takes all of the dataset type's.
        doMakeDataRefList
            Whether references are made: then what is named must exist.
        ContainerClass
            What holds data IDs and references.
        required
            Whether it must be given (or a ``--data-query``); by default ``--id`` must.

        Raises
        ------
        ValueError
            If an option of this name exists, or references are to be made of no dataset type.
        """
        dest = name.lstrip("-").replace("-", "_")
        if dest in self._id_arguments:
            raise ValueError(f"The parser has an id argument {name!r} already.")
        if datasetType is None and doMakeDataRefList:
            raise ValueError(f"{name}: give a datasetType, or doMakeDataRefList=False.")
        is_required = (dest == "id" and doMakeDataRefList) if required is None else required
        self._id_arguments[dest] = _IdArgument(name, datasetType, level, doMakeDataRefList, ContainerClass, is_required)
        self.add_argument(name, dest=dest, nargs="+", action=_IdAction, metavar="KEY=VALUE[^VALUE]", help=help)
        if isinstance(datasetType, DynamicDatasetType):
            datasetType.addArgument(self, dest)

    @property
    def own_dests(self) -> list[str]:
        """Names of the options that the task itself added, without id arguments."""
        added = (action.dest for action in self._actions if action.dest != argparse.SUPPRESS)
        return [dest for dest in added if dest not in self._standard_dests and dest not in self._id_arguments]

    def parse(
        self,
        config: Any,
        args: Sequence[str] | None = None,
        log: logging.Logger | None = None,
        override: Callable[[Any], None] | None = None,
        *,
        repositories: Repositories | None = None,
        job: uuid.UUID | None = None,
        user: str | None = None,
        task_class: type[CmdLineTask] | None = None,
        allow_python: bool = False,
        allow_files: bool = True,
        run_stamp: str | None = None,
    ) -> argparse.Namespace:
        """Parse a command; nothing is written, and whatever is wrong raises.

        Parameters
        ----------
        config
            The task's config with its defaults; it is changed, validated and frozen.
        args
            Arguments, the repository label first; None takes those of the process.
        log
            Parent of the task's log.
        override
            Called with the config before the user's overrides: the task's `applyOverrides`.
        repositories
            Where labels lead to; None takes the index of the settings.
        job
            Identity of the job to be; default a new one.
        user
            Who runs it; default that of the settings.
        task_class
            The task: its declared outputs are no inputs that must exist. Default: the class of `override`.
        allow_python
            Whether ``-C`` may be given a Python file, which is executed.
        allow_files
            Whether ``-C`` and ``@file`` may read files at all: not those of a server.
        run_stamp
            Time part of the name of a RUN of the job's own; default now.

        Returns
        -------
        parsedCmd
            Fields: ``input``, ``repo``, ``out``, ``collections``, ``run``, ``ownRun``, ``job``, ``user``, ``config``,
            ``overrides``, ``config_json``, ``config_digest``, ``options``, ``versions``, ``log``, ``loglevels``,
            ``doraise``, ``processes``, ``timeout``, ``butler`` (it reads, until precall), ``show``, ``show_only``,
            ``clobberConfig``, ``noVersions``, ``noExit``, ``yes``, ``allowEmpty``, ``query``, ``repositories``,
            ``resources`` (an ExitStack: close it after), and per id argument its container.

        Raises
        ------
        UsageError
            If it cannot succeed as written.
        TransientError
            If a repository's database is away.
        """
        namespace = self._parse_words(sys.argv[1:] if args is None else args, allow_files=allow_files)
        namespace.log = log or logging.getLogger(LOG_NAME)
        apply_log_levels(namespace)
        check_show(namespace)
        apply_config(namespace, config, override, allow_python=allow_python, allow_files=allow_files)
        namespace.options = task_options(self, namespace)
        namespace.runStamp = run_stamp
        namespace.resources = ExitStack()
        try:
            self._complete(namespace, repositories, job, user, task_class or getattr(override, "__self__", None))
        except BaseException:
            namespace.resources.close()
            raise
        return namespace

    def check_words(self, config: Any, args: Sequence[str], override: Callable[[Any], None] | None = None) -> None:
        """Check a command as far as no repository is needed: its options and its config.

        Raises
        ------
        UsageError
            If it cannot succeed as written.
        """
        namespace = self._parse_words(args, allow_files=True)
        check_show(namespace)
        apply_config(namespace, config, override, allow_python=False, allow_files=True)

    def parse_args(  # type: ignore[override]  # Gen2's signature: the config comes first
        self, config: Any, args: Sequence[str] | None = None, log: Any = None, override: Any = None, **more: Any
    ) -> argparse.Namespace:
        """Parse a command as a program does; parameters are those of `parse`.

        Raises
        ------
        SystemExit
            With status 2 for bad input (3: a service is away; 4: our fault) after a sentence on stderr; with 0 after
            ``--show`` without ``run``.
        """
        try:
            namespace = self.parse(config, args, log, override, **more)
            sys.stdout.write(show(namespace, more.get("task_class")))
        except UnderbutlerError as error:
            code = next(code for kind, code in _EXIT_CODES if isinstance(error, kind))
            self.exit(code, f"{self.prog}: error: {error}\n")
        if namespace.show_only:
            namespace.resources.close()
            self.exit(0)
        return namespace

    def error(self, message: str) -> NoReturn:
        """Raise what argparse finds wrong."""
        raise UsageError(f"{message[:1].upper()}{message[1:]}. See {self.prog} --help.")

    def _parse_words(self, args: Sequence[str], *, allow_files: bool) -> argparse.Namespace:
        words = expanded(args, allow_files=allow_files)
        asks_for_help = bool({"-h", "--help"} & set(words))
        if not asks_for_help and (not words or words[0].startswith("-")):
            raise UsageError(f"The label of a repository comes first: {self.prog} LABEL --id … See {self.prog} --help.")
        containers = {dest: argument.container() for dest, argument in self._id_arguments.items()}
        namespace = argparse.Namespace(**containers)
        namespace, unknown = self.parse_known_args(words, namespace)
        if unknown:
            known = [option for action in self._actions for option in action.option_strings]
            raise UsageError(
                f"{self.prog} has no option {unknown[0]!r}.{suggest(unknown[0], known)} See {self.prog} --help."
                if unknown[0].startswith("-")
                else f"{self.prog} does not know what to do with {unknown[0]!r}. See {self.prog} --help."
            )
        return namespace

    def _complete(
        self,
        namespace: argparse.Namespace,
        repositories: Repositories | None,
        job: uuid.UUID | None,
        user: str | None,
        task_class: Any,
    ) -> None:
        from underbutler.butlers import Repositories
        from underbutler.settings import load_settings

        if repositories is None:
            repositories = namespace.resources.enter_context(Repositories(load_settings()))
        namespace.repositories = repositories
        namespace.repo = namespace.input
        namespace.out = namespace.out or namespace.repo
        namespace.job = job or uuid.uuid4()
        namespace.user = user or repositories.settings.user
        namespace.butler = namespace.resources.enter_context(repositories.butler(namespace.repo))
        namespace.idContainers = [getattr(namespace, dest) for dest in self._id_arguments]
        namespace.versions = {} if namespace.noVersions else package_versions()
        self._choose_output(namespace, repositories)
        namespace.collections = searched_collections(namespace, namespace.idContainers)
        for dest, argument in self._id_arguments.items():
            self._set_dataset_type(namespace, dest, argument)
        needs_data = not namespace.show_only or {"data", "targets"} & set(namespace.show)
        if needs_data:
            self._require_data(namespace)
            declared = getattr(task_class, "datasetTypes", {})
            containers = {
                dest: (getattr(namespace, dest), argument.with_references)
                for dest, argument in self._id_arguments.items()
            }
            find_data(namespace, containers, declared)

    def _choose_output(self, namespace: argparse.Namespace, repositories: Repositories) -> None:
        if not namespace.show_only:
            refuse_remote_output(repositories, namespace)
        if namespace.out == namespace.repo:
            choose_run(namespace, namespace.butler, self._name)
            return
        with repositories.butler(namespace.out) as output:
            choose_run(namespace, output, self._name)

    def _set_dataset_type(self, namespace: argparse.Namespace, dest: str, argument: _IdArgument) -> None:
        kind = argument.dataset_type
        if kind is not None:
            container: DataIdContainer = getattr(namespace, dest)
            container.setDatasetType(kind.getDatasetType(namespace) if isinstance(kind, DynamicDatasetType) else kind)

    def _require_data(self, namespace: argparse.Namespace) -> None:
        for dest, argument in self._id_arguments.items():
            given = getattr(namespace, dest).given or namespace.query
            if argument.required and not given and not namespace.allowEmpty:
                raise UsageError(
                    f"No data is named: give {argument.option} KEY=VALUE …, or -d QUERY. Example: {self.prog} "
                    f"{namespace.input} {argument.option} instrument=NAME detector=0^1.",
                    option=argument.option,
                )


class _IdAction(argparse.Action):
    """Adds what one id option says to its container."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        getattr(namespace, self.dest).given.append(parse_words(values, option_string or self.option_strings[0]))
