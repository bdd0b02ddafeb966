"""Objects named by a string: ``package.module.Name``."""

from __future__ import annotations

import importlib

from underbutler.errors import UsageError, suggest

__all__ = ["ImportPathError", "ModuleMissingError", "NameMissingError", "load_object"]


class ImportPathError(UsageError, ValueError):
    """A string does not have the form ``package.module.Name``."""


class ModuleMissingError(UsageError, ModuleNotFoundError):
    """No module has the name that an import path begins with."""


class NameMissingError(UsageError, AttributeError):
    """A module does not hold the name that an import path ends with."""


def load_object(path: str, purpose: str) -> object:
    """Return what an import path names.

    Parameters
    ----------
    path
        ``package.module.Name``.
    purpose
        For whom it is, in the words of an error: ``the handler of spec 'AD_TIFF'``.

    Raises
    ------
    ImportPathError
        If the path has no dot.
    ModuleMissingError
        If the module does not exist. What a module that exists raises when it is imported is not changed.
    NameMissingError
        If the module does not hold that name.
    """
    module_name, _, name = path.rpartition(".")
    if not module_name or not name:
        raise ImportPathError(
            f"{path!r} is not an import path of {purpose}. Write 'package.module.Name', or give the object itself.",
            path=path,
        )
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise
        raise ModuleMissingError(
            f"{path!r}, {purpose}, cannot be imported: there is no module {error.name!r}. Install its package, or "
            "correct the path.",
            path=path,
        ) from error
    try:
        return getattr(module, name)
    except AttributeError as error:
        raise NameMissingError(
            f"{path!r}, {purpose}, cannot be imported: module {module_name!r} has no {name!r}."
            f"{suggest(name, dir(module))}",
            path=path,
        ) from error
