"""Making a repository: butler.yaml with our storage classes, registry, instruments, and its label in the index."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from underbutler.errors import ConflictError, UsageError
from underbutler.instruments.header_values import filter_name
from underbutler.instruments.instrument_map import InstrumentMap, shipped_dialects, shipped_maps

from .index import RepositoryIndex
from .places import place_of
from .translation import translate_butler_errors

if TYPE_CHECKING:
    from lsst.daf.butler import Butler, Config
    from lsst.resources import ResourcePath

    from underbutler.settings import Settings

__all__ = [
    "create_repository",
    "keep_map",
    "kept_map_file",
    "register_instrument",
    "repository_maps",
    "upgrade_config",
]

RAW = "raw"
RAW_DIMENSIONS = ("instrument", "detector", "exposure")
MAPS_FOLDER = "instruments"
"""Folder of a repository that keeps the instrument maps it was given."""

_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_LARGEST_ID = 2**62


def create_repository(
    root: str | Path,
    label: str,
    settings: Settings,
    instrument_maps: Sequence[InstrumentMap] = (),
    *,
    registry_url: str | None = None,
) -> str:
    """Make a repository and enter its label into the index. Either all of it stands after, or nothing.

    Parameters
    ----------
    root
        Folder, or URI of an object store's folder, that does not exist or is empty.
    label
        Label that it will be known by.
    settings
        Names the index.
    instrument_maps
        Maps of instruments to register; default the shipped ones.
    registry_url
        SQLAlchemy URL of the registry's database, e.g. ``postgresql+psycopg://…``; default a SQLite file in `root`. An
        object store needs one. Tables in that database stay when making the repository fails.

    Returns
    -------
    str
        URI of the repository.

    Raises
    ------
    UsageError
        If the label is taken or none, or if `root` is not empty.
    TransientError
        If the registry's database does not answer.
    """
    index = RepositoryIndex(settings.index_uri)
    _check_label(label, index)
    target = place_of(root, is_folder=True)
    maps = list(instrument_maps) or shipped_maps()
    making = _made_locally if target.isLocal else _made_remotely
    if not target.isLocal and registry_url is None:
        raise UsageError(
            f"{target} is not a local folder: give the registry a database, registry_url=postgresql+psycopg://…"
        )
    if target.isLocal and registry_url is None and _has_signs(target):
        raise UsageError(
            f"The path {target.ospath} has a '%' or '#', and the Butler cannot open a SQLite registry there: choose "
            "another folder.",
            root=target.ospath,
        )
    with making(target) as folder:
        _fill(folder, label, maps, registry_url)
    uri: str = target.ospath.rstrip("/") if target.isLocal and not _has_signs(target) else target.geturl()
    try:
        index.add(label, uri)
    except UsageError:
        if target.isLocal:
            shutil.rmtree(target.ospath, ignore_errors=Path(target.ospath).is_mount())  # the disk itself stays
        raise
    return uri


def register_instrument(butler: Butler, instrument: InstrumentMap) -> bool:
    """Register an instrument, its detectors and known filters, dataset type and collections. What exists stays.

    Returns
    -------
    bool
        Whether records are new, which butlers that are open do not see.

    Raises
    ------
    ConflictError
        If the repository knows the instrument otherwise.
    """
    from lsst.daf.butler import CollectionType, DatasetType
    from lsst.daf.butler.registry import ConflictingDefinitionError

    registry = butler.registry
    limits = {"detector_max": _LARGEST_ID, "exposure_max": _LARGEST_ID, "visit_max": _LARGEST_ID}
    name = instrument.name
    try:
        new = registry.syncDimensionData(
            "instrument", {"name": name, "class_name": "lsst.pipe.base.Instrument"} | limits
        )
        for one in instrument.detectors:
            record = {"instrument": name, "id": one.id, "full_name": one.name, "purpose": one.purpose}
            new = bool(registry.syncDimensionData("detector", record)) or new
        for physical_filter in ("unknown", *instrument.observation.bands):
            band = instrument.band(physical_filter)
            record = {"instrument": name, "name": filter_name(physical_filter), "band": band}
            new = bool(registry.syncDimensionData("physical_filter", record)) or new
    except ConflictingDefinitionError as error:
        raise ConflictError(
            f"The repository knows the instrument {name!r} with other detectors or filters than this map says: {error} "
            "Give the map another name, or correct it.",
            instrument=name,
        ) from error
    registry.registerDatasetType(DatasetType(RAW, RAW_DIMENSIONS, "RawFrame", universe=butler.dimensions))
    butler.collections.register(instrument.raw_collection, CollectionType.RUN)
    butler.collections.register(instrument.calib_collection, CollectionType.CALIBRATION)
    return bool(new)


def upgrade_config(root: str | Path) -> list[str]:
    """Add our storage classes and formatters to the butler.yaml of a repository that exists.

    Parameters
    ----------
    root
        Folder or URI of the repository.

    Returns
    -------
    list of str
        Names of the storage classes that were added; empty if it had all of them.

    Raises
    ------
    UsageError
        If there is no repository.
    """
    from lsst.daf.butler import Config

    file = place_of(root, is_folder=True).join("butler.yaml")
    if not file.exists():
        raise UsageError(f"There is no Butler repository at {root}: it has no butler.yaml.", root=str(root))
    present, ours = Config(file), _our_config()
    before = set(present["storageClasses"].keys()) if "storageClasses" in present else set()
    changed = present.copy()
    changed.update(ours)
    if changed != present:
        _write(file, str(changed))
    return sorted(set(ours["storageClasses"].keys()) - before)


def keep_map(root: str, instrument: InstrumentMap) -> None:
    """Keep an instrument map with a repository, so that a later ingest need not be given it."""
    import json

    _maps_folder(root).mkdir()
    _write(kept_map_file(root, instrument.name), json.dumps(instrument.to_json(), indent=1))


def kept_map_file(root: str, name: str) -> ResourcePath:
    """Return the file in which a repository keeps the map of an instrument, if it was given one."""
    return _maps_folder(root).join(f"{name}.json")


def repository_maps(root: str) -> list[InstrumentMap]:
    """Return the maps that a repository keeps, the shipped ones of other instruments, and those of any camera."""
    from lsst.resources import ResourcePath

    folder = _maps_folder(root)
    kept: dict[str, InstrumentMap] = {}
    if folder.exists():
        for file in sorted(ResourcePath.findFileResources([folder], file_filter=r"\.json$"), key=str):
            one = InstrumentMap.model_validate_json(file.read())
            kept[one.name] = one
    return [*kept.values(), *(one for one in shipped_maps() if one.name not in kept), *shipped_dialects()]


def _has_signs(target: ResourcePath) -> bool:
    """Tell whether a path has characters that the Butler reads as a URI's."""
    return bool({"%", "#"} & set(target.ospath))


def _check_label(label: str, index: RepositoryIndex) -> None:
    if not _LABEL.fullmatch(label):
        raise UsageError(
            f"The label {label!r} should be of letters, digits, '_', '.' and '-', beginning with a letter."
        )
    known = index.read(fresh=True)
    if label in known:
        raise index.taken(label, known[label])


@contextlib.contextmanager
def _made_locally(target: ResourcePath) -> Iterator[ResourcePath]:
    """Give a folder beside the target, or in it if it is a disk of its own; what fills it is moved to the target."""
    path = Path(target.ospath)
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise UsageError(f"{path} is not empty: a repository is made in a new or an empty folder.", root=str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    parent = path if path.is_mount() else path.parent
    partial = Path(tempfile.mkdtemp(dir=parent, prefix="repository-"))  # a dot would be taken for a format
    try:
        yield place_of(partial, is_folder=True)
        partial.chmod(0o755)
        if parent is path:
            # The config comes last: with it, it is a repository.
            for child in sorted(partial.iterdir(), key=lambda child: child.name == "butler.yaml"):
                child.replace(path / child.name)
            partial.rmdir()
        else:
            partial.replace(path)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


@contextlib.contextmanager
def _made_remotely(target: ResourcePath) -> Iterator[ResourcePath]:
    if target.join("butler.yaml").exists():
        raise UsageError(f"{target} is a repository already. Choose another place.", root=str(target))
    try:
        yield target
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            target.join("butler.yaml").remove()
        raise


def _fill(folder: ResourcePath, label: str, maps: Sequence[InstrumentMap], registry_url: str | None) -> None:
    from lsst.daf.butler import Butler

    config = _our_config()
    if not folder.isLocal:
        config["datastore", "root"] = folder.geturl()
    with translate_butler_errors(label):
        if registry_url is not None:
            config["registry", "db"] = _prepared_database(registry_url)
        Butler.makeRepo(folder, config=config, forceConfigRoot=folder.isLocal and registry_url is None)
        with Butler.from_config(folder, writeable=True) as butler:
            for one in maps:
                register_instrument(butler, one)
    for one in maps:
        keep_map(folder.geturl(), one)


def _prepared_database(url: str) -> str:
    """Return the URL with its driver said; a PostgreSQL database gets the extension that the Butler needs."""
    from sqlalchemy import create_engine, make_url, text
    from sqlalchemy.exc import ProgrammingError

    parsed = make_url(url)
    if parsed.get_backend_name() != "postgresql":
        return url
    if parsed.drivername == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
    engine = create_engine(parsed)
    try:
        with engine.begin() as connection:
            connection.execute(text("CREATE EXTENSION IF NOT EXISTS btree_gist"))
    except ProgrammingError as error:
        raise UsageError(
            f"The database {parsed.render_as_string()} lacks the extension btree_gist and this account may not add it: "
            "have its administrator run CREATE EXTENSION btree_gist there."
        ) from error
    finally:
        engine.dispose()
    return parsed.render_as_string(hide_password=False)


def _our_config() -> Config:
    from lsst.daf.butler import Config

    return Config.fromString((resources.files(__package__) / "config" / "repository.yaml").read_text())


def _maps_folder(root: str) -> ResourcePath:
    return place_of(root, is_folder=True).join(MAPS_FOLDER, forceDirectory=True)


def _write(file: ResourcePath, text: str) -> None:
    """Replace a file: a reader sees the old one or the new one."""
    if not file.isLocal:
        file.write(text.encode(), overwrite=True)
        return
    path = Path(file.ospath)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_text(text)
    partial.replace(path)
