"""The certified masters of a repository, and which of them each frame gets.

One CALIBRATION collection holds at most one master of a detector at a time, and a camera that is set in several ways
has several. Those of one setting stand in ``{instrument}/calib``; others in collections below it, one for each setting.
All of them are searched where ``{instrument}/calib`` is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from underbutler.errors import UnderbutlerError
from underbutler.instruments.instrument_map import InstrumentMap
from underbutler.instruments.master_choice import Choice, FrameFacts, Master, choose_master
from underbutler.instruments.readout import FramePart
from underbutler.instruments.setups import Setup, read_setup
from underbutler.model.dataref import DataIdValue

from .calibration_cache import CalibrationCache
from .frame_headers import FrameHeader, facts_of, frame_facts, frame_headers
from .translation import translate_butler_errors

if TYPE_CHECKING:
    from lsst.daf.butler import Butler, DataCoordinate, DatasetRef, Timespan

__all__ = [
    "SETUP_CARD",
    "Masters",
    "calib_collections",
    "choose_for",
    "chosen_for",
    "seconds_of",
    "setup_label",
    "setup_words",
    "unmapped",
    "validity_text",
]

SETUP_CARD = "UBSETUP"
"""Card of a master's header that holds how the camera was set: ``shape=1040x1392 gain=100 seconds=300 bias=no``."""

Key = tuple[DataIdValue, ...]
MapOf = Callable[[str], InstrumentMap | None]
"""Returns the map of an instrument."""


def chosen_for(
    masters: Masters,
    name: str,
    frame: DataCoordinate,
    raw: DatasetRef | None,
    instrument: InstrumentMap | None,
    *,
    has_bias: bool,
) -> Choice:
    """Choose the master of one frame, which may be of another collection than the masters.

    Parameters
    ----------
    masters
        The masters.
    name
        Dataset type.
    frame
        Data ID of the frame, with dimension records.
    raw
        The raw frame; None: only the time is known.
    instrument
        Map of its instrument, or None.
    has_bias
        Whether the bias is subtracted from the frame.
    """
    known = instrument or unmapped(str(frame["instrument"]))
    parts: tuple[FramePart, ...] = ()
    if raw is not None:
        (header,) = frame_headers(masters.butler, [raw])
        parts = header.own_parts(known)
    return masters.choose(name, frame.mapping, facts_of(frame, parts, known), known, has_bias=has_bias)


def setup_words(setup: Setup, *, seconds: float | None = None, without_bias: bool | None = None) -> str:
    """Return what a master's card ``UBSETUP`` holds."""
    words = [setup.to_words()]
    words += [] if seconds is None else [f"seconds={seconds:.10g}"]
    words += [] if without_bias is None else [f"bias={'no' if without_bias else 'yes'}"]
    return " ".join(word for word in words if word)


def seconds_of(words: str) -> float | None:
    """Return the exposure time that the card ``UBSETUP`` says; None if it says none."""
    found = dict(word.split("=", 1) for word in words.split() if "=" in word)
    return float(found["seconds"]) if "seconds" in found else None


def setup_label(words: str) -> str:
    """Return the short name of a setting, for the name of a collection: ``1040x1392_bin2x2_gain100_300s``."""
    seconds = seconds_of(words)
    label = Setup.from_words(words).label
    return label if seconds is None else f"{label}_{seconds:g}s"


def calib_collections(butler: Butler, collections: Sequence[str]) -> list[str]:
    """Return the collections with those below each ``{instrument}/calib`` after it."""
    below = [name for name in collections if name.endswith("/calib")]
    if not below:
        return list(collections)
    from lsst.daf.butler import CollectionType

    known = sorted(butler.collections.query([f"{name}/*" for name in below], CollectionType.CALIBRATION))
    found: list[str] = []
    for name in collections:
        found += [name, *(one for one in known if name in below and one.startswith(f"{name}/"))]
    return list(dict.fromkeys(found))


def choose_for(
    masters: Masters, frames: Iterable[FrameHeader], names: Mapping[str, bool], map_of: MapOf
) -> list[dict[str, Choice]]:
    """Choose the masters of many frames.

    Parameters
    ----------
    masters
        The masters.
    frames
        Headers of the frames, as `frame_headers` reads them.
    names
        Dataset types of the masters that are wanted: ``bias``, ``dark``, ``flat``. The value says whether the bias is
        subtracted from the frames, which a dark that is scaled needs.
    map_of
        Returns the map of an instrument.

    Returns
    -------
    choices
        For each frame, by dataset type.
    """
    answers: list[dict[str, Choice]] = []
    for frame in frames:
        data_id = dict(frame.ref.dataId.mapping)
        instrument = map_of(str(data_id["instrument"])) or unmapped(str(data_id["instrument"]))
        facts = frame_facts(frame, instrument)
        answers.append(
            {
                name: masters.choose(name, data_id, facts, instrument, has_bias=has_bias)
                for name, has_bias in names.items()
            }
        )
    return answers


class Masters:
    """The masters in some collections; each is looked at once.

    Parameters
    ----------
    butler
        Butler of the repository.
    label
        Its label, for errors.
    collections
        What is searched, in this order; below ``{instrument}/calib`` too.
    cache
        Keeps what is known of a master from one target to the next.
    """

    def __init__(
        self, butler: Butler, label: str, collections: Sequence[str], cache: CalibrationCache | None = None
    ) -> None:
        self.butler = butler
        self.label = label
        self._cache = cache
        self._collections = collections
        self._searched: list[str] | None = None
        self._types: dict[str, Any] = {}
        self._found: dict[tuple[str, Key], list[Master]] = {}
        self._chosen: dict[tuple[Any, ...], Choice] = {}

    def choose(
        self,
        name: str,
        data_id: Mapping[str, DataIdValue],
        frame: FrameFacts,
        instrument: InstrumentMap,
        *,
        has_bias: bool = True,
    ) -> Choice:
        """Choose the master of one frame.

        Parameters
        ----------
        name
            Dataset type: ``bias``, ``dark``, ``flat``.
        data_id
            Data ID of the frame, with its filter if the master is a flat.
        frame
            What it is chosen by.
        instrument
            Map of the instrument.
        has_bias
            Whether the bias is subtracted from the frame.

        Raises
        ------
        TransientError
            If the registry's database is away.
        """
        masters = self.certified(name, data_id, instrument)
        valid = tuple(index for index, one in enumerate(masters) if one.begin < frame.end and frame.begin < one.end)
        key = (name, id(masters), valid, frame.setup, frame.seconds, frame.has_window, has_bias)
        if key not in self._chosen:
            tolerance = instrument.setup.temperature_tolerance
            self._chosen[key] = choose_master(name, frame, masters, tolerance=tolerance, has_bias=has_bias)
        return self._chosen[key].at(frame)

    def certified(self, name: str, data_id: Mapping[str, DataIdValue], instrument: InstrumentMap) -> list[Master]:
        """Return all masters of a data ID, in the order of the collections."""
        dataset_type = self._type(name)
        if dataset_type is None:
            return []
        required = tuple(dataset_type.dimensions.required)
        key = tuple(data_id[one] for one in required)
        if (name, key) not in self._found:
            with translate_butler_errors(self.label):
                wanted = dict(zip(required, key, strict=True))
                self._found[name, key] = self._query(dataset_type, wanted, instrument)
        return self._found[name, key]

    def _type(self, name: str) -> Any:
        """Return a dataset type; None, once and for all, if it is not registered."""
        from lsst.daf.butler import MissingDatasetTypeError

        if name not in self._types:
            try:
                self._types[name] = self.butler.get_dataset_type(name)
            except MissingDatasetTypeError:
                self._types[name] = None
        return self._types[name]

    def _query(self, dataset_type: Any, wanted: Mapping[str, Any], instrument: InstrumentMap) -> list[Master]:
        searched = self._existing()
        if not searched:
            return []
        name = dataset_type.name
        with self.butler.query() as query:
            found = query.join_dataset_search(dataset_type, searched).where(dict(wanted))
            rows = found.general(
                dataset_type.dimensions,
                dataset_fields={name: {"dataset_id", "run", "collection", "timespan"}},
                find_first=False,
            )
            listed = [
                (refs[0], row[f"{name}.collection"], row[f"{name}.timespan"])
                for _, refs, row in rows.iter_tuples(dataset_type)
            ]
        masters = [self._master(ref, collection, span, instrument) for ref, collection, span in listed]
        return sorted(masters, key=lambda one: (searched.index(one.collection), -one.begin))

    def _master(self, ref: DatasetRef, collection: str, span: Timespan, instrument: InstrumentMap) -> Master:
        setup, seconds, without_bias = self._remembered(ref, instrument)
        return Master(
            dataset=ref,
            collection=collection,
            begin=span.nsec[0],
            end=span.nsec[1],
            validity=validity_text(span),
            setup=setup,
            seconds=seconds,
            without_bias=without_bias,
        )

    def _remembered(self, ref: DatasetRef, instrument: InstrumentMap) -> tuple[Setup, float | None, bool | None]:
        if self._cache is None:
            return self._facts(ref, instrument)
        return self._cache.fact(ref.id, lambda: self._facts(ref, instrument))

    def _facts(self, ref: DatasetRef, instrument: InstrumentMap) -> tuple[Setup, float | None, bool | None]:
        """Return how the camera was set for a master, exposure time, and whether the bias was subtracted before.

        A master of elsewhere says what its header says; the size of its image says nothing of the raw frame's.
        """
        if "header" not in ref.datasetType.storageClass.allComponents():
            return Setup(), None, None
        try:
            header: Any = self.butler.get(ref.makeComponentRef("header"))
        except (UnderbutlerError, FileNotFoundError, LookupError):
            return Setup(), None, None  # reading the master itself tells what is wrong with it
        words = str(header.get(SETUP_CARD, ""))
        if not words:
            return read_setup(header, instrument), None, None
        has_bias = {"bias=yes": True, "bias=no": False}
        said = next((has_bias[word] for word in words.split() if word in has_bias), None)
        return Setup.from_words(words), seconds_of(words), None if said is None else not said

    def _existing(self) -> list[str]:
        if self._searched is None:
            known = set(self.butler.collections.query("*"))
            wanted = [one for one in calib_collections(self.butler, self._collections) if one in known]
            self._searched = list(self.butler.collections.query(wanted, flatten_chains=True)) if wanted else []
        return self._searched


def unmapped(instrument: str) -> InstrumentMap:
    """Return a map of an instrument that has none: the usual keywords of settings."""
    return InstrumentMap(name=instrument, match={"INSTRUME": instrument})


def validity_text(span: Timespan) -> str:
    """Return a timespan as ``BEGIN..END`` in TAI, to the second."""
    return "..".join("" if end is None else end.tai.strftime("%Y-%m-%dT%H:%M:%S") for end in (span.begin, span.end))
