"""Runs the command line without its cold start: a process that has imported everything forks for each command.

Importing the Butler takes 2 s of a core, and the acceptance tests call a hundred commands. Each of these still is a
process of its own, with the environment, the exit code and the output that it would have; only its imports are shared.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

IMPORTED = (
    "boto3",
    "tasks",
    "lsst.daf.butler",
    "lsst.pipe.base",
    "astropy.io.fits",
    "underbutler.butlers.repository",
    "underbutler.butlers.ingest",
    "underbutler.catalog.broker",
    "underbutler.context",
    "underbutler.migrations",
    "underbutler.pipe.worker_side",
    "underbutler.submission.submit",
    "underbutler.sweeper.sweeping",
    "underbutler.terminal.tables",
)


class WarmCommands:
    """The process that forks; it ends with the one that started it, or when it is closed."""

    def __init__(self) -> None:
        self.path = os.environ.get("PYTHONPATH")
        self._turn = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    def run(self, args: list[str], env: dict[str, str], timeout: float) -> tuple[int, str, str]:
        """Run one command; return exit code, output and error output.

        Raises
        ------
        subprocess.TimeoutExpired
            If it takes longer; then it has been killed.
        """
        assert self._turn.acquire(blocking=False), "one command at a time: `Site.run_cold` runs beside another"
        with ExitStack() as last, TemporaryDirectory() as folder:
            last.callback(self._turn.release)
            out, err = Path(folder, "out"), Path(folder, "err")
            self._say({"args": args, "env": env, "out": str(out), "err": str(err), "cwd": str(Path.cwd())})
            pid = self._hear()["pid"]
            killer = threading.Timer(timeout, os.kill, (pid, signal.SIGKILL))
            began = time.monotonic()
            killer.start()
            try:
                code = self._hear()["code"]
            finally:
                killer.cancel()
            if code == -signal.SIGKILL and time.monotonic() - began >= timeout:
                raise subprocess.TimeoutExpired(args, timeout, out.read_text(), err.read_text())
            return code, out.read_text(), err.read_text()

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)

    def _say(self, words: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(words) + "\n")
        self._process.stdin.flush()

    def _hear(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the process that forks commands is gone"
        heard: dict[str, Any] = json.loads(line)
        return heard


def _fork(words: dict[str, Any], answers: int) -> int:
    """Run one command in a child, and return its exit code as `subprocess` has it."""
    pid = os.fork()
    if pid == 0:
        os.close(answers)
        _child(words)
    os.write(answers, json.dumps({"pid": pid}).encode() + b"\n")
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)


def _child(words: dict[str, Any]) -> None:
    import atexit
    import traceback

    from underbutler.cli import main

    for number, name in ((0, os.devnull), (1, words["out"]), (2, words["err"])):
        os.dup2(os.open(name, os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), number)
    os.environ.clear()
    os.environ.update(words["env"])
    os.chdir(words["cwd"])
    sys.argv[:] = ["underbutler", *words["args"]]
    code: Any = 0
    try:
        main()
    except SystemExit as end:
        code = end.code or 0
    except BaseException:  # noqa: BLE001 - what the interpreter would do
        traceback.print_exc()
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _serve() -> None:
    """Fork for every line of standard input, until it ends."""
    import importlib

    commands = importlib.import_module("underbutler.cli.main")._COMMANDS
    answers = os.dup(1)
    os.dup2(2, 1)
    for name in (*IMPORTED, *(one.partition(":")[0] for one in commands.values())):
        importlib.import_module(name, "underbutler.cli")
    for line in sys.stdin:
        code = _fork(json.loads(line), answers)
        os.write(answers, json.dumps({"code": code}).encode() + b"\n")


if __name__ == "__main__":
    _serve()
