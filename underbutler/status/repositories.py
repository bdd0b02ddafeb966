"""Repositories by their labels: their index, and how each of them is."""

from __future__ import annotations

from typing import Final

from underbutler.butlers.index import RepositoryIndex
from underbutler.errors import UsageError
from underbutler.redaction import redacted_text
from underbutler.settings import Settings

from .asking import Answer, NoAnswerError
from .findings import Finding, Gravity, PartState, State
from .registries import Registry

__all__ = ["indexed_labels", "known_labels", "repository_state"]

NAME: Final = "repositories"


def known_labels(settings: Settings) -> tuple[dict[str, str], Finding | None]:
    """Return labels and URIs, and what is wrong with their index, if anything."""
    try:
        return RepositoryIndex(settings.index_uri).read(), None
    except UsageError as error:
        cure = "Correct it, or UNDERBUTLER_REPOSITORY_INDEX."
        return {}, Finding(about=NAME, what=str(error), cure=cure, code=2)


def indexed_labels(
    settings: Settings, answer: Answer[tuple[dict[str, str], Finding | None]]
) -> tuple[dict[str, str], Finding | None]:
    """Return what `known_labels` answers, or that it does not."""
    try:
        return answer.get()
    except NoAnswerError as error:
        cure = "Look at that server or disk, or correct UNDERBUTLER_REPOSITORY_INDEX."
        where = redacted_text(settings.index_uri)
        return {}, Finding(about=NAME, what=f"The index of repositories {where} gives {error}.", cure=cure, code=3)


def repository_state(label: str, uri: str, index: str, answer: Answer[Registry]) -> tuple[PartState, Registry | None]:
    """Return how a repository is, and what it says."""
    name, where = f"repository {label}", redacted_text(uri)
    try:
        told = answer.get()
    except NoAnswerError as error:
        told = Registry(fault=f"gives {error}", cure="Look at that server or disk, and the network between.")
    if told.fault:
        finding = Finding(
            about=name,
            what=f"Repository {label!r} at {where} {told.fault}.",
            why=redacted_text(told.why),
            cure=told.cure.replace("{index}", index).replace("{label}", label),
            gravity=Gravity.NOTED if told.passing else Gravity.WRONG,
            code=3,
        )
        state = State.ANSWERS if told.passing else State.AWAY
        return PartState(name=name, state=state, told=where, address=where, findings=(finding,)), told
    if told.unasked:
        return PartState(name=name, state=State.UNKNOWN, told=f"{where}; {told.unasked}", address=where), told
    instruments = f"; {', '.join(told.instruments)}" if told.instruments else ""
    facts = {"instruments": list(told.instruments)}
    return PartState(name=name, state=State.ANSWERS, told=where + instruments, address=where, facts=facts), told
