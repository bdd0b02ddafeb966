"""A server of the runs of a database, to be run as a program: ``python catalog_server.py URL PORT``."""

from __future__ import annotations

import sys

import uvicorn
from catalog_runs import NpyHandler
from runs_catalog import Catalogue

from underbutler.api import catalog_app
from underbutler.catalog.store import CatalogStore

if __name__ == "__main__":
    url, port = sys.argv[1:]
    app = catalog_app(Catalogue(CatalogStore.open(url), {"NPY": NpyHandler}))
    uvicorn.run(app, host="127.0.0.1", port=int(port), log_level="warning")
