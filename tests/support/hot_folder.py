"""A camera that writes its frames slowly, in pieces, and under other names than they end with."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Self

__all__ = ["SlowWriter"]


class SlowWriter:
    """Writes copies of files into a folder beside the block, and is waited for at its end.

    Parameters
    ----------
    files
        What is written, in this order.
    folder
        Where.
    pieces
        In how many pieces each file is written.
    pause_s
        Seconds between two pieces.
    """

    def __init__(self, files: Sequence[Path], folder: Path, *, pieces: int, pause_s: float) -> None:
        self._files, self._folder, self._pieces, self._pause_s = files, folder, pieces, pause_s
        self._hurry = threading.Event()
        self._thread = threading.Thread(target=self._write, name="slow-writer", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join()

    def _write(self) -> None:
        for number, source in enumerate(self._files):
            body = source.read_bytes()
            # Every second one under another name first, as programs do that rename when they are ready.
            path = self._folder / (source.name if number % 2 else f"{source.name}.part")
            size = -(-len(body) // self._pieces)
            with path.open("wb") as file:
                for begin in range(0, len(body), size):
                    file.write(body[begin : begin + size])
                    file.flush()
                    self._hurry.wait(self._pause_s)
            if number % 2 == 0:
                path.rename(self._folder / source.name)
