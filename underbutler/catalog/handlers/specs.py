"""Specs of our handlers: what a resource document says of the file that it names."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Final

__all__ = ["BUTLER", "FITS", "PARQUET", "PNG", "spec_of"]

FITS: Final = "ANNEX_FITS"
"""Planes of a FITS file: `underbutler.catalog.handlers.fits_section.FitsSection`."""
PARQUET: Final = "ANNEX_PARQUET"
"""Columns of a parquet file: `underbutler.catalog.handlers.parquet_table.ParquetTable`."""
PNG: Final = "ANNEX_PNG"
"""Pixels of a PNG file: `underbutler.catalog.handlers.png_picture.PngPicture`."""
BUTLER: Final = "BUTLER"
"""Datasets of a Butler repository: `underbutler.catalog.handlers.butler_dataset.ButlerDataset`."""

_SPECS = {".fits": FITS, ".fit": FITS, ".fts": FITS, ".fz": FITS, ".parq": PARQUET, ".parquet": PARQUET, ".png": PNG}


def spec_of(name: str) -> str | None:
    """Return the spec by which a file of this name, path or URL is read; None if none of ours reads such files."""
    return _SPECS.get(PurePosixPath(name).suffix.lower())
