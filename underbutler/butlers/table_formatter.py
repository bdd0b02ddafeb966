"""How the Butler's datastore keeps astropy's tables: parquet that pandas, astropy and TOPCAT read with its units."""

from __future__ import annotations

import io
import warnings
from typing import Any, Final

from astropy.table import Table
from lsst.daf.butler.formatters.parquet import ParquetFormatter
from lsst.resources import ResourcePath

__all__ = ["VOTABLE_CONTENT", "VOTABLE_VERSION", "TableFormatter", "votable_of"]

VOTABLE_VERSION: Final = b"IVOA.VOTable-Parquet.version"
VOTABLE_CONTENT: Final = b"IVOA.VOTable-Parquet.content"
"""Keys under which the VOParquet convention of the IVOA keeps a VOTable without data."""


class TableFormatter(ParquetFormatter):
    """Parquet as the Butler writes it, and in its metadata a VOTable that tells units, meaning and UCDs.

    What is read back whole has the table's metadata; the Butler's own formatter drops them.
    """

    def read_from_uri(self, uri: ResourcePath, component: str | None = None, expected_size: int = -1) -> Any:
        """Read a table, or some columns of it, from where it is."""
        self._keep_metadata()
        return super().read_from_uri(uri, component, expected_size)

    def read_from_local_file(self, path: str, component: str | None = None, expected_size: int = -1) -> Any:
        """Read a table, or some columns of it, from a file."""
        self._keep_metadata()
        return super().read_from_local_file(path, component, expected_size)

    def write_local_file(self, in_memory_dataset: Any, uri: ResourcePath) -> None:
        """Write the file."""
        if isinstance(in_memory_dataset, Table):
            from lsst.daf.butler.formatters.parquet import astropy_to_arrow

            arrow = astropy_to_arrow(in_memory_dataset)
            described = {VOTABLE_VERSION: b"1.0", VOTABLE_CONTENT: votable_of(in_memory_dataset)}
            in_memory_dataset = arrow.replace_schema_metadata({**(arrow.schema.metadata or {}), **described})
        super().write_local_file(in_memory_dataset, uri)

    def _keep_metadata(self) -> None:
        """Ask for astropy's metadata, but not with some of the columns: they name all of them."""
        parameters = dict(self.file_descriptor.parameters or {})
        if "columns" not in parameters:
            self.file_descriptor.parameters = {"strip_astropy_meta_yaml": False} | parameters


def votable_of(table: Table) -> bytes:
    """Return a VOTable that describes a table's columns and has its metadata as parameters, but no data."""
    from astropy.io.votable.tree import Param, VOTableFile

    bare = table[:0].copy()
    bare.meta = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # `electron` is no unit of the VO; it is written as it is
        document = VOTableFile.from_table(bare)
        (described,) = document.iter_tables()
        for name, value in table.meta.items():
            if isinstance(value, str | int | float):
                kind, text = _datatype(value)
                described.params.append(Param(document, name=str(name), value=text, **kind))
        stream = io.BytesIO()
        document.to_xml(stream)
    head, _, rest = stream.getvalue().partition(b"<DATA>")
    return head.rstrip() + b"\n" + rest.partition(b"</DATA>")[2].lstrip() if rest else head


def _datatype(value: Any) -> tuple[dict[str, str], Any]:
    """Return how a VOTable declares a value, and the value."""
    if isinstance(value, bool):
        return {"datatype": "boolean"}, value
    if isinstance(value, int):
        return {"datatype": "long"}, value
    if isinstance(value, float):
        return {"datatype": "double"}, value
    return {"datatype": "unicodeChar", "arraysize": "*"}, value
