"""Takes a dataset of a Butler apart, as a race of its own transactions can."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import sqlalchemy as sa

# Which rows are left: location, trash, file record. A whole dataset has the first and the last.
PIECES = ["", "L", "R", "T", "LT", "TR", "LR", "LTR"]


def leave(butler: Any, dataset: UUID, pieces: str) -> None:
    """Leave only these rows of a whole dataset."""
    datastore = butler._datastore
    tables, database = datastore.bridge._tables, butler._registry._db
    rows = {"L": tables.dataset_location, "R": datastore._table._table}
    with database.transaction():
        if "T" in pieces:
            row = {"dataset_id": dataset, "datastore_name": datastore.bridge.datastoreName}
            database.insert(tables.dataset_location_trash, row)
        for letter in rows.keys() - set(pieces):
            database.deleteWhere(rows[letter], sa.true() & (rows[letter].columns.dataset_id == dataset))
