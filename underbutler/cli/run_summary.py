"""What is printed when targets were run in this process: how each ended, the RUN collection, the files in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from underbutler.model.job import TargetState

if TYPE_CHECKING:
    import argparse

    from underbutler.butlers.outputs import WrittenFiles
    from underbutler.pipe import TaskRunner
    from underbutler.pipe.running.target_ending import TargetEnding

__all__ = ["RunSummary"]


class RunSummary:
    """What is printed when the block is over, however it ends."""

    def __init__(self) -> None:
        self.endings: list[TargetEnding] = []
        self._run = ""
        self._files: list[WrittenFiles] = []

    def __enter__(self) -> RunSummary:
        return self

    def __exit__(self, *_: object) -> None:
        if not self.endings:
            return
        from underbutler.terminal import files_table, stdout_console, targets_table

        console = stdout_console()
        console.print(targets_table(self.endings))
        if self._run:
            console.print(f"RUN {self._run}", soft_wrap=True)
        if self._files:
            console.print(files_table(self._files), soft_wrap=True)

    @property
    def n_bad(self) -> int:
        """Number of targets that failed or did not end, as an exit code."""
        from underbutler.pipe.cmdline_task import EXIT_LIMIT

        bad = sum(one.state in (TargetState.FAILED, TargetState.ABORTED) for one in self.endings)
        return min(bad, EXIT_LIMIT)

    def take(self, parsed_cmd: argparse.Namespace, runner: TaskRunner, *, stays: bool = True) -> None:
        """Keep what there is to say, while the butlers are open; of the RUN collection only if it stays."""
        from underbutler.butlers.outputs import written_files

        self.endings = list(runner.endings)
        if self.endings and stays:
            self._run = parsed_cmd.run
            self._files = written_files(parsed_cmd.butler, parsed_cmd.run, runner.TaskClass.datasetTypes)
