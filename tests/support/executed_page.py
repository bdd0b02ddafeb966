"""A page of the documentation, run from top to bottom: its blocks do what the page says they do."""

from __future__ import annotations

import contextlib
import doctest
import io
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.support.command_line import CommandLine

__all__ = ["ExecutedPage"]

SAME = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
PORT = "8750"
"""Where a page's server listens; here on a free port."""

READY = {"serve": r"http://127\.0\.0\.1:(\d+)/runs", "up": r"Underbutler is (up), "}
"""Commands that a page leaves running, and what they say when they are ready."""

PATIENCE_S = 90.0


class ExecutedPage:
    """Runs ``python`` blocks in one namespace and ``console`` blocks by the command line of this process.

    What a ``python`` block prints is compared with the ``text`` block after it, what a command answers with what stands
    below it: ``...`` stands for anything, and blanks for blanks. A command without an answer may say anything.

    Parameters
    ----------
    path
        The page, in Markdown.
    underbutler
        The command line.
    folder
        Where the page is read: the working directory.
    more_words
        What is added to a command that is left running, by its name.
    """

    def __init__(
        self, path: Path, underbutler: CommandLine, folder: Path, more_words: Mapping[str, Sequence[str]] | None = None
    ) -> None:
        self.blocks: list[tuple[str, str]] = re.findall(
            r"^```(\w+)\n(.*?)^```$", path.read_text(), re.DOTALL | re.MULTILINE
        )
        self.name = path.name
        self.done = 0
        self._underbutler = underbutler
        self._folder = folder
        self._names: dict[str, Any] = {}
        self._port = PORT
        self._more_words = more_words or {}

    def run(self) -> int:
        """Run every block; return how many were run."""
        with contextlib.ExitStack() as running:
            for number, (language, block) in enumerate(self.blocks):
                if language == "python":
                    self._run_python(number, block)
                elif language == "console":
                    for words, answer in _commands(block):
                        self._run_command(words, answer, running)
                self.done += language in {"python", "console"}
        return self.done

    def _run_python(self, number: int, block: str) -> None:
        said = io.StringIO()
        code = compile(block.replace(PORT, self._port), f"{self.name}, block {number}", "exec")
        with contextlib.redirect_stdout(said):
            exec(code, self._names)
        language, expected = self.blocks[number + 1] if number + 1 < len(self.blocks) else ("", "")
        _check(said.getvalue().replace(self._port, PORT), expected if language == "text" else "", block)

    def _run_command(self, words: list[str], answer: str, running: contextlib.ExitStack) -> None:
        if words[0] == "export":
            name, _, value = words[1].partition("=")
            os.environ[name] = value.replace("$PWD", str(self._folder))
            return
        assert words[0] == "underbutler", words
        for command, ready in READY.items():
            if command in words:
                more = self._more_words.get(command, ())
                found = running.enter_context(self._left_running([*words[1:], *more], ready))
                self._port = found if found.isdigit() else self._port
                return
        told = self._underbutler(*_expanded(words[1:]))
        assert told.code == 0, told.out + told.err
        if answer:
            _check(told.out, answer, shlex.join(words))

    @contextlib.contextmanager
    def _left_running(self, words: list[str], ready: str) -> Iterator[str]:
        """Run a command in a process of its own until the page ends; Ctrl-C must end it well."""
        program = [sys.executable, "-c", "from underbutler.cli import main; main()", *words]
        program = ["0" if word == PORT else word for word in program]
        log = self._folder / f"{words[-1]}.log"
        with log.open("w") as errors:
            process = subprocess.Popen(program, stderr=errors)
        try:
            yield _said(process, log, ready)
            process.send_signal(signal.SIGINT)
            assert process.wait(PATIENCE_S) == 0, log.read_text()
        finally:
            process.kill()
            process.wait()


def _said(process: subprocess.Popen[bytes], log: Path, ready: str) -> str:
    """Wait until a process says that it is ready; return the group of what it says."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end and process.poll() is None:
        found = re.search(ready, log.read_text())
        if found is not None:
            return found[1]
        time.sleep(0.05)
    raise AssertionError(log.read_text())


def _commands(block: str) -> Iterator[tuple[list[str], str]]:
    """Yield the commands of a block, as words, with what they answer."""
    for part in re.split(r"^\$ ", block.replace("\\\n", ""), flags=re.MULTILINE)[1:]:
        command, _, answer = part.partition("\n")
        yield shlex.split(command), answer


def _expanded(words: list[str]) -> list[str | Path]:
    """Replace patterns of files by the files, as a shell does."""
    return [found for word in words for found in (sorted(Path().glob(word)) if "*." in word else [word])]


def _check(said: str, expected: str, of: str) -> None:
    checker = doctest.OutputChecker()
    example = doctest.Example(of, expected)
    assert checker.check_output(expected, said, SAME), checker.output_difference(example, said, SAME)
