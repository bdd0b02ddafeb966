"""The page on reading runs: its blocks run from top to bottom, and say what the page says they do."""

from __future__ import annotations

import contextlib
import doctest
import io
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from catalog_night import night
from command_line import CommandLine

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "read-a-run.md"
PORT = "8750"
SAME = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def blocks() -> list[tuple[str, str]]:
    """Return languages and contents of the page's blocks."""
    return re.findall(r"^```(\w+)\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)


def check(said: str, expected: str, of: str) -> None:
    """Compare what a block has said with the page; ``...`` stands for anything, and blanks for blanks."""
    checker = doctest.OutputChecker()
    example = doctest.Example(of, expected)
    assert checker.check_output(expected, said, SAME), checker.output_difference(example, said, SAME)


def commands(block: str) -> Iterator[tuple[list[str], str]]:
    """Yield the commands of a block, as words, with what they answer."""
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, _, answer = part.partition("\n")
        yield shlex.split(command), answer


@contextlib.contextmanager
def serving(words: list[str]) -> Iterator[str]:
    """Serve runs by a process of its own, which a Ctrl-C ends well; give the port."""
    program = [sys.executable, "-c", "from underbutler.cli import main; main()", *words[1:]]
    program[program.index(PORT)] = "0"
    server = subprocess.Popen(program, stderr=subprocess.PIPE, text=True)
    try:
        assert server.stderr is not None
        said = server.stderr.readline()
        found = re.search(r"http://127\.0\.0\.1:(\d+)/runs", said)
        assert found is not None, said + server.stderr.read()
        yield found[1]
        server.send_signal(signal.SIGINT)
        assert server.wait(30) == 0, server.stderr.read()
    finally:
        server.kill()
        server.wait()


def test_every_block_of_the_page_does_what_the_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    night(tmp_path / ".demo", side=256)
    underbutler = CommandLine(capsys)
    names: dict[str, Any] = {}
    port, done = PORT, 0
    found = blocks()
    with contextlib.ExitStack() as servers:
        for number, (language, block) in enumerate(found):
            if language == "python":
                said = io.StringIO()
                with contextlib.redirect_stdout(said):
                    exec(compile(block.replace(PORT, port), f"{PAGE.name}, block {number}", "exec"), names)
                after = found[number + 1] if number + 1 < len(found) else ("", "")
                check(said.getvalue().replace(port, PORT), after[1] if after[0] == "text" else "", block)
            elif language == "console":
                for words, answer in commands(block):
                    if "serve" in words:
                        port = servers.enter_context(serving(words))
                        continue
                    told = underbutler(*words[1:])
                    assert told.code == 0, told.err
                    check(told.out, answer, shlex.join(words))
            done += language in {"python", "console"}
    assert done >= 15
    for name in ("processCcd-496bbfb7-fwhm.png", "sources.png", "frame.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
