"""A source table on disk: what astropy, pandas, TOPCAT and the Butler see of it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from astropy.io.votable import parse
from astropy.table import Table
from lsst.daf.butler import Butler, DatasetType

from underbutler.butlers import Repositories, create_repository
from underbutler.butlers.table_formatter import VOTABLE_CONTENT, VOTABLE_VERSION, votable_of
from underbutler.settings import load_settings


def sources() -> Table:
    table = Table(meta={"exposure": 7, "filter": "R", "gain_e_per_adu": 1.5})
    for name, unit, words in (("ra", "deg", "Right ascension"), ("flux", "electron", "Total flux")):
        table[name] = np.array([1.5, 2.5])
        table[name].unit = unit
        table[name].description = words
    table["ra"].meta["ucd"] = "pos.eq.ra;meta.main"
    table["flag_edge"] = np.array([True, False])
    return table


@pytest.fixture(scope="module")
def butler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Butler]:
    folder = tmp_path_factory.mktemp("tables")
    repositories = Repositories(load_settings(home=folder / "home", user="tester"))
    create_repository(folder / "repo", "sim", repositories.settings)
    with repositories.butler("sim", writeable=True, run="u/tester/run", collections=("u/tester/run",)) as opened:
        opened.registry.registerDatasetType(DatasetType("src", (), "ArrowAstropy", universe=opened.dimensions))
        opened.put(sources(), "src")
        yield opened
    repositories.close()


@pytest.fixture(scope="module")
def path(butler: Butler) -> Path:
    return Path(butler.getURI("src").ospath)


def test_the_butler_gives_back_the_tables_metadata(butler: Butler) -> None:
    table = butler.get("src")
    assert table.meta["exposure"] == 7
    assert (table["flux"].unit, table["flux"].description) == ("electron", "Total flux")


def test_some_columns_are_read_alone(butler: Butler) -> None:
    table = butler.get("src", parameters={"columns": ["flux"]})
    assert table.colnames == ["flux"]
    assert table["flux"].unit == "electron"


def test_astropy_reads_units_meaning_and_metadata(path: Path) -> None:
    table = Table.read(path, format="parquet")
    assert table["flux"].unit == "electron"
    assert table["ra"].description == "Right ascension"
    assert table.meta["gain_e_per_adu"] == 1.5


def test_pandas_reads_the_same_numbers(path: Path) -> None:
    frame = pd.read_parquet(path)
    assert list(frame.columns) == ["ra", "flux", "flag_edge"]
    assert frame["flux"].tolist() == [1.5, 2.5]
    assert frame["flag_edge"].tolist() == [True, False]


def test_topcat_finds_a_votable_without_data_in_it(path: Path) -> None:
    """VOParquet 1.0: fields as the columns are, and the table's metadata as parameters."""
    metadata = pq.read_schema(path).metadata
    assert metadata[VOTABLE_VERSION] == b"1.0"
    assert b"<DATA" not in metadata[VOTABLE_CONTENT]
    described: Any = parse(io.BytesIO(metadata[VOTABLE_CONTENT])).get_first_table()
    assert [field.name for field in described.fields] == ["ra", "flux", "flag_edge"]
    assert (described.fields[0].ucd, str(described.fields[0].unit)) == ("pos.eq.ra;meta.main", "deg")
    assert described.fields[1].description.strip() == "Total flux"
    params = {param.name: param.value for param in described.params}
    assert (params["exposure"], params["filter"], params["gain_e_per_adu"]) == (7, "R", 1.5)


def test_an_empty_table_is_described_too() -> None:
    assert b'name="flux"' in votable_of(sources()[:0])
