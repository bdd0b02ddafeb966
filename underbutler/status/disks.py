"""Disks of this machine: where the home, the records, scratch and local repositories are, and what is free there."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from underbutler.settings import Settings
from underbutler.sql import parse_url
from underbutler.wording import size_text

from .findings import Finding, Gravity, PartState, State

__all__ = ["Disk", "ask_disks", "disks_state"]

NAME: Final = "disk"
FULL_BYTES: Final = 64 * 2**20
"""A disk on which less is free is full, in bytes: the records alone may need more in a night."""
LOW_SHARE: Final = 0.03
"""A disk of which less is free is nearly full."""
LOW_BYTES: Final = 5 * 2**30
"""… unless as much as this is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """A file system of this machine.

    Parameters
    ----------
    uses
        What it holds, in words.
    folder
        One folder of it.
    free_bytes, size_bytes
        What is free for this user, of what there is.
    wanted_bytes
        With less it is full.
    """

    uses: tuple[str, ...]
    folder: Path
    free_bytes: int
    size_bytes: int
    wanted_bytes: int


def ask_disks(settings: Settings, repositories: Mapping[str, Path]) -> tuple[Disk, ...]:
    """Ask what is free.

    Parameters
    ----------
    settings
        Where home, records and scratch are.
    repositories
        Local folders of repositories, by label.
    """
    places: dict[str, Path] = {"home": settings.home, "scratch": settings.scratch_folder}
    records = parse_url(settings.records_url)
    if records.drivername == "sqlite" and records.database:
        places["records"] = Path(records.database).parent
    places |= {f"repository {label}": folder for label, folder in repositories.items()}
    found: dict[int, list[tuple[str, Path]]] = {}
    for use, wanted in places.items():
        folder = next((one for one in (wanted, *wanted.parents) if one.is_dir()), None)
        if folder is not None:
            found.setdefault(folder.stat().st_dev, []).append((use, folder))
    return tuple(_disk(settings, uses) for uses in found.values())


def disks_state(disks: tuple[Disk, ...]) -> PartState:
    """Return how full the disks are."""
    told = "; ".join(f"{size_text(disk.free_bytes)} free for {', '.join(disk.uses)}" for disk in disks)
    facts = {
        str(disk.folder): {"uses": list(disk.uses), "free_bytes": disk.free_bytes, "size_bytes": disk.size_bytes}
        for disk in disks
    }
    findings = tuple(finding for disk in disks for finding in _findings(disk))
    return PartState(name=NAME, state=State.ANSWERS, told=told, findings=findings, facts=facts)


def _disk(settings: Settings, uses: list[tuple[str, Path]]) -> Disk:
    folder = uses[0][1]
    usage = shutil.disk_usage(folder)
    names = tuple(use for use, _ in uses)
    wanted = max(FULL_BYTES, settings.scratch_min_bytes) if "scratch" in names else FULL_BYTES
    return Disk(uses=names, folder=folder, free_bytes=usage.free, size_bytes=usage.total, wanted_bytes=wanted)


def _findings(disk: Disk) -> Iterator[Finding]:
    uses = " and ".join([", ".join(disk.uses[:-1]), disk.uses[-1]] if len(disk.uses) > 1 else disk.uses)
    free = f"{size_text(disk.free_bytes)} of {size_text(disk.size_bytes)} are free"
    cure = f"Free space there: `df -h {disk.folder}`, `du -xsh {disk.folder}/*`."
    if disk.free_bytes < disk.wanted_bytes:
        yield Finding(
            about=NAME,
            what=f"The disk of {uses} is full: {free} at {disk.folder}.",
            why=f"At least {size_text(disk.wanted_bytes)} are needed: workers take nothing, and nothing is recorded."
            if "scratch" in disk.uses
            else f"At least {size_text(disk.wanted_bytes)} are needed.",
            cure=cure,
        )
    elif disk.free_bytes < min(LOW_BYTES, LOW_SHARE * disk.size_bytes):
        what = f"The disk of {uses} is nearly full: {free} at {disk.folder}."
        yield Finding(about=NAME, what=what, cure=cure, gravity=Gravity.NOTED)
