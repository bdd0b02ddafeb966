"""Runs a task on each of its targets: here and now, or once in a worker.

The names, parameters and behaviour are those of Gen2's `TaskRunner`. What differs is said where it does: a failed
`precall` is a failure, a process that dies is told with its target, each target has its own kwargs.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from copy import deepcopy
from typing import TYPE_CHECKING, Any, ClassVar

from lsst.pipe.base import NoWorkFound, Struct, TaskError, TaskMetadata

from underbutler.errors import FatalError, FencedOutError, TransientError, UnderbutlerError, UsageError
from underbutler.model.dataref import DataRef
from underbutler.model.job import TargetState
from underbutler.telemetry.logs import bound
from underbutler.telemetry.tracebacks import folded_traceback

from .binding import bound_element, first_reference, name_of, plain_element
from .job_types import declared_types, metadata_name
from .precall import Written, prepare_run, undo
from .running.one_process import prepare_process
from .running.process_farm import Died, Raised, TimeLimitError, work_through
from .running.progress import Progress
from .running.target_ending import TargetEnding, ending_of, scalars_of

if TYPE_CHECKING:
    import argparse

    from underbutler.butlers import Repositories

    from .task_like import TaskLike

__all__ = ["ButlerInitializedTaskRunner", "TaskRunner"]


class TaskRunner:
    """Runs a `CmdLineTask` on the targets of a parsed command.

    Two ways to extend it. **Case 1**: `runDataRef` takes a reference, or a list of them, and more arguments: override
    `getTargetList` and return pairs ``(ref, kwargs)`` or ``(refs, kwargs)``, most simply by calling this one's with
    keyword arguments. **Case 2**: anything else: override `getTargetList` and `__call__`; an element of the list is
    then whatever `__call__` takes.

    Parameters
    ----------
    TaskClass
        The task.
    parsedCmd
        The parsed command: of `ArgumentParser`, or of `worker_command` in a worker.
    doReturnResults
        Whether `__call__` returns more than the exit status.

    Notes
    -----
    A runner is pickled to other processes under ``-j``: it holds no butler and no parsed command.
    """

    TIMEOUT: ClassVar[int] = 2592000
    """Longest time for all targets together under ``-j``, and for one in a worker, in seconds: 30 days."""

    def __init__(self, TaskClass: type[TaskLike], parsedCmd: argparse.Namespace, doReturnResults: bool = False) -> None:
        self.TaskClass = TaskClass
        self.doReturnResults = bool(doReturnResults)
        self.config = parsedCmd.config
        self.log = parsedCmd.log
        self.doRaise = bool(parsedCmd.doraise)
        self.clobberConfig = bool(getattr(parsedCmd, "clobberConfig", False))
        self.numProcesses = int(getattr(parsedCmd, "processes", None) or 1)
        limit = getattr(parsedCmd, "timeout", None)
        self.timeout = limit if limit is not None and limit > 0 else self.TIMEOUT
        self.precallFailed = False
        self.listed: list[Any] | None = None
        """The targets, if they were listed before `run`."""
        self.lastMetadata: TaskMetadata | None = None
        """Full metadata of the latest target of this process, also of one that raised."""
        self.lastError: BaseException | None = None
        """What the latest target of this process raised."""
        self.lastScalars: dict[str, Any] = {}
        """Numbers and texts of the task's own metadata of the latest target of this process."""
        self.endings: list[TargetEnding] = []
        """How each target ended that `run` ran, also when it raises: in their order."""
        if self.numProcesses > 1 and not TaskClass.canMultiprocess:
            self.log.warning("%s does not run in several processes; using one.", TaskClass.__name__)
            self.numProcesses = 1

    def __getstate__(self) -> dict[str, Any]:
        empty: dict[str, Any] = {
            "lastMetadata": None,
            "lastError": None,
            "lastScalars": {},
            "endings": [],
            "listed": None,
        }
        return self.__dict__ | empty

    def prepareForMultiProcessing(self) -> None:
        """Drop what cannot be pickled: called once before other processes are started."""
        self.lastMetadata = self.lastError = None

    def run(self, parsedCmd: argparse.Namespace) -> list[Any]:
        """Run the task on all targets.

        Parameters
        ----------
        parsedCmd
            The parsed command.

        Returns
        -------
        resultList
            What `__call__` returned, in the order of the targets; empty if `precall` did not return True.

        Raises
        ------
        TimeoutError
            If the targets together took longer than the time limit, under ``-j``.
        """
        if self.numProcesses > 1:
            self.prepareForMultiProcessing()
        if not self.precall(parsedCmd):
            self.precallFailed = True
            return []
        targets = self._targets_or_undo(parsedCmd)
        if not targets:
            self.log.warning("%s has nothing to do: no data ID matches. See --show data.", self.TaskClass.__name__)
            return []
        progress = Progress(getattr(parsedCmd, "progress", None), self.log, len(targets))
        repositories = getattr(parsedCmd, "repositories", None)
        if self.numProcesses > 1:
            return self._run_in_processes(targets, parsedCmd, repositories, progress)
        return [progress.counted(self.run_counted(target, repositories)) for target in targets]

    @staticmethod
    def getTargetList(parsedCmd: argparse.Namespace, **kwargs: Any) -> list[Any]:
        """Return the targets: pairs of data reference and keyword arguments of `runDataRef`.

        Parameters
        ----------
        parsedCmd
            The parsed command.
        **kwargs
            Keyword arguments for `runDataRef`; each target gets a copy of its own.
        """
        return [(ref, deepcopy(kwargs)) for ref in parsedCmd.id.refList]

    def makeTask(self, parsedCmd: argparse.Namespace | None = None, args: Any = None) -> Any:
        """Make the task.

        Parameters
        ----------
        parsedCmd
            The parsed command, when `precall` makes it.
        args
            What `__call__` got, when a target makes it.
        """
        return self.TaskClass(config=self.config, log=self.log)

    def precall(self, parsedCmd: argparse.Namespace) -> bool:
        """Prepare the output, once per job, before any target: RUN, dataset types, config, schemas, versions.

        Returns
        -------
        go
            Whether `__call__` should be called. False is a failure of the command.

        Raises
        ------
        Exception
            Under ``--doraise``, whatever went wrong; else it is logged.
        """
        try:
            parsedCmd.written = prepare_run(self, parsedCmd)
        except Exception as error:
            if self.doRaise:
                raise
            self.log.critical("Failed before the first target: %s", _told(error))
            return False
        return True

    def precall_or_raise(self, parsedCmd: argparse.Namespace) -> Written:
        """Call `precall` for a submission: it raises, and returns what was written.

        Raises
        ------
        UsageError
            If `precall` returns False.
        """
        before, self.doRaise = self.doRaise, True
        parsedCmd.written = Written()
        try:
            go = self.precall(parsedCmd)
        finally:
            self.doRaise = before
        if not go:
            self.undo_precall(parsedCmd, parsedCmd.written)
            raise UsageError(f"{self.TaskClass.__name__}: precall refused the job; its log says why.")
        written: Written = parsedCmd.written
        return written

    def undo_precall(self, parsedCmd: argparse.Namespace, written: Written) -> None:
        """Remove what `precall` wrote, if the RUN is the job's own; dataset types stay registered."""
        undo(parsedCmd, written)

    def __call__(self, args: Any) -> Struct:
        """Run the task on a single target.

        Parameters
        ----------
        args
            A pair of data reference, or a list of them, and keyword arguments.

        Returns
        -------
        struct
            ``exitStatus``: 0 if the task completed, 1 otherwise. If `doReturnResults` is set also ``dataRef``,
            ``metadata`` (the task's own) and ``result`` (None if it failed). ``noWork`` is True, and otherwise absent,
            if the task found nothing to do, which is not a failure.

        Raises
        ------
        BaseException
            Under doraise, whatever the task raised, `NoWorkFound` among it. Metadata is written all the same, except
            after a `TransientError`, which is tried again: see `writeLastMetadata`, and after a `FencedOutError`.
        """
        dataRef, kwargs = args
        with bound(dataRef=name_of(dataRef)):
            return self._run_target(args, dataRef, kwargs)

    def runTask(self, task: Any, dataRef: Any, kwargs: Mapping[str, Any]) -> Any:
        """Call `runDataRef` of the task and return what it returns."""
        return task.runDataRef(dataRef, **kwargs)

    def writeLastMetadata(self, dataRef: Any) -> None:
        """Write the metadata of a target that ended with a `TransientError` and is not tried again."""
        name = metadata_name(self.TaskClass, self.config)
        if name is not None and self.lastMetadata is not None:
            first_reference(dataRef).put(self.lastMetadata, name)

    def _targets_or_undo(self, parsedCmd: argparse.Namespace) -> list[Any]:
        """Return the targets; if there are none, or they cannot be told, what precall wrote is removed."""
        targets: list[Any] = []
        try:
            targets = self.getTargetList(parsedCmd) if self.listed is None else self.listed
        finally:
            if not targets:
                self.undo_precall(parsedCmd, getattr(parsedCmd, "written", Written()))
        return targets

    def _run_target(self, args: Any, dataRef: Any, kwargs: Mapping[str, Any]) -> Struct:
        task = result = error = None
        try:
            task = self.makeTask(args=args)
            result = self.runTask(task, dataRef, kwargs)
        except (NoWorkFound, Exception) as raised:
            error = self.lastError = raised
            if self.doRaise:
                raise
            self._tell(error, dataRef)
        finally:
            if task is not None:
                self.lastMetadata, self.lastScalars = task.getFullMetadata(), scalars_of(task.metadata)
                if not (self.doRaise and isinstance(error, TransientError | FencedOutError)):
                    task.writeMetadata(dataRef)
        return self._struct(task, dataRef, result, error)

    def _struct(self, task: Any, dataRef: Any, result: Any, error: BaseException | None) -> Struct:
        no_work = isinstance(error, NoWorkFound)
        struct = Struct(exitStatus=int(error is not None and not no_work))
        if no_work:
            struct.noWork = True
        if self.doReturnResults:
            struct.dataRef = dataRef
            struct.metadata = None if task is None else task.metadata
            struct.result = result
        return struct

    def _tell(self, error: BaseException, dataRef: Any) -> None:
        if isinstance(error, NoWorkFound):
            self.log.info("No work on %s: %s", name_of(dataRef), error)
        else:
            self.log.critical("Failed on %s: %s", name_of(dataRef), _told(error))

    def run_counted(self, target: Any, repositories: Repositories | None) -> Any:
        """Run a target, and keep how it ended."""
        self.lastMetadata, self.lastError, self.lastScalars = None, None, {}
        began, struct = time.monotonic(), None
        try:
            struct = self._run_here(target, repositories)
            return struct
        except (NoWorkFound, Exception) as error:
            self.lastError = error
            raise
        finally:
            seconds = time.monotonic() - began
            self.endings.append(ending_of(target, struct, self.lastError, seconds, self.lastScalars))

    def _run_here(self, target: Any, repositories: Repositories | None) -> Any:
        """Call this runner on one target, bound; an error of `__call__` or of binding fails this target alone."""
        try:
            if repositories is None:
                return self(target)
            with bound_element(target, repositories, declared_types(self.TaskClass, self.config)) as element:
                return self(element)
        except (NoWorkFound, Exception) as error:
            if self.doRaise:
                raise
            self.lastError = error
            self._tell(error, target)
            return self._struct(None, _first(target), None, error)

    def _run_in_processes(
        self, targets: list[Any], parsedCmd: argparse.Namespace, repositories: Repositories | None, progress: Progress
    ) -> list[Any]:
        settings = None if repositories is None else repositories.settings
        levels = list(getattr(parsedCmd, "loglevels", ()))
        endings: dict[int, TargetEnding] = {}

        def each(index: int, result: Any) -> None:
            target = targets[index]
            match result:
                case Raised(error):
                    endings[index] = ending_of(target, error=error)
                    if self.doRaise:
                        raise error
                    self._tell(error, target)
                case Died():
                    endings[index] = ending_of(target, error=FatalError(result.reason))
                    self._mourn(target, result)
                case _:
                    endings[index] = result[1]
            progress.count()

        limit = TimeLimitError("not ended")
        try:
            results = work_through(
                [plain_element(target) for target in targets],
                min(self.numProcesses, len(targets)),
                prepare_process,
                (self, settings, levels),
                timeout_s=self.timeout,
                each=each,
            )
        finally:
            self.endings = [
                endings.get(index) or ending_of(target, error=limit, state=TargetState.ABORTED)
                for index, target in enumerate(targets)
            ]
        return [Struct(exitStatus=1) if isinstance(result, Died | Raised) else result[0] for result in results]

    def _mourn(self, target: Any, died: Died) -> None:
        text = f"Failed on {name_of(target)}: {died.reason}. Run this target alone, with -j 1, to see more."
        if self.doRaise:
            raise FatalError(text)
        self.log.critical(text)


class ButlerInitializedTaskRunner(TaskRunner):
    """A runner for tasks whose constructor takes a ``butler``."""

    def makeTask(self, parsedCmd: argparse.Namespace | None = None, args: Any = None) -> Any:
        """Make the task with ``butler=``: that of `parsedCmd` if given, else that of the reference in `args`.

        Raises
        ------
        RuntimeError
            If both are None.
        """
        if parsedCmd is not None:
            butler = parsedCmd.butler
        elif args is not None:
            butler = _bound_reference(args).getButler()
        else:
            raise RuntimeError("makeTask needs a butler: give it parsedCmd, or args with a data reference.")
        return self.TaskClass(config=self.config, log=self.log, butler=butler)


def _bound_reference(args: Any) -> DataRef:
    """Return the reference of a target, or the first of several."""
    reference = first_reference(args)
    if not hasattr(reference, "getButler"):
        raise UsageError(f"makeTask needs a data reference that is bound to a butler, not {reference!r}.")
    found: DataRef = reference
    return found


def _first(target: Any) -> Any:
    """Return the reference of a target, or the first of several."""
    return target[0] if isinstance(target, tuple | list) and target else target


def _told(error: BaseException) -> str:
    """Return type and text of an error, with its traceback unless it says all in its text."""
    text = f"{type(error).__name__}: {error}"
    if isinstance(error, TaskError | UnderbutlerError):
        return text
    return f"{text}\n{folded_traceback(error)}"
