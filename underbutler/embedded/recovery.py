"""Bringing back what an embedded S3 server has forgotten: every announced object, out of the Butler.

A program of its own beside a running stack, ``python -m underbutler.embedded.recovery``: the stack is up meanwhile, and
``underbutler status`` counts what is still missing by the file that is written here.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

from underbutler.context import ServiceContext
from underbutler.errors import UnderbutlerError
from underbutler.settings import Settings, load_settings
from underbutler.sweeper.annex_check import FindingKind, check_annex
from underbutler.telemetry import logs
from underbutler.wording import counted

__all__ = ["announced_objects", "bring_back", "note_missing"]

_GONE = {FindingKind.OBJECT_MISSING, FindingKind.OBJECT_DIFFERS}


def announced_objects(settings: Settings) -> int:
    """Return how many objects the records say are in the annex."""
    with ServiceContext(settings) as context:
        return context.jobs.deliveries.count()


def bring_back(settings: Settings, say: Callable[[str], None]) -> int:
    """Deliver again from the Butler what the annex lacks, and note how much is still missing.

    Parameters
    ----------
    settings
        Those of the running stack.
    say
        Called with one sentence at the end.

    Returns
    -------
    left
        How many objects could not be brought back.

    Raises
    ------
    TransientError
        If records, annex or a repository's database are away. The file then says what was still missing.
    """
    with ServiceContext(settings) as context:
        total = context.jobs.deliveries.count()
        lost: set[str] = set()
        looked = 0

        def note(count: int) -> None:
            nonlocal looked
            looked = count
            note_missing(settings.recovery_file, total=total, missing=total - looked + len(lost))

        note(0)
        back = 0
        for finding in check_annex(context, repair=True, progress=note):
            if finding.kind in _GONE:
                back += finding.repaired
                if not finding.repaired:
                    lost.add(finding.url)
        note(total)
    cure = " Ask why: `underbutler annex verify`." if lost else ""
    say(f"{counted(back, 'object is', 'objects are')} back in the annex, {len(lost)} could not be brought back.{cure}")
    return len(lost)


def note_missing(path: Path, *, total: int, missing: int, pid: int | None = None) -> None:
    """Note for ``underbutler status`` how many of all announced objects are missing, and who brings them back."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps({"pid": pid or os.getpid(), "total": total, "missing": missing}))
    draft.replace(path)


def main() -> int:
    """Bring back, in a process of its own; return its exit status."""
    logs.configure("WARNING")  # one line for all, not one for each object
    try:
        bring_back(load_settings(), lambda text: print(text, flush=True))  # noqa: T201 - its owner reads it
    except UnderbutlerError as error:
        print(f"What the annex lacks is not brought back now: {error}", flush=True)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
