"""Catalogues by name: YAML files of sources, as databroker's users have them.

.. code-block:: yaml

    sources:
      night:
        driver: bluesky-msgpack-catalog        # or bluesky-jsonl-catalog, underbutler
        args:
          paths: ["{{ CATALOG_DIR }}/night/*.msgpack"]
          root_map: {"/data": "data"}          # relative to the folder of this file
"""

from __future__ import annotations

import os
import re
import sys
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from underbutler.errors import UnknownNameError, UsageError, suggest

__all__ = ["SourceError", "broker_arguments", "catalog_search_path"]

_FILES: Final = frozenset({"jsonl", "msgpack"})
_DRIVERS: Final = {
    "jsonl": "jsonl",
    "bluesky-jsonl-catalog": "jsonl",
    "databroker._drivers.jsonl.BlueskyJSONLCatalog": "jsonl",
    "msgpack": "msgpack",
    "bluesky-msgpack-catalog": "msgpack",
    "databroker._drivers.msgpack.BlueskyMsgpackCatalog": "msgpack",
    "underbutler": "underbutler",
}
_OPTIONS: Final = frozenset({"handler_registry", "root_map", "filler_class", "transforms", "name"})
_INTAKES: Final = frozenset({"auth", "getenv", "getshell", "storage_options", "metadata", "persist_mode", "ttl"})
"""Arguments of intake that mean nothing here."""


class SourceError(UsageError, ValueError):
    """A source in a YAML file cannot be understood."""


def catalog_search_path() -> tuple[str, ...]:
    """Return the folders in which catalogues are looked up by name, whether or not they exist.

    Ours and intake's of the user, then intake's of the Python environment: what databroker finds there is found too.

    Returns
    -------
    directories
        Absolute paths; what comes first wins.
    """
    data = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    home = Path(os.environ.get("UNDERBUTLER_HOME") or data / "underbutler").expanduser().absolute()
    return str(home / "catalogs"), str(data / "intake"), str(Path(sys.prefix) / "share" / "intake")


def broker_arguments(name: str) -> dict[str, Any]:
    """Return the arguments of the `Broker` that a source of this name describes.

    Raises
    ------
    UnknownNameError
        If no file describes it.
    SourceError
        If its description cannot be understood.
    """
    found = [(path, source) for path, one, source in _sources() if one == name]
    if not found:
        raise UnknownNameError.of(
            "catalogue",
            name,
            {one for _, one, _ in _sources()},
            f"Describe it under `sources:` in a .yml file in one of {', '.join(catalog_search_path())}.",
        )
    path, source = found[0]
    if len(found) > 1:
        warnings.warn(
            f"A catalogue {name!r} is described more than once, and {path} is taken: also in "
            f"{', '.join(str(other) for other, _ in found[1:])}.",
            stacklevel=3,
        )
    return _arguments(name, path, source)


def _sources() -> Iterator[tuple[Path, str, Mapping[str, Any]]]:
    """Yield the sources of all files: file, name, description."""
    for folder in catalog_search_path():
        for path in sorted([*Path(folder).glob("*.yml"), *Path(folder).glob("*.yaml")]):
            try:
                content = yaml.safe_load(path.read_text(encoding="utf-8"))
            except (OSError, ValueError, yaml.YAMLError) as error:
                warnings.warn(f"{path} is left out, it is not YAML: {error}", stacklevel=4)
                continue
            sources = content.get("sources") if isinstance(content, dict) else None
            for name, source in (sources if isinstance(sources, dict) else {}).items():
                yield path, str(name), source if isinstance(source, dict) else {}


def _arguments(name: str, path: Path, source: Mapping[str, Any]) -> dict[str, Any]:
    driver = source.get("driver")
    if isinstance(driver, list):
        driver = driver[0] if driver else None
    if driver not in _DRIVERS:
        raise SourceError(
            f"The source {name!r} in {path} has the driver {driver!r}, which is not known here."
            f"{suggest(str(driver), _DRIVERS)} Known: {', '.join(_DRIVERS)}. Runs of other stores are read after an "
            "export with suitcase-jsonl or suitcase-msgpack.",
            name=name,
            driver=driver,
        )
    kind = _DRIVERS[driver]
    for key, value in {"args": source.get("args"), "metadata": source.get("metadata")}.items():
        _check_mapping(value, key, name, path)
    given = _filled(source.get("args") or {}, path)
    for key in ("root_map", "handler_registry", "transforms"):
        _check_mapping(given.get(key), key, name, path)
    place = given.pop("paths" if kind in _FILES else "place", None)
    unknown = given.keys() - _OPTIONS - _INTAKES
    if place is None or unknown:
        reason = f"has an argument {min(unknown)!r} that is not known" if unknown else "does not say where the runs are"
        raise SourceError(
            f"The source {name!r} in {path} {reason}. Its args are {'paths' if kind in _FILES else 'place'} and "
            f"{', '.join(sorted(_OPTIONS))}.",
            name=name,
        )
    arguments = {key: given[key] for key in given.keys() & _OPTIONS}
    if arguments.get("root_map"):
        arguments["root_map"] = {root: _in_folder(where, path) for root, where in arguments["root_map"].items()}
    metadata = {**(source.get("metadata") or {}), "catalog_dir": str(path.parent)}
    return {"name": name, **arguments, "place": _place(place, path), "metadata": metadata}


def _check_mapping(value: object, key: str, name: str, path: Path) -> None:
    if value is not None and not isinstance(value, dict):
        raise SourceError(
            f"The source {name!r} in {path} has {value!r} as {key}. Write a mapping: `{key}: {{…}}`.",
            name=name,
            key=key,
        )


def _place(place: Any, path: Path) -> Any:
    if isinstance(place, list):
        return [_in_folder(one, path) for one in place]
    return _in_folder(place, path)


def _in_folder(where: Any, path: Path) -> str:
    """Return a path that may be relative to the folder of a file."""
    text = str(where)
    return text if "://" in text else str(path.parent / Path(text).expanduser())


def _filled(value: Any, path: Path) -> Any:
    """Put in what intake's templates stand for: ``{{ CATALOG_DIR }}`` and ``{{ env(NAME) }}``."""
    if isinstance(value, dict):
        return {key: _filled(item, path) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, path) for item in value]
    if isinstance(value, str):
        return re.sub(r"\{\{(.*?)\}\}", lambda found: _meant(found[1].strip(), path), value)
    return value


def _meant(template: str, path: Path) -> str:
    if template == "CATALOG_DIR":
        return str(path.parent)
    variable = re.fullmatch(r"env\((?:\"|')?(\w+)(?:\"|')?\)", template)
    if variable and variable[1] in os.environ:
        return os.environ[variable[1]]
    reason = f"the variable {variable[1]} is not set" if variable else "only CATALOG_DIR and env(NAME) are"
    raise SourceError(f"{{{{ {template} }}}} in {path} is not understood: {reason}.", path=str(path))
