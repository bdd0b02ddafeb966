"""Runs that can be searched and read back as arrays: the v2 API of databroker.

The modules behind load at first use: ``import underbutler.catalog`` costs nothing and has no effect.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from underbutler.lazy import lazy_names

if TYPE_CHECKING:
    from .arrays.external import DataGoneError as DataGoneError
    from .arrays.external import NoHandlerError as NoHandlerError
    from .arrays.filling import FillerFactory as FillerFactory
    from .broker import Broker as Broker
    from .database.store import CatalogStore as CatalogStore
    from .documents import Datum as Datum
    from .documents import DatumPage as DatumPage
    from .documents import Descriptor as Descriptor
    from .documents import Document as Document
    from .documents import Event as Event
    from .documents import EventPage as EventPage
    from .documents import NotMutable as NotMutable
    from .documents import Resource as Resource
    from .documents import Start as Start
    from .documents import Stop as Stop
    from .files.exports import export_run as export_run
    from .files.file_forms import read_documents as read_documents
    from .files.run_store import RunFiles as RunFiles
    from .handlers.butler_dataset import ButlerDataset as ButlerDataset
    from .handlers.fits_section import FitsSection as FitsSection
    from .handlers.parquet_table import ParquetTable as ParquetTable
    from .handlers.png_picture import PngPicture as PngPicture
    from .handlers.registry import DuplicateHandler as DuplicateHandler
    from .handlers.registry import HandlerRegistry as HandlerRegistry
    from .handlers.registry import deregister_handler as deregister_handler
    from .handlers.registry import discover_handlers as discover_handlers
    from .handlers.registry import parse_handler_registry as parse_handler_registry
    from .handlers.registry import register_handler as register_handler
    from .query.queries import QueryError as QueryError
    from .query.queries import ScanIDRange as ScanIDRange
    from .query.queries import TextQuery as TextQuery
    from .query.queries import TimeRange as TimeRange
    from .remote.errors import NotACatalogError as NotACatalogError
    from .remote.errors import RemoteUnavailableError as RemoteUnavailableError
    from .remote.errors import ServerVersionError as ServerVersionError
    from .remote.run import RemoteBlueskyEventStream as RemoteBlueskyEventStream
    from .remote.run import RemoteBlueskyRun as RemoteBlueskyRun
    from .remote.run_store import RemoteShelf as RemoteShelf
    from .run import BlueskyRun as BlueskyRun
    from .schema import DocumentError as DocumentError
    from .search_path import catalog_search_path as catalog_search_path
    from .source import RunSource as RunSource
    from .stream import BlueskyEventStream as BlueskyEventStream
    from .transforms import parse_transforms as parse_transforms

_HOME_OF = {
    "BlueskyEventStream": ".stream",
    "BlueskyRun": ".run",
    "Broker": ".broker",
    "ButlerDataset": ".handlers.butler_dataset",
    "CatalogStore": ".database.store",
    "DataGoneError": ".arrays.external",
    "Datum": ".documents",
    "DatumPage": ".documents",
    "Descriptor": ".documents",
    "Document": ".documents",
    "DocumentError": ".schema",
    "DuplicateHandler": ".handlers.registry",
    "Event": ".documents",
    "EventPage": ".documents",
    "FillerFactory": ".arrays.filling",
    "FitsSection": ".handlers.fits_section",
    "HandlerRegistry": ".handlers.registry",
    "NoHandlerError": ".arrays.external",
    "NotACatalogError": ".remote.errors",
    "NotMutable": ".documents",
    "ParquetTable": ".handlers.parquet_table",
    "PngPicture": ".handlers.png_picture",
    "QueryError": ".query.queries",
    "RemoteBlueskyEventStream": ".remote.run",
    "RemoteBlueskyRun": ".remote.run",
    "RemoteShelf": ".remote.run_store",
    "RemoteUnavailableError": ".remote.errors",
    "Resource": ".documents",
    "RunFiles": ".files.run_store",
    "RunSource": ".source",
    "ScanIDRange": ".query.queries",
    "ServerVersionError": ".remote.errors",
    "Start": ".documents",
    "Stop": ".documents",
    "TextQuery": ".query.queries",
    "TimeRange": ".query.queries",
    "catalog_search_path": ".search_path",
    "deregister_handler": ".handlers.registry",
    "discover_handlers": ".handlers.registry",
    "export_run": ".files.exports",
    "parse_handler_registry": ".handlers.registry",
    "parse_transforms": ".transforms",
    "read_documents": ".files.file_forms",
    "register_handler": ".handlers.registry",
}

__all__ = list(_HOME_OF)


__getattr__, __dir__ = lazy_names(__name__, _HOME_OF)
