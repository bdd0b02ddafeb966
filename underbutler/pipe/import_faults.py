"""Why what an entry point names does not load: the error whole, its place in the author's code, and the cure."""

from __future__ import annotations

import re
import traceback
from importlib.metadata import EntryPoint
from typing import Final

from underbutler.telemetry.tracebacks import folded_traceback, shows_own_frames

__all__ = ["told_of_import"]

_MOVED: Final = {
    **dict.fromkeys(("ArgumentParser", "ButlerInitializedTaskRunner", "CmdLineTask", "TaskRunner"), "underbutler"),
    **dict.fromkeys(("ConfigDatasetType", "DataIdContainer", "DatasetArgument"), "underbutler.pipe"),
    "timeMethod": "lsst.utils.timer",
}
"""Names that Gen2 had in `lsst.pipe.base`, and where they are now."""

_GONE: Final = {
    "lsst.daf.persistence": "Gen2's butler is no more: what it gave, a data reference and its butler give "
    "(dataRef.get, dataRef.getButler()).",
    "lsst.obs.base": "Gen2's mappers are no more: an instrument is described by a map, and a task declares its "
    "datasetTypes.",
}


def told_of_import(error: BaseException, point: EntryPoint) -> str:
    """Return why an entry point does not load, in one sentence with its cure; below it the author's own frames."""
    kind, text = type(error).__name__, " ".join(str(error).split()) or "no text"
    sentence = f"{point.value}: {kind}: {text.rstrip('.')}. {_cure(error, point)}"
    return f"{sentence}\n{folded_traceback(error)}" if _is_in_its_code(error, point) else sentence


def _cure(error: BaseException, point: EntryPoint) -> str:
    owner = point.dist.name if point.dist else "its distribution"
    if isinstance(error, ImportError) and error.name:
        return _cure_of_import(error, point, owner)
    if isinstance(error, AttributeError) and not _is_in_its_code(error, point):
        return f"{point.module} has no such name: correct the entry point {point.name!r} of {owner}."
    if isinstance(error, SystemExit):
        return "The module ends the process when it is imported: put that below `if __name__ == '__main__'`."
    if isinstance(error, SyntaxError) and error.filename:
        return f"Correct {error.filename}, line {error.lineno}."
    return f"The error is raised when {point.module} is imported: correct it there."


def _cure_of_import(error: ImportError, point: EntryPoint, owner: str) -> str:
    name = str(error.name)
    if not isinstance(error, ModuleNotFoundError):
        moved = [old for old in _MOVED if f"'{old}'" in str(error)]
        if name == "lsst.pipe.base" and moved:
            return f"Write {_imports([*moved, *_beside(error)])}."
        return f"{name} has no such name: another version of it is installed than {owner} was written for."
    if _is_within(name, point.module):
        return f"There is no such module: correct the entry point {point.name!r} of {owner}, or install {owner} again."
    gone = next((gone for gone in _GONE if _is_within(gone, name)), None)
    return f"Install what {owner} needs: the package that has {name}." if gone is None else _GONE[gone]


def _beside(error: ImportError) -> list[str]:
    """Return the names that have moved too, of the line that imports them."""
    frames = traceback.extract_tb(error.__traceback__)
    line = frames[-1].line if frames else None
    return re.findall(r"\w+", line or "")


def _imports(names: list[str]) -> str:
    by_home: dict[str, list[str]] = {}
    for name in dict.fromkeys(name for name in names if name in _MOVED):
        by_home.setdefault(_MOVED[name], []).append(name)
    return " and ".join(f"`from {home} import {', '.join(moved)}`" for home, moved in by_home.items())


def _is_in_its_code(error: BaseException, point: EntryPoint) -> bool:
    if isinstance(error, ModuleNotFoundError) and error.name and _is_within(error.name, point.module):
        return False
    return shows_own_frames(error)


def _is_within(name: str, module: str) -> bool:
    """Tell whether a name is that of a module, or of a package that holds it."""
    return module == name or module.startswith(f"{name}.")
