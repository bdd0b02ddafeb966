"""One server process: started in a session of its own, ready when it really answers, stopped for certain."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Self

from underbutler.errors import TransientError

from . import guard as guard_program
from .guard import kill_session, session_members

__all__ = ["Guard", "Process", "ProcessFailedError", "free_port"]

TAIL_LINES = 30
"""So many last lines of a process are kept for the text of an error."""


class ProcessFailedError(TransientError):
    """A server process did not start, or ended by itself."""


class Guard:
    """Kills the sessions of the processes it watches when this program ends without having stopped them.

    It also ends with ``SIGKILL`` of this program: it waits for the end of a pipe, which the kernel closes.
    """

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(guard_program.__file__), "watch"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        """Process id of the guard."""
        return self._process.pid

    def add(self, pid: int) -> None:
        """Watch the session that ``pid`` leads."""
        self._tell(f"+{pid}")

    def forget(self, pid: int) -> None:
        """Watch the session of ``pid`` no longer: it was ended in order."""
        self._tell(f"-{pid}")

    def close(self) -> None:
        """End the guard, and whatever it still watches."""
        if self._process.stdin is not None and not self._process.stdin.closed:
            self._process.stdin.close()
        self._process.wait(timeout=10)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def _tell(self, line: str) -> None:
        if self._process.stdin is None or self._process.poll() is not None:
            return  # somebody killed the guard; the processes are still stopped in order
        try:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            return


class Process:
    """A server program and everything it starts.

    Parameters
    ----------
    name
        What people call it, in texts and as a prefix of its lines.
    command
        Program and arguments.
    environment
        The whole environment; default that of this process.
    directory
        Working folder; default that of this process.
    log_file
        Its output is written here too, in place of what an earlier one wrote.
    on_line
        Called with each line of its output, from a thread.
    guard
        Told of the process, so that its children cannot outlive this program either.
    user
        Name of the account that it runs as, when this process is root; default the same as this process.

    Notes
    -----
    The kernel's parent-death signal belongs to the *thread* that starts the process: start servers from a thread that
    lives as long as they should.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        environment: Mapping[str, str] | None = None,
        directory: Path | None = None,
        log_file: Path | None = None,
        on_line: Callable[[str], None] | None = None,
        guard: Guard | None = None,
        user: str | None = None,
    ) -> None:
        self.name = name
        self.command = [str(word) for word in command]
        self._guard = guard
        self._on_line = on_line
        self._log_file = log_file
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)
        # Another user may not be allowed to read this interpreter, and a change of user clears the death signal anyway.
        wrapper = [] if user else [sys.executable, "-I", "-S", str(guard_program.__file__), "exec", str(os.getpid())]
        self._popen = subprocess.Popen(
            [*wrapper, *self.command],
            env=None if environment is None else dict(environment),
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
            user=user,
            group=user,
            extra_groups=[] if user else None,
        )
        if guard is not None:
            guard.add(self.pid)
        self._pump = threading.Thread(target=self._read, name=f"{name}-output", daemon=True)
        self._pump.start()

    @property
    def pid(self) -> int:
        """Process id; also the id of its session and its process group."""
        return self._popen.pid

    @property
    def exit_code(self) -> int | None:
        """Exit code, negative for a signal; ``None`` while it runs."""
        return self._popen.poll()

    @property
    def tail(self) -> str:
        """The last lines that it wrote."""
        return "\n".join(self._tail)

    def wait_until(self, ready: Callable[[], bool], timeout_s: float) -> None:
        """Wait until ``ready`` says so.

        Raises
        ------
        ProcessFailedError
            The process ended, or was not ready in time: with its last lines. It is stopped then.
        """
        deadline = time.monotonic() + timeout_s
        while not ready():
            if self.exit_code is not None:
                raise self.failure()
            if time.monotonic() > deadline:
                self.stop(patience_s=1)
                raise ProcessFailedError(
                    f"{self.name} did not answer within {timeout_s:g} s. Its last lines:\n{self.tail}", name=self.name
                )
            time.sleep(0.05)

    def failure(self) -> ProcessFailedError:
        """Return the error that says how the process ended by itself. It has ended, and its children are ended here."""
        code = self._popen.wait()
        self.stop()
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        return ProcessFailedError(
            f"{self.name} {how}. Its last lines:\n{self.tail or '(it wrote nothing)'}", name=self.name, exit_code=code
        )

    def stop(self, patience_s: float = 10.0, by: signal.Signals = signal.SIGTERM) -> int:
        """Ask the process to end, wait, then kill its whole session. Stopping twice does nothing.

        Parameters
        ----------
        patience_s
            Time that it gets to end by itself.
        by
            The signal that asks.

        Returns
        -------
        int
            Its exit code, negative for a signal.
        """
        if self._popen.poll() is None:
            self._popen.send_signal(by)
            try:
                self._popen.wait(timeout=patience_s)
            except subprocess.TimeoutExpired:
                kill_session(self.pid)
        code = self._popen.wait()
        while session_members(self.pid):
            kill_session(self.pid)
            time.sleep(0.01)
        if self._guard is not None:
            self._guard.forget(self.pid)
        self._pump.join(timeout=5)
        return code

    def kill(self) -> None:
        """Kill the whole session now; `stop` still has to be called. May be called from a signal handler."""
        if self._popen.returncode is None:
            kill_session(self.pid)

    def _read(self) -> None:
        stream = self._popen.stdout
        if stream is None:
            raise AssertionError("it is started with a pipe")
        with ExitStack() as closing:
            lines = closing.enter_context(stream)
            log = (
                closing.enter_context(self._log_file.open("w", buffering=1, encoding="utf-8"))
                if self._log_file
                else None
            )
            for raw in lines:  # whatever happens to the readers: a full pipe would stop the process
                line = raw.rstrip("\n")
                self._tail.append(line)
                if log:
                    with suppress(OSError):
                        log.write(line + "\n")
                if self._on_line:
                    with suppress(OSError, ValueError):  # a terminal that is gone, a stream that is closed
                        self._on_line(line)


def free_port() -> int:
    """Return a loopback TCP port that nothing listens on, below the range the kernel gives to outgoing connections."""
    while True:
        port = random.randrange(20000, 32000)  # noqa: S311 - not a secret
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
