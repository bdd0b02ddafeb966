"""The workers' own app, with one more task that only says that it ran."""

from __future__ import annotations

import os
from pathlib import Path

from workers.celery import app

__all__ = ["app"]


@app.task(name="say", takes_any_message=True, ignore_result=True)
def say(word: str, folder: str) -> None:
    """Say a word."""
    with (Path(folder) / f"said-{os.getpid()}").open("a") as file:
        file.write(f"{word}\n")
