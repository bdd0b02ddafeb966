"""Fresh processes that share their imports: a server that has imported what is slow forks for each of them.

Importing the Butler takes 2 s of a core. A process here is as clean as one that is spawned: its server has done
nothing but import.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import sys
from functools import cache
from multiprocessing.context import ForkServerContext
from pathlib import Path

from tests.support.command_line import Said

__all__ = ["run_script", "warm_processes"]

IMPORTED = (
    "boto3",
    "celery",
    "tasks",
    "astropy.io.fits",
    "lsst.daf.butler",
    "lsst.pipe.base",
    "underbutler.butlers.ingest",
    "underbutler.butlers.repository",
    "underbutler.catalog.broker",
    "underbutler.catalog.database.insertion",
    "underbutler.context",
    "underbutler.migrations",
    "underbutler.pipe.worker_side",
    "underbutler.submission.submit",
)


@cache
def warm_processes() -> ForkServerContext:
    """Return where such processes are made; they have the environment of the first of them."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(IMPORTED))
    return context


def run_script(script: Path, *args: str, folder: Path, timeout: float) -> Said:
    """Run a script as ``python script args`` would, in a folder; what it says goes through two files there."""
    out, err = folder / "out.txt", folder / "err.txt"
    words = (str(script), args, str(folder), dict(os.environ), str(out), str(err))
    process = warm_processes().Process(target=_run, args=words)
    process.start()
    process.join(timeout)
    if process.is_alive():
        process.kill()
        process.join()
        raise TimeoutError(f"{script} takes longer than {timeout:g} s: {err.read_text()}")
    return Said(int(process.exitcode or 0), out.read_text(), err.read_text())


def _run(script: str, args: tuple[str, ...], folder: str, environment: dict[str, str], out: str, err: str) -> None:
    for number, name in ((1, out), (2, err)):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), number)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv[:] = [script, *args]
    sys.path.insert(0, str(Path(script).parent))
    runpy.run_path(script, run_name="__main__")
