"""Texts of strangers in a terminal: seen, never obeyed."""

from __future__ import annotations

import io
import logging
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

import underbutler
from tests.support.terminal_texts import shown
from underbutler.cli.runs.figure import Frame, figure_of_frame
from underbutler.cli.status.service import findings_view
from underbutler.embedded.commands import PrefixedLines
from underbutler.model.message import describe
from underbutler.status import Finding
from underbutler.telemetry.logs import claim_formatter, formatter
from underbutler.terminal import attempt_text, log_lines, target_text
from underbutler.terminal.consoles import PlainConsole
from underbutler.wording import visible

HOSTILE = "\x1b]0;owned\x07\x1b[2J\x9b2J\u202e[bold]x[/bold] :smile: [/no] \\[a]"
SEEN = "␛]0;owned␇␛[2J�2J�[bold]x[/bold] :smile: [/no] \\[a]"


def orders(text: str) -> set[str]:
    """Return the characters that a terminal may obey."""
    return set(re.findall("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text))


def table_of(*cells: Any) -> Table:
    table = Table("heading", title="title")
    for cell in cells:
        table.add_row(cell)
    return table


@pytest.mark.parametrize(
    "renderable",
    [
        HOSTILE,
        table_of(HOSTILE),
        table_of(table_of(HOSTILE)),
        Group(Padding(HOSTILE, (0, 0, 0, 2))),
        findings_view("Wrong:", [Finding(about="worker", what="w", why="y")], "red"),
    ],
    ids=lambda renderable: type(renderable).__name__,
)
def test_a_console_shows_what_a_terminal_would_obey(renderable: Any) -> None:
    text = shown(renderable, width=200)
    assert orders(text) == set()
    if not isinstance(renderable, Group) or "w" not in text:
        assert SEEN in text


def test_a_styled_text_is_not_obeyed_either() -> None:
    for renderable in (Text(HOSTILE, style="red"), table_of(Text(HOSTILE)), Text.assemble(("a", "bold"), HOSTILE)):
        text = shown(renderable, width=200)
        assert orders(text) == set()
        assert "[bold]x[/bold] :smile: [/no]" in text


def test_a_title_and_headings_keep_their_brackets() -> None:
    table = Table("underbutler[beat]", title="pip install 'underbutler[api]'")
    table.add_row("celery[redis]")
    text = shown(table, width=80)
    for words in ("underbutler[beat]", "underbutler[api]", "celery[redis]"):
        assert words in text


def test_colours_of_ours_are_kept() -> None:
    file = io.StringIO()
    PlainConsole(file=file, force_terminal=True, width=80, color_system="standard").print(f"x{HOSTILE}", style="red")
    assert file.getvalue().startswith("\x1b[31m")
    assert "\x1b]" not in file.getvalue()


def test_no_other_console_is_made_and_no_markup_read() -> None:
    found = [
        str(path)
        for path in Path(underbutler.__file__).parent.rglob("*.py")
        if path.name != "consoles.py"
        and re.search(r"\bConsole\(|from_markup|markup=True|^from rich import print", path.read_text())
    ]
    assert found == []


def test_lines_of_a_log_are_not_obeyed() -> None:
    log = f"2026-11-19T00:00:00Z [info] task: {HOSTILE}\nprinted {HOSTILE}\n"
    assert not any(orders(line.text) for line in log_lines(log))
    claim = SimpleNamespace(
        claim_no=1, end="died", reason=HOSTILE, worker=HOSTILE, pid=3, started_at=0.0, ended_at=1.0, id="x"
    )
    target = SimpleNamespace(
        ordinal=0,
        id="0" * 32,
        argsrepr=HOSTILE,
        state=SimpleNamespace(value="failed"),
        error_type="E",
        error_text=HOSTILE,
    )
    for text in (target_text(target, 1), attempt_text(claim, [claim], log, "trace")):  # type: ignore[arg-type]
        assert orders(re.sub(r"\x1b\[[0-9;]*m", "", text)) == set()
        assert "␛]0;owned" in text


@pytest.mark.parametrize("make", [formatter, claim_formatter])
def test_what_is_logged_is_not_obeyed(make: Any) -> None:
    record = logging.LogRecord("task", logging.INFO, __file__, 1, "OBJECT is %s", (HOSTILE,), None)
    assert orders(make().format(record)) == set()


def test_lines_of_the_stack_keep_colours_alone(capsys: pytest.CaptureFixture[str]) -> None:
    PrefixedLines()("worker", f"\x1b[31mred\x1b[0m {HOSTILE}")
    said = capsys.readouterr().err
    assert orders(said.replace("\x1b[31m", "").replace("\x1b[0m", "")) == set()


def test_fields_of_flower_hold_no_orders() -> None:
    reference = {"data_id": {"instrument": HOSTILE, "exposure": 3}}
    for text in (*describe((reference, {"note": HOSTILE})), *describe(([reference, reference], {}))):
        assert orders(text) == set()


def test_a_field_called_like_mathematics_is_drawn() -> None:
    image = np.arange(20.0).reshape(4, 5)
    frame = Frame("$x^{$", "\\frac$", image, {}, 0.0, is_picture=False)
    figure = figure_of_frame(frame, f"$\\bad {HOSTILE}", "0" * 32)
    figure.canvas.draw()


def test_ends_of_lines_and_letters_stay() -> None:
    assert visible("a\tb\nμ é 𝛼 ␛ \x1b") == "a\tb\nμ é 𝛼 ␛ ␛"
