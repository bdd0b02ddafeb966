"""A server of the runs of a database: ``python -m tests.support.programs.catalog_server URL PORT``."""

from __future__ import annotations

import sys

import uvicorn

from tests.support.catalog.runs import NpyHandler
from underbutler.api import catalog_app
from underbutler.catalog import Broker

if __name__ == "__main__":
    url, port = sys.argv[1:]
    app = catalog_app(Broker(url, handler_registry={"NPY": NpyHandler}))
    uvicorn.run(app, host="127.0.0.1", port=int(port), log_level="warning")
