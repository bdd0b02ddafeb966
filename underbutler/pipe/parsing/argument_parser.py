"""The command line of a task: a repository label, data IDs, config overrides; parsed to what a runner runs.

`ArgumentParser.parse` raises; `ArgumentParser.parse_args` speaks to a person: a sentence on stderr and an exit code.
"""

from __future__ import annotations

import argparse
import logging
import sys
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NoReturn

from underbutler.errors import UnderbutlerError, UsageError, exit_code, suggest
from underbutler.pipe.checking import Identity, TaskParts, checked_command
from underbutler.pipe.ids.dynamic_types import DynamicDatasetType
from underbutler.pipe.ids.id_argument import IdArgument
from underbutler.pipe.ids.id_container import DataIdContainer

from .collecting_parser import CollectingParser
from .command_words import CommandLine, command_line
from .show_option import show
from .standard_options import add_standard_options, expanded

if TYPE_CHECKING:
    from underbutler.butlers import Repositories
    from underbutler.pipe.task_like import TaskLike

__all__ = ["ArgumentParser"]

EXAMPLES: Final = """\
examples:
  underbutler submit {name} demo --id instrument=STE3 detector=0^1 exposure=20130713000000..20130713235959 --wait
  underbutler submit {name} demo --id instrument=STE3 -C overrides.toml -o u/ann/try1
  underbutler submit {name} demo -d "instrument='STE3' AND exposure.exposure_time > 30" --show targets
  underbutler run {name} demo --id instrument=STE3 -j 2
"""


class ArgumentParser(CollectingParser):
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
        self.name = name
        self._id_arguments: dict[str, IdArgument] = {}
        add_standard_options(self)
        self._standard_dests = frozenset(argument.dest for argument in self.arguments)

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
        self._id_arguments[dest] = IdArgument(name, datasetType, level, doMakeDataRefList, ContainerClass, is_required)
        self.add_argument(name, dest=dest, nargs="+", action="append", metavar="KEY=VALUE[^VALUE]", help=help)
        if isinstance(datasetType, DynamicDatasetType):
            datasetType.addArgument(self, dest)

    @property
    def id_arguments(self) -> Mapping[str, IdArgument]:
        """The id arguments by name."""
        return self._id_arguments

    @property
    def own_arguments(self) -> Mapping[str, argparse.Action]:
        """The options that the task itself added, by name, without id arguments."""
        not_own = {*self._standard_dests, *self._id_arguments, argparse.SUPPRESS}
        return {argument.dest: argument for argument in self.arguments if argument.dest not in not_own}

    @property
    def own_dests(self) -> list[str]:
        """Names of the options that the task itself added, without id arguments."""
        return list(self.own_arguments)

    def read(
        self,
        args: Sequence[str],
        *,
        task: str | None = None,
        allow_python: bool = False,
        allow_files: bool = True,
    ) -> CommandLine:
        """Read the words of a command: what they ask for as a request, and what they say of this process.

        Parameters
        ----------
        args
            Arguments, the repository label first.
        task
            Registered name of the task; default that of the parser.
        allow_python
            Whether ``-C`` may be given a Python file, which is executed.
        allow_files
            Whether ``-C`` and ``@file`` may read files at all: not those of a server.

        Raises
        ------
        UsageError
            If the words cannot be read.
        """
        words = self._parsed(args, allow_files=allow_files)
        return command_line(self, task or self.name, words, allow_python=allow_python, allow_files=allow_files)

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
        task_class: type[TaskLike] | None = None,
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
        line = self.read(sys.argv[1:] if args is None else args, allow_python=allow_python, allow_files=allow_files)
        declared = getattr(task_class or getattr(override, "__self__", None), "datasetTypes", {})
        command = checked_command(
            line.request if user is None else line.request.replaced(user=user),
            TaskParts(self, config, override, declared),
            _repositories() if repositories is None else repositories,
            Identity(job, run_stamp),
            local=line.local,
            log=log,
        )
        return command.parsed_cmd

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
            self.exit(exit_code(error), f"{self.prog}: error: {error}\n")
        if namespace.show_only:
            namespace.resources.close()
            self.exit(0)
        return namespace

    def error(self, message: str) -> NoReturn:
        """Raise what argparse finds wrong."""
        raise UsageError(f"{message[:1].upper()}{message[1:]}. See {self.prog} --help.")

    def _parsed(self, args: Sequence[str], *, allow_files: bool) -> argparse.Namespace:
        words = expanded(args, allow_files=allow_files)
        asks_for_help = bool({"-h", "--help"} & set(words))
        if not asks_for_help and (not words or words[0].startswith("-")):
            raise UsageError(f"The label of a repository comes first: {self.prog} LABEL --id … See {self.prog} --help.")
        parsed, unknown = self.parse_known_args(words)
        if unknown:
            known = [option for argument in self.arguments for option in argument.option_strings]
            raise UsageError(
                f"{self.prog} has no option {unknown[0]!r}.{suggest(unknown[0], known)} See {self.prog} --help."
                if unknown[0].startswith("-")
                else f"{self.prog} does not know what to do with {unknown[0]!r}. See {self.prog} --help."
            )
        return parsed


def _repositories() -> Repositories:
    from underbutler.butlers import Repositories
    from underbutler.settings import load_settings

    return Repositories(load_settings())
