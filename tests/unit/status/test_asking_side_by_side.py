"""Questions are asked side by side, and none is waited for longer than all may take."""

from __future__ import annotations

import threading

import pytest

from underbutler.status import asking
from underbutler.status.asking import Asking, NoAnswerError
from underbutler.status.findings import sentences


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "ANSWER_S", 0.1)


def test_one_that_hangs_leaves_the_answers_of_others() -> None:
    never = threading.Event()
    together = Asking()
    hangs = together.begin("hangs", never.wait)
    answers = together.begin("answers", lambda number: number + 1, 41)
    assert answers.get() == 42
    with pytest.raises(NoAnswerError, match=r"^no answer within \d\.\d s$"):
        hangs.get()
    with pytest.raises(NoAnswerError):
        together.begin("late", never.wait).get()
    never.set()


def test_an_error_is_raised_where_the_answer_is_wanted() -> None:
    def refuse() -> None:
        raise LookupError("no such thing")

    with pytest.raises(LookupError, match="no such thing"):
        Asking().begin("refuses", refuse).get()


def test_a_question_may_ask_others_and_wait_for_them() -> None:
    together = Asking()
    first = together.begin("first", lambda: 20)
    second = together.begin("second", lambda: together.begin("third", lambda: first.get() + 1).get() + 21)
    assert second.get() == 42


def test_an_error_parts_into_what_is_wrong_and_the_cure() -> None:
    text = "The broker at redis://h:1/0 does not answer (Error 111. Refused.). Start your Redis at h:1. Or wait."
    assert sentences(text) == (
        "The broker at redis://h:1/0 does not answer (Error 111. Refused.).",
        "Start your Redis at h:1. Or wait.",
    )
    assert sentences("One sentence of 1.5 s") == ("One sentence of 1.5 s", "")
