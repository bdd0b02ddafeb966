"""What a site takes: memory and descriptors of its processes, rows of its records, files of its folders."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil
from sqlalchemy import func, inspect, select, table

from underbutler.embedded.guard import session_members
from underbutler.sql import read

if TYPE_CHECKING:
    from tests.support.drills.site import DrillSite

__all__ = ["Sizes", "sizes_of"]

MIB = 2**20


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """What was taken at one moment.

    Parameters
    ----------
    processes
        Main process, children, keeper, beat.
    memory
        What they have of their own, in MiB.
    descriptors
        Their open files and sockets.
    rows
        Of all tables of the records.
    files
        Outside of the repository, where each target leaves its datasets.
    """

    processes: int
    memory: float
    descriptors: int
    rows: int
    files: int

    def words_since(self, before: Sizes, targets: int) -> str:
        """Say what has grown while so many targets ended."""
        return (
            f"memory {self.memory - before.memory:+.1f} MiB of {self.memory:.0f}, "
            f"descriptors {self.descriptors - before.descriptors:+d} of {self.descriptors}, per target "
            f"{(self.rows - before.rows) / targets:.1f} rows and {(self.files - before.files) / targets:.2f} files"
        )


def sizes_of(site: DrillSite) -> Sizes:
    """Measure a site."""
    members = [member for worker in site.workers for member in worker.members()]
    members += [psutil.Process(pid) for sweeper in site.sweepers for pid in session_members(sweeper.pid)]
    memory = descriptors = 0
    for member in members:
        with suppress(psutil.NoSuchProcess):
            memory += member.memory_full_info().uss
            descriptors += member.num_fds()
    with read(site.context.engine) as connection:
        names = inspect(connection).get_table_names()
        rows = sum(connection.execute(select(func.count()).select_from(table(name))).scalar_one() for name in names)
    everything = sum(path.is_file() for path in site.home.rglob("*"))
    repository = sum(path.is_file() for path in (site.home / "repo").rglob("*"))
    return Sizes(
        processes=len(members),
        memory=memory / MIB,
        descriptors=descriptors,
        rows=rows,
        files=everything - repository,
    )
