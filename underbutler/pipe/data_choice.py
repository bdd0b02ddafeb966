"""What a command reads and where it writes: collections, RUN, output repository. Nothing is written here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from underbutler.butlers.data_ids import instruments as registered_instruments
from underbutler.butlers.data_ids import unknown_collection
from underbutler.errors import UnknownNameError, UsageError

if TYPE_CHECKING:
    from lsst.daf.butler import Butler

    from underbutler.butlers import Repositories

__all__ = ["check_run", "default_collections", "existing_collections", "refuse_remote_output"]


def existing_collections(butler: Butler, given: Sequence[str]) -> tuple[str, ...]:
    """Return the collections that were given.

    Raises
    ------
    UnknownNameError
        If one does not exist.
    """
    missing = [name for name in given if not _exists(butler, name)]
    if missing:
        raise unknown_collection(butler, missing)
    return tuple(given)


def default_collections(butler: Butler, repo: str, instruments: Iterable[str]) -> tuple[str, ...]:
    """Return the collections that are searched if none was given: raw and calib of the instruments involved.

    Parameters
    ----------
    butler
        It reads.
    repo
        Label of the repository.
    instruments
        Names of the instruments involved; empty: all.

    Raises
    ------
    UnknownNameError
        If an instrument does not exist.
    UsageError
        If there is none of these collections.
    """
    named = list(dict.fromkeys(instruments))
    known = registered_instruments(butler)
    for name in named:
        if name not in known:
            raise UnknownNameError.of("instrument", name, known, "Ingest its frames first.")
    wanted = [f"{name}/{kind}" for name in named or known for kind in ("raw", "calib")]
    found = tuple(name for name in wanted if _exists(butler, name))
    if wanted and not found:
        existing = sorted(butler.collections.query("*"))
        raise UsageError(
            f"The repository {repo!r} has none of the collections {', '.join(wanted)}. Name some with "
            f"--collections. Known: {', '.join(existing) or 'none'}."
        )
    return found


def check_run(output: Butler, run: str, own: str, *, must_be_new: bool) -> None:
    """Check a RUN collection that was named.

    Parameters
    ----------
    output
        Butler of the output repository.
    run
        Its name.
    own
        What the job's own would be called.
    must_be_new
        Whether it may not exist yet.

    Raises
    ------
    UsageError
        If the name is a collection of another kind, or must be new and exists.
    """
    if not run.strip() or any(character.isspace() or character in "*?," for character in run):
        raise UsageError(f"-o {run!r} is not a valid name of a RUN collection. Example: -o u/ann/try1.")
    if not _exists(output, run):
        return
    kind = output.collections.get_info(run).type.name
    if kind != "RUN":
        raise UsageError(f"-o {run}: this collection is {kind}, and outputs need a RUN. Name another, or leave -o out.")
    if must_be_new:
        raise UsageError(
            f"--clobber-config means a new RUN: {run!r} exists, and what is in it is never rewritten. Leave "
            f"out -o (the job then gets {own}), or name a RUN that does not exist."
        )


def refuse_remote_output(repositories: Repositories, out: str, repo: str) -> None:
    """Refuse an output that could not be written.

    Raises
    ------
    UsageError
        If `out` is a remote repository.
    """
    if repositories.is_remote(out):
        raise UsageError(
            f"The repository {out!r} is remote and read-only. Name a writeable one for the output: --out LABEL.",
            repo=repo,
            out=out,
        )


def _exists(butler: Butler, name: str) -> bool:
    from lsst.daf.butler import MissingCollectionError

    try:
        butler.collections.get_info(name)
    except MissingCollectionError:
        return False
    return True
