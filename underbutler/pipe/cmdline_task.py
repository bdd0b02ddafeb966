"""The task that is run from a command line, or by a worker: Gen2's `CmdLineTask` on today's `lsst.pipe.base.Task`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from lsst.pipe.base import Struct, Task

from underbutler.errors import UnderbutlerError, UsageError
from underbutler.redaction import redacted

from .binding import first_reference, name_of
from .config.job_config import config_json, differences
from .datasets import DatasetSpec
from .findings import Look
from .gen2_metadata import speak_gen2
from .parsing.argument_parser import ArgumentParser
from .run_records import agree, put_once, refuse_backup
from .task_runner import TaskRunner
from .versions import common_differences, package_versions

if TYPE_CHECKING:
    import argparse
    import logging

    from underbutler.butlers import Repositories

__all__ = ["EXIT_LIMIT", "CmdLineTask"]

EXIT_LIMIT = 255
"""Largest exit status: a shell keeps the low 8 bits, and 256 failures must not read as success."""


class CmdLineTask(Task):
    """A task with `runDataRef`, submitted by name or run from a command line.

    A subclass has `ConfigClass`, `_DefaultName`, `datasetTypes` and ``runDataRef(self, dataRef, …)``, and an entry
    point in the group ``underbutler.tasks``. One written for Gen2 needs only other imports and `datasetTypes`.
    """

    RunnerClass: ClassVar[type[TaskRunner]] = TaskRunner
    """Makes the target list and runs the task on each target."""

    canMultiprocess: ClassVar[bool] = True
    """Whether ``-j`` may be more than 1."""

    datasetTypes: ClassVar[Mapping[str, DatasetSpec]] = {}
    """What the task puts, by name. A put of anything else is a `UsageError`."""

    timeLimit: ClassVar[float | None] = None
    """Longest time that one target may take in a worker, in seconds; None takes the runner's TIMEOUT. The queue's own
    limit caps both."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        speak_gen2(self.getTaskDict())

    def makeSubtask(self, name: str, **keyArgs: Any) -> None:
        """Make a subtask, as the attribute `name` of this task; its metadata speaks Gen2 too."""
        super().makeSubtask(name, **keyArgs)
        speak_gen2(self.getTaskDict())

    def emptyMetadata(self) -> None:
        """Empty the metadata of this task and all its subtasks."""
        super().emptyMetadata()
        speak_gen2(self.getTaskDict())

    def getFullMetadata(self) -> Any:
        """Return the metadata of this task and all its subtasks, without secrets: it is read by everybody."""
        metadata = super().getFullMetadata()
        document = metadata.model_dump()
        clean = redacted(document)
        return metadata if clean == document else type(metadata).model_validate(clean)

    @classmethod
    def applyOverrides(cls, config: Any) -> None:
        """Change the defaults of the config before the user's overrides; does nothing here."""

    @classmethod
    def parseAndRun(
        cls,
        args: Sequence[str] | None = None,
        config: Any = None,
        log: logging.Logger | None = None,
        doReturnResults: bool = False,
        *,
        repositories: Repositories | None = None,
        progress: Callable[[int, int], None] | None = None,
        ended: Callable[[argparse.Namespace, TaskRunner], None] | None = None,
    ) -> Struct:
        """Parse a command line and run the task here and now, without the queue.

        Parameters
        ----------
        args
            Arguments, the repository label first; None takes those of the process.
        config
            A config to start from; None takes the task's defaults.
        log
            Parent of the task's log.
        doReturnResults
            Keep what the task returns, its metadata and its data references.
        repositories
            Where labels lead to; None takes the index of the settings.
        progress
            Called with the numbers of targets ended and of all targets, first before any of them begins.
        ended
            Called with ``parsedCmd`` and ``taskRunner`` when no target runs any more, also if one raised or the time
            limit ended them: `TaskRunner.endings` says how each ended. Butlers are open still.

        Returns
        -------
        struct
            ``argumentParser``, ``parsedCmd``, ``taskRunner`` and ``resultList``.

        Raises
        ------
        SystemExit
            With status 2 and a sentence on stderr for bad input; with the number of failed targets (at most 255, and 1
            if `TaskRunner.precall` failed) unless ``--noExit`` is given.
        """
        if args is None:
            args = sys.argv[1:]
        parser = cls._makeArgumentParser()
        parsedCmd = parser.parse_args(
            cls.ConfigClass() if config is None else config,
            args,
            log=log,
            override=cls.applyOverrides,
            repositories=repositories,
            task_class=cls,
            allow_python=True,
        )
        with parsedCmd.resources:
            parsedCmd.progress = progress
            runner = cls.RunnerClass(TaskClass=cls, parsedCmd=parsedCmd, doReturnResults=doReturnResults)
            if not getattr(parsedCmd, "noCheck", False):
                cls._refuse_what_would_fail(runner, parsedCmd, parser)
            try:
                results = runner.run(parsedCmd)
            finally:
                if ended is not None:
                    ended(parsedCmd, runner)
        failed = _count_failed(results, parsedCmd.log) or int(runner.precallFailed)
        if failed:
            if not parsedCmd.noExit:
                sys.exit(min(failed, EXIT_LIMIT))
            parsedCmd.log.error("%d targets failed; not exiting, as --noExit is set.", failed)
        return Struct(argumentParser=parser, parsedCmd=parsedCmd, taskRunner=runner, resultList=results)

    @classmethod
    def _refuse_what_would_fail(cls, runner: TaskRunner, parsedCmd: argparse.Namespace, parser: ArgumentParser) -> None:
        """Look before anything is written, if the task says what it needs."""
        if cls.lookBefore.__func__ is CmdLineTask.lookBefore.__func__:  # type: ignore[attr-defined]
            return
        try:
            runner.listed = runner.getTargetList(parsedCmd)
            look = cls.lookBefore(runner.listed, parsedCmd)
            for finding in look.warnings:
                parsedCmd.log.warning("%s", finding)
            look.raise_if_failing()
        except UsageError as error:
            if parsedCmd.doraise:
                raise
            parser.exit(2, f"{parser.prog}: error: {error}\n")

    @classmethod
    def lookBefore(cls, targets: Sequence[Any], parsedCmd: argparse.Namespace) -> Look:  # noqa: ARG003 - for a subclass
        """Say what targets lack that can be known before anything is written; override it, or nothing is looked at.

        It is asked once for all targets of a job and should answer within seconds for ten thousand of them: ask the
        Butler in a few queries, and look into one frame of a group of alike ones.

        Parameters
        ----------
        targets
            What the runner's `getTargetList` returned.
        parsedCmd
            The parsed command; ``config`` is the effective one, and ``butler`` reads.

        Returns
        -------
        look
            What was found, each finding once for a group of targets, and what was looked at.
        """
        return Look()

    @classmethod
    def _makeArgumentParser(cls) -> ArgumentParser:
        """Make the task's parser; override it to add options or to name another dataset type."""
        parser = ArgumentParser(name=cls._DefaultName, description=cls.__doc__)
        parser.add_id_argument("--id", "raw", help="data ID, e.g. --id instrument=STE3 exposure=1..9 detector=0^1")
        return parser

    def writeConfig(self, butler: Any, clobber: bool = False, doBackup: bool = False) -> None:
        """Put the config into the butler's RUN, or check that the one that is there is the same.

        The comparison uses a JSON rendering stored beside it.

        Parameters
        ----------
        butler
            Writeable, with the job's RUN.
        clobber
            Without effect: ``--clobber-config`` means a new RUN, and what is in one is never rewritten.
        doBackup
            Refused if set.

        Raises
        ------
        TaskError
            If the RUN holds another config, naming each field that differs.
        """
        refuse_backup(doBackup)
        name = self._getConfigName()
        if name is None:
            return
        document = config_json(self.config)
        agree(butler, f"{name}_json", document, lambda there: differences(there, document), "config")
        put_once(butler, name, self.config)

    def writeSchemas(self, butler: Any, clobber: bool = False, doBackup: bool = False) -> None:
        """Put the schemas of all output catalogues into the butler's RUN, or check that those there are the same.

        Raises
        ------
        TaskError
            If the RUN holds another schema.
        """
        refuse_backup(doBackup)
        for dataset, catalog in self.getAllSchemaCatalogs().items():
            schema = _schema(catalog)

            def compare(there: Any, schema: Any = schema, dataset: str = dataset) -> list[tuple[str, Any, Any]]:
                return [] if _schema(there) == schema else [(dataset, _schema(there), schema)]

            agree(butler, f"{dataset}_schema", catalog, compare, "schema")

    def writePackageVersions(
        self, butler: Any, clobber: bool = False, doBackup: bool = False, dataset: str | None = None
    ) -> None:
        """Put the versions of the imported packages into the butler's RUN, or check those that both sides have.

        Raises
        ------
        TaskError
            If the RUN was written with another version of a package.
        """
        from lsst.utils.packages import Packages

        refuse_backup(doBackup)
        versions = package_versions()
        agree(
            butler,
            dataset or self._getPackagesName(),
            Packages(versions),
            lambda there: common_differences(there, versions),
            "set of package versions (--no-versions leaves them out)",
        )

    def writeMetadata(self, dataRef: Any) -> None:
        """Put the metadata of the task and its subtasks; a failure is a warning and leaves the target as it is.

        Parameters
        ----------
        dataRef
            Where they are put. Of a list of references it is the first, which is said.
        """
        name = self._getMetadataName()
        if name is None:
            return
        first = first_reference(dataRef)
        try:
            first.put(self.getFullMetadata(), name)
            if first is not dataRef:
                self.log.info("Metadata %s of %s is written once, for %s.", name, name_of(dataRef), first)
        except Exception as error:  # the science is done, or its own error is the one to tell
            self.log.warning(
                "Metadata %s of %s is not written: %s: %s",
                name,
                name_of(dataRef),
                type(error).__name__,
                error,
                exc_info=not isinstance(error, UnderbutlerError),
            )

    def getSchemaCatalogs(self) -> dict[str, Any]:
        """Return empty output catalogues by dataset type; none here."""
        return {}

    def getAllSchemaCatalogs(self) -> dict[str, Any]:
        """Return the schema catalogues of the task and all its subtasks."""
        catalogs: dict[str, Any] = {}
        for reference in self.getTaskDict().values():
            task = reference()
            if hasattr(task, "getSchemaCatalogs"):
                catalogs |= task.getSchemaCatalogs()
        return catalogs

    def _getConfigName(self) -> str | None:
        """Return the dataset type of the config; None writes none."""
        return f"{self._DefaultName}_config"

    def _getMetadataName(self) -> str | None:
        """Return the dataset type of the metadata; None writes none."""
        return f"{self._DefaultName}_metadata"

    def _getPackagesName(self) -> str:
        """Return the dataset type of the package versions."""
        return f"{self._DefaultName}_packages"


def _count_failed(results: Sequence[Any], log: Any) -> int:
    without = sum(1 for result in results if not hasattr(result, "exitStatus"))
    if without:
        log.warning("%d targets gave no exit status; taking them as successful.", without)
    return sum(1 for result in results if getattr(result, "exitStatus", 0))


def _schema(catalog: Any) -> Any:
    """Return what tells two empty catalogues apart: an afw schema, or names and types of columns."""
    if hasattr(catalog, "schema"):
        return catalog.schema
    dtype = getattr(catalog, "dtype", None)
    return catalog if dtype is None else str(dtype)
