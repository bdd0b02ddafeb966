"""``underbutler ingest --watch``: a folder is watched until Ctrl-C."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click

from underbutler.errors import UsageError
from underbutler.terminal import stderr_console

from .session import open_records

__all__ = ["watch_folder"]


def watch_folder(
    folder: Path,
    label: str,
    *,
    then: str | None,
    words: Sequence[str],
    map_file: Path | None,
    still_s: float,
    poll: bool,
) -> None:
    """Watch a folder until Ctrl-C or SIGTERM, and say then what was done.

    Raises
    ------
    UsageError
        If there is no such folder, another process watches it, or the words for the task are wrong.
    """
    from underbutler.broker import make_app
    from underbutler.butlers import load_instrument_map
    from underbutler.hot_folder.submitting import Submitting, check_words
    from underbutler.hot_folder.watching import HotFolder, only_watcher

    folder = folder.resolve()
    if words and then is None:
        raise UsageError(f"{words[0]!r}: with --watch no files are named. Words for a task need --then TASK.")
    if then is not None:
        check_words(then, label, words)
    with open_records(may_make=True) as context, only_watcher(context.settings, folder, label), _asked_to_end() as stop:
        if context.repositories.is_remote(label):
            raise UsageError(f"The repository {label!r} is remote and read-only. Ingest where it is.")
        submitting = None
        if then is not None:
            app = make_app(context.settings)
            submitting = Submitting(context, app, task=then, label=label, words=words, folder=str(folder))
        hot = HotFolder(
            folder,
            label,
            context.repositories,
            _say,
            submitting,
            None if map_file is None else load_instrument_map(map_file),
            still_s=still_s,
            polling=True if poll else None,
        )
        hot.watch(stop)
        if submitting is not None and submitting.left_aside:
            _say(
                f"{submitting.left_aside} frames came into the repository days ago: whether they were submitted is not "
                f"known any more. Submit what is missing: underbutler submit {then} {label} --id exposure=…"
            )
    click.echo(f"Stopped. {hot.tally}. Started again it goes on: no frame comes in twice.")


@contextmanager
def _asked_to_end() -> Iterator[threading.Event]:
    """Yield an event that Ctrl-C and SIGTERM set, instead of ending the process in the middle of a frame."""
    stop = threading.Event()
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _say(text: str) -> None:
    stderr_console().print(text, soft_wrap=True, highlight=False, markup=False)
