"""Fresh processes that share their imports: a server that has imported what is slow forks for each of them.

Importing the Butler takes 2 s of a core, and what a worker needs 4 s. A process here is as clean as one that is
spawned: its server has done nothing but import. It leads a session of its own, has the environment, the folder and the
output that it is given, and an exit code.
"""

from __future__ import annotations

import atexit
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from multiprocessing.context import ForkServerContext
from pathlib import Path

from tests.support.command_line import Said
from underbutler.embedded.guard import kill_session
from underbutler.embedded.process import Guard

__all__ = ["MODULE", "WarmProcess", "WarmService", "run_script", "warm_processes"]

IMPORTED = (
    "boto3",
    "celery.bin.celery",
    "celery.apps.worker",
    "celery.concurrency.prefork",
    "celery.worker.consumer",
    "tasks.make_calib",
    "tasks.process_ccd",
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
    "underbutler.sweeper.sweeping",
    "underbutler.terminal.tables",
)
MODULE = "-m"


@cache
def warm_processes() -> ForkServerContext:
    """Return where such processes are made; they have the environment of the first of them."""
    from underbutler.cli.main import _COMMANDS

    commands = {f"underbutler.cli{one.partition(':')[0]}" for one in _COMMANDS.values()}
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*IMPORTED, *sorted(commands)])
    return context


class WarmProcess:
    """A program that runs, with the words that `subprocess.Popen` has for one.

    Parameters
    ----------
    words
        A script, or ``-m`` and a module, and its arguments.
    environment
        The whole environment.
    folder
        Its working folder.
    out, err
        Files that take what it says; without `err` both go into `out`.
    """

    def __init__(
        self, words: Sequence[str], environment: Mapping[str, str], folder: Path, out: Path, err: Path | None = None
    ) -> None:
        self.args = list(words)
        said = str(out), str(err or out)
        self._process = warm_processes().Process(target=_run, args=(self.args, dict(environment), str(folder), *said))
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    @property
    def returncode(self) -> int | None:
        """Exit code, negative for a signal; None while it runs."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """Return its exit code, or None while it runs."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end, and return its exit code.

        Raises
        ------
        subprocess.TimeoutExpired
            If it takes longer.
        """
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        """Send a signal, if it still runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Kill it, and leave what it has started."""
        self.send_signal(signal.SIGKILL)

    def kill_session(self) -> None:
        """Kill it with all that it has started."""
        self.send_signal(signal.SIGKILL)
        kill_session(self.pid)
        self._process.join()


class WarmService(WarmProcess):
    """The same, with the words of `underbutler.embedded.process.Process`.

    Parameters
    ----------
    words, environment, folder, out
        As there; what it says goes into one file.
    guard
        Told of it, so that nothing of it outlives a test run that is killed.
    """

    def __init__(
        self, words: Sequence[str], environment: Mapping[str, str], folder: Path, out: Path, guard: Guard | None = None
    ) -> None:
        super().__init__(words, environment, folder, out)
        self.log = out
        self._guard = guard
        if guard is not None:
            guard.add(self.pid)

    @property
    def exit_code(self) -> int | None:
        """Exit code, negative for a signal; None while it runs."""
        return self.poll()

    def wait_until(self, ready: Callable[[], bool], timeout_s: float) -> None:
        """Wait until `ready` says so.

        Raises
        ------
        RuntimeError
            If it ended before, or was not ready in time.
        """
        deadline = time.monotonic() + timeout_s
        while not ready():
            if self.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{self.args} did not get ready (exit code {self.poll()})")
            time.sleep(0.05)

    def kill(self) -> None:
        """Kill it with all that it has started."""
        self.kill_session()

    def stop(self, patience_s: float = 10.0) -> int:
        """Ask it to end, wait, then kill what is left of it; return its exit code."""
        self.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.wait(patience_s)
        self.kill_session()
        if self._guard is not None:
            self._guard.forget(self.pid)
        return self.wait()


def run_script(script: Path, *args: str, folder: Path, timeout: float) -> Said:
    """Run a script as ``python script args`` would, in a folder; what it says goes through two files there."""
    out, err = folder / "out.txt", folder / "err.txt"
    process = WarmProcess([str(script), *args], os.environ, folder, out, err)
    try:
        code = process.wait(timeout)
    except subprocess.TimeoutExpired:
        raise TimeoutError(f"{script} takes longer than {timeout:g} s: {err.read_text()}") from None
    finally:
        process.kill_session()
    return Said(code, out.read_text(), err.read_text())


def _run(words: list[str], environment: dict[str, str], folder: str, out: str, err: str) -> None:
    """Become a program: what the interpreter does at its beginning and at its end."""
    os.setsid()
    multiprocessing.current_process().name = "MainProcess"
    for number, name in ((0, os.devnull), (1, out), (2, err)):
        if number == 2 and err == out:
            os.dup2(1, 2)
            continue
        os.dup2(os.open(name, os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), number)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    os.chdir(folder)
    code: object = 0
    try:
        _become(words, environment.get("PYTHONPATH", ""), folder)
    except SystemExit as end:
        code = end.code
    except BaseException:  # noqa: BLE001 - what the interpreter would do
        sys.excepthook(*sys.exc_info())  # type: ignore[arg-type]
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    if code is not None and not isinstance(code, int):
        print(code, file=sys.stderr)  # noqa: T201 - as the interpreter does
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code or 0)


def _become(words: list[str], path: str, folder: str) -> None:
    if words[0] == MODULE:
        _, name, *args = words
        sys.argv[:] = [name, *args]
        sys.path[:0] = [folder, *filter(None, path.split(os.pathsep))]
        runpy.run_module(name, run_name="__main__", alter_sys=True)
        return
    sys.argv[:] = words
    sys.path[:0] = [str(Path(words[0]).parent), *filter(None, path.split(os.pathsep))]
    runpy.run_path(words[0], run_name="__main__")
