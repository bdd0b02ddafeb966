"""The Butler, per process: factory, bound references, repositories, ingest.

The names load at first use: importing the Butler itself takes 2 s and 150 MiB, and only who opens one should pay.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from underbutler.lazy import lazy_names

if TYPE_CHECKING:
    from lsst.daf.butler import LabeledButlerFactory as LabeledButlerFactory
    from lsst.daf.butler.persistence_context import PersistenceContextVars as PersistenceContextVars

    from underbutler.instruments.instrument_map import InstrumentMap as InstrumentMap
    from underbutler.instruments.instrument_map import load_instrument_map as load_instrument_map
    from underbutler.instruments.instrument_map import shipped_maps as shipped_maps

    from .bound import BoundDataRef as BoundDataRef
    from .bound import PutJournal as PutJournal
    from .bound import bind as bind
    from .calibration_cache import CalibrationCache as CalibrationCache
    from .data_ids import FoundDataIds as FoundDataIds
    from .data_ids import Range as Range
    from .data_ids import find_data_ids as find_data_ids
    from .decoding import decode as decode
    from .images import CcdImage as CcdImage
    from .ingest import IngestReport as IngestReport
    from .ingest import ingest_files as ingest_files
    from .media_types import media_type as media_type
    from .repositories import Repositories as Repositories
    from .repository import create_repository as create_repository
    from .repository import upgrade_config as upgrade_config

_HOME_OF = {
    "BoundDataRef": ".bound",
    "CalibrationCache": ".calibration_cache",
    "CcdImage": ".images",
    "FoundDataIds": ".data_ids",
    "IngestReport": ".ingest",
    "InstrumentMap": "underbutler.instruments.instrument_map",
    "LabeledButlerFactory": "lsst.daf.butler",
    "PersistenceContextVars": "lsst.daf.butler.persistence_context",
    "PutJournal": ".bound",
    "Range": ".data_ids",
    "Repositories": ".repositories",
    "bind": ".bound",
    "create_repository": ".repository",
    "decode": ".decoding",
    "find_data_ids": ".data_ids",
    "ingest_files": ".ingest",
    "load_instrument_map": "underbutler.instruments.instrument_map",
    "media_type": ".media_types",
    "shipped_maps": "underbutler.instruments.instrument_map",
    "upgrade_config": ".repository",
}

__all__ = [*_HOME_OF]  # noqa: PLE0604 - names of the table above


__getattr__, __dir__ = lazy_names(__name__, _HOME_OF)
