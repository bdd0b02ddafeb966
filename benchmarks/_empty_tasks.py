"""Tasks that do nothing, so that all that is left is the cost of Underbutler around them."""

from __future__ import annotations

from pathlib import Path

from lsst.pex.config import Config

from underbutler import CmdLineTask

PLAIN = "benchEmpty"
BARE = "benchBare"


class EmptyTask(CmdLineTask):
    """Do nothing; the frame of the task puts its metadata."""

    ConfigClass = Config
    _DefaultName = PLAIN

    def runDataRef(self, dataRef: object) -> None:  # noqa: N802, N803 - seed spelling
        """Do nothing."""


class BareTask(EmptyTask):
    """Do nothing and put nothing, metadata neither."""

    _DefaultName = BARE

    def _getMetadataName(self) -> None:  # noqa: N802 - seed spelling
        return None


def install(folder: Path) -> None:
    """Register the tasks as a distribution of their own in a folder of ``sys.path``."""
    info = folder / "bench_tasks-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: bench-tasks\nVersion: 1.0\n")
    names = {PLAIN: EmptyTask, BARE: BareTask}
    lines = [f"{name} = {kind.__module__}:{kind.__qualname__}" for name, kind in names.items()]
    (info / "entry_points.txt").write_text("[underbutler.tasks]\n" + "\n".join(lines) + "\n")
