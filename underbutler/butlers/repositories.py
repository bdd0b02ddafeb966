"""The repositories of this process: one factory per label and mode, made after the fork, closed at shutdown."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from underbutler import metrics
from underbutler.errors import UnknownNameError, UsageError
from underbutler.model.dataref import DataRef
from underbutler.telemetry.logs import get_logger

from .bound import BoundDataRef, PutJournal, bind
from .calibration_cache import CalibrationCache
from .hot_journal import roll_back
from .index import RepositoryIndex
from .kept_maps import KeptMaps
from .translation import translate_butler_errors

if TYPE_CHECKING:
    from lsst.daf.butler import Butler, DimensionUniverse, LabeledButlerFactory

    from underbutler.instruments.instrument_map import InstrumentMap
    from underbutler.settings import Settings

__all__ = ["Repositories", "delegated"]

_log = get_logger(__name__)

_access_token: ContextVar[str | None] = ContextVar("access_token", default=None)


@contextlib.contextmanager
def delegated(access_token: str | None) -> Iterator[None]:
    """Open remote repositories with this token inside the block, where no other is given: in this thread alone."""
    before = _access_token.set(access_token)
    try:
        yield
    finally:
        _access_token.reset(before)


@dataclass
class _Process:
    """What belongs to one process and must not cross a fork."""

    pid: int = field(default_factory=os.getpid)
    lock: threading.RLock = field(default_factory=threading.RLock)
    factories: dict[tuple[str, bool], tuple[str, LabeledButlerFactory]] = field(default_factory=dict)
    remote: dict[str, bool] = field(default_factory=dict)


class Repositories:
    """Butlers by label, ready in milliseconds.

    Every label has a `LabeledButlerFactory` of its own for reading and one for writing, so that `rebuild` makes only
    that label pay. They are made at first use: a child process that inherits this object makes its own, and leaves the
    inherited connections alone.

    Parameters
    ----------
    settings
        Names the index of repositories, and bounds the calibration cache.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.index = RepositoryIndex(settings.index_uri)
        self.calibrations = CalibrationCache(settings.calibration_cache_bytes)
        self._maps = KeptMaps()
        self._process = _Process()
        self._inherited: list[_Process] = []

    def labels(self) -> list[str]:
        """Return the labels of the index, sorted."""
        return sorted(self.index.read())

    @contextlib.contextmanager
    def butler(
        self,
        label: str,
        *,
        writeable: bool = False,
        run: str | None = None,
        collections: Sequence[str] = (),
        access_token: str | None = None,
    ) -> Iterator[Butler]:
        """Open a butler, and close it after.

        Parameters
        ----------
        label
            Label of the repository, from the index.
        writeable
            Whether it may be written.
        run
            RUN collection that is written.
        collections
            Collections that are searched.
        access_token
            Delegated token; a remote repository needs one.

        Raises
        ------
        UnknownNameError
            If the index does not hold the label.
        UsageError
            If the repository is not where the index says, or is remote and cannot be opened this way.
        TransientError
            If the registry's database does not answer.
        """
        began = time.monotonic()
        opened = self._create(label, writeable, access_token)
        try:
            if run is not None or collections:
                with translate_butler_errors(label):  # a RUN is looked up, or registered
                    clone = opened.clone(run=run, collections=tuple(collections), inferDefaults=False)
                template, opened = opened, clone
                template.close()
            metrics.BUTLER_OPEN_SECONDS.observe(time.monotonic() - began, repo=label)
            yield opened
        finally:
            opened.close()

    @contextlib.contextmanager
    def open(
        self,
        ref: DataRef,
        *,
        journal: PutJournal | None = None,
        declared: Mapping[str, Any] | None = None,
        access_token: str | None = None,
    ) -> Iterator[BoundDataRef]:
        """Bind a reference to butlers of this process, and close them after.

        Parameters
        ----------
        ref
            The reference. It is writeable when it names a RUN.
        journal
            Is told of every output before it is written, and after.
        declared
            The dataset types that the task declares, by name; None allows every registered one.
        access_token
            Delegated token for a remote `repo`.

        Raises
        ------
        UsageError
            If `repo` is remote and the reference has a RUN but no writeable `out`.
        """
        self.check_writeable(ref)
        writeable = ref.run is not None
        with contextlib.ExitStack() as stack:
            out = stack.enter_context(self.butler(ref.out, writeable=writeable, run=ref.run, access_token=access_token))
            read = out
            if ref.repo != ref.out:
                read = stack.enter_context(self.butler(ref.repo, access_token=access_token))
            yield bind(
                ref,
                out,
                read_butler=read,
                journal=journal,
                cache=self.calibrations,
                declared=declared,
                on_missing_record=self.rebuild,
                instrument_map=self.instrument_map,
            )

    def instrument_map(self, label: str, instrument: str) -> InstrumentMap | None:
        """Return the map of an instrument: the one that the repository keeps, else the one that ships, else None.

        It is read again when its file has changed.
        """
        return self._maps.get(self.uri(label), instrument, is_remote=self.is_remote(label))

    def check_writeable(self, ref: DataRef) -> None:
        """Refuse a reference whose outputs could not be written.

        Raises
        ------
        UsageError
            If its `out` is a remote repository.
        """
        if ref.run is not None and self.is_remote(ref.out):
            raise UsageError(
                f"The repository {ref.out!r} is remote and read-only. Give the reference a "
                f"writeable repository for its outputs: out=LABEL, one of {', '.join(self._writeable_labels())}.",
                repo=ref.repo,
                out=ref.out,
            )

    def is_remote(self, label: str) -> bool:
        """Tell whether a label is a Butler server's."""
        from lsst.daf.butler import ButlerConfig

        uri = self.uri(label)
        process = self._current()
        with process.lock:
            if uri not in process.remote:
                with _opening(label, uri):
                    process.remote[uri] = ButlerConfig(uri).get_butler_type().name == "REMOTE"
            return process.remote[uri]

    def universe(self, label: str) -> DimensionUniverse:
        """Return the dimension universe of a repository."""
        with self.butler(label) as butler:
            return butler.dimensions

    def rebuild(self, label: str) -> None:
        """Forget what is cached of one label: its next butler sees instruments, detectors and filters added since.

        Butlers that are open keep working, with what they know.
        """
        process = self._current()
        with process.lock:
            for writeable in (False, True):
                _, factory = process.factories.pop((label, writeable), ("", None))
                if factory is not None:
                    factory.close()
        _log.info("butler_factory_rebuilt", repo=label)

    def close(self) -> None:
        """Close every factory of this process. Called at the process's shutdown; it may be used again after."""
        process = self._current()
        with process.lock:
            while process.factories:
                _, (_, factory) = process.factories.popitem()
                factory.close()
        self.calibrations.clear()

    def __enter__(self) -> Repositories:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _current(self) -> _Process:
        if self._process.pid != os.getpid():
            # Kept, so that no collector closes a connection whose other end is the parent's.
            self._inherited.append(self._process)
            self._process = _Process()
            self.calibrations = CalibrationCache(self.settings.calibration_cache_bytes)
        return self._process

    def uri(self, label: str) -> str:
        """Return the URI of a repository.

        Raises
        ------
        UnknownNameError
            If the index does not hold the label.
        """
        known = self.index.read()
        if label not in known:
            known = self.index.read(fresh=True)
        if label not in known:
            raise UnknownNameError.of(
                "repository",
                label,
                known,
                _how_to_call(label, known, str(self.index.uri)),
            )
        return known[label]

    def _writeable_labels(self) -> list[str]:
        return [label for label in self.labels() if not self.is_remote(label)] or ["none is known"]

    def _create(self, label: str, writeable: bool, access_token: str | None) -> Butler:
        uri = self.uri(label)
        with _opening(label, uri):
            roll_back(uri)
            return self._factory(label, uri, writeable).create_butler(
                label, access_token=access_token or _access_token.get()
            )

    def _factory(self, label: str, uri: str, writeable: bool) -> LabeledButlerFactory:
        from lsst.daf.butler import LabeledButlerFactory

        process = self._current()
        with process.lock:
            known_uri, factory = process.factories.get((label, writeable), ("", None))
            if factory is None or known_uri != uri:
                if factory is not None:
                    factory.close()
                factory = LabeledButlerFactory({label: uri}, writeable=writeable)
                process.factories[label, writeable] = (uri, factory)
            return factory


@contextlib.contextmanager
def _opening(label: str, uri: str) -> Iterator[None]:
    """Translate what goes wrong when a repository is opened."""
    try:
        with translate_butler_errors(label, uri):
            yield
    except FileNotFoundError as error:
        raise UsageError(
            f"The repository {label!r} is not at {uri}: {error}. Correct its entry in the index, or make it again with "
            f"`underbutler repo create DIR --label {label}`.",
            label=label,
            uri=uri,
        ) from error
    except ValueError as error:
        if "Access token" not in str(error):
            raise
        raise UsageError(
            f"The repository {label!r} is remote and needs an access token: submit with --access-token-file PATH.",
            label=label,
            uri=uri,
        ) from error


def _how_to_call(label: str, known: Mapping[str, str], index: str) -> str:
    """Say what to write in place of a label that is not known: also of a path, as Gen2 had it."""
    if "/" not in label:
        return f"They come from {index}; make one with `underbutler repo create DIR --label {label}`."
    place = Path(label).expanduser().absolute()
    for name, uri in known.items():
        if Path(str(uri).removeprefix("file://")).absolute() == place:
            return f"A repository is called by its label: this one is {name!r}."
    return f"A repository is called by its label. If there is one at {label}, add a line `LABEL: {label}` to {index}."
