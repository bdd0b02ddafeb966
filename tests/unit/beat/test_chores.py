"""A chore of beat: one at a time, in one thread, cut when beat ends."""

from __future__ import annotations

import threading

from beat.chores import Chore, Stopped


def test_a_running_chore_is_left_out_and_begun_again_later() -> None:
    release, runs = threading.Semaphore(0), []

    def work(_stopped: Stopped) -> None:
        runs.append(threading.get_ident())
        release.acquire()

    chore = Chore("test", work)
    assert chore.begin()
    assert not chore.begin(), "it still runs"
    release.release()
    assert chore.wait(10)
    assert chore.begin()
    release.release()
    assert chore.wait(10)
    assert len(runs) == 2
    assert len(set(runs)) == 1, "one thread does it all"
    assert threading.get_ident() not in runs
    assert chore.stop(10)


def test_a_chore_that_raises_is_begun_again() -> None:
    runs = []

    def work(_stopped: Stopped) -> None:
        runs.append(1)
        raise ArithmeticError("this time")

    chore = Chore("test", work)
    for _ in range(2):
        assert chore.begin()
        assert chore.wait(10)
    assert runs == [1, 1]


def test_a_chore_hears_that_beat_ends_and_none_begins_after() -> None:
    heard, begun = threading.Event(), threading.Event()

    def work(stopped: Stopped) -> None:
        begun.set()
        while not stopped():
            heard.wait(0.01)
        heard.set()

    chore = Chore("test", work)
    assert chore.begin()
    assert begun.wait(10)
    assert chore.stop(10)
    assert heard.is_set()
    assert not chore.begin()


def test_a_chore_that_hangs_does_not_keep_beat() -> None:
    release = threading.Event()
    chore = Chore("test", lambda _stopped: release.wait(30))
    assert chore.begin()
    assert not chore.stop(0.01)
    release.set()


def test_what_was_never_begun_ends_at_once() -> None:
    assert Chore("test", lambda _stopped: None).stop(0)
