"""Runs that can be searched and read back as arrays: the v2 API of databroker. May import sql, model and what is below.

The modules behind load at first use: ``import underbutler.catalog`` costs nothing and has no effect.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from underbutler.lazy import lazy_names

if TYPE_CHECKING:
    from .broker import Broker as Broker
    from .butler_dataset import ButlerDataset as ButlerDataset
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
    from .exports import export_run as export_run
    from .external import DataGoneError as DataGoneError
    from .external import NoHandlerError as NoHandlerError
    from .file_forms import read_documents as read_documents
    from .files import RunFiles as RunFiles
    from .filling import FillerFactory as FillerFactory
    from .fits_section import FitsSection as FitsSection
    from .handlers import DuplicateHandler as DuplicateHandler
    from .handlers import HandlerRegistry as HandlerRegistry
    from .handlers import deregister_handler as deregister_handler
    from .handlers import discover_handlers as discover_handlers
    from .handlers import parse_handler_registry as parse_handler_registry
    from .handlers import register_handler as register_handler
    from .picture import PngPicture as PngPicture
    from .queries import QueryError as QueryError
    from .queries import ScanIDRange as ScanIDRange
    from .queries import TextQuery as TextQuery
    from .queries import TimeRange as TimeRange
    from .remote import RemoteBlueskyEventStream as RemoteBlueskyEventStream
    from .remote import RemoteBlueskyRun as RemoteBlueskyRun
    from .remote_errors import NotACatalogError as NotACatalogError
    from .remote_errors import RemoteUnavailableError as RemoteUnavailableError
    from .remote_errors import ServerVersionError as ServerVersionError
    from .remote_shelf import RemoteShelf as RemoteShelf
    from .run import BlueskyRun as BlueskyRun
    from .schema import DocumentError as DocumentError
    from .search_path import catalog_search_path as catalog_search_path
    from .source import RunSource as RunSource
    from .store import CatalogStore as CatalogStore
    from .stream import BlueskyEventStream as BlueskyEventStream
    from .tabular import ParquetTable as ParquetTable
    from .transforms import parse_transforms as parse_transforms

_HOME_OF = {
    "BlueskyEventStream": ".stream",
    "BlueskyRun": ".run",
    "Broker": ".broker",
    "ButlerDataset": ".butler_dataset",
    "CatalogStore": ".store",
    "DataGoneError": ".external",
    "Datum": ".documents",
    "DatumPage": ".documents",
    "Descriptor": ".documents",
    "Document": ".documents",
    "DocumentError": ".schema",
    "DuplicateHandler": ".handlers",
    "Event": ".documents",
    "EventPage": ".documents",
    "FillerFactory": ".filling",
    "FitsSection": ".fits_section",
    "HandlerRegistry": ".handlers",
    "NoHandlerError": ".external",
    "NotACatalogError": ".remote_errors",
    "NotMutable": ".documents",
    "ParquetTable": ".tabular",
    "PngPicture": ".picture",
    "QueryError": ".queries",
    "RemoteBlueskyEventStream": ".remote",
    "RemoteBlueskyRun": ".remote",
    "RemoteShelf": ".remote_shelf",
    "RemoteUnavailableError": ".remote_errors",
    "Resource": ".documents",
    "RunFiles": ".files",
    "RunSource": ".source",
    "ScanIDRange": ".queries",
    "ServerVersionError": ".remote_errors",
    "Start": ".documents",
    "Stop": ".documents",
    "TextQuery": ".queries",
    "TimeRange": ".queries",
    "catalog_search_path": ".search_path",
    "deregister_handler": ".handlers",
    "discover_handlers": ".handlers",
    "export_run": ".exports",
    "parse_handler_registry": ".handlers",
    "parse_transforms": ".transforms",
    "read_documents": ".file_forms",
    "register_handler": ".handlers",
}

__all__ = list(_HOME_OF)


__getattr__, __dir__ = lazy_names(__name__, _HOME_OF)
