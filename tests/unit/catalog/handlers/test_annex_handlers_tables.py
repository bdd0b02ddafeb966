"""Parquet tables and PNG pictures as a run reads them; here of files on disk."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.table import MaskedColumn, Table
from PIL import Image

from underbutler.catalog.handlers.parquet_table import ParquetTable, UnknownColumnError
from underbutler.catalog.handlers.png_picture import PngPicture
from underbutler.catalog.handlers.resource_file import (
    GoneFileError,
    HandlerArgumentError,
    UnreadableFileError,
    WrongFileError,
)
from underbutler.errors import UsageError


def sources(rows: int = 3) -> Table:
    """Return a table of each kind of column that tasks write."""
    return Table(
        {
            "id": np.arange(rows, dtype=np.int64) + 2**60,
            "x": np.arange(rows, dtype=np.float32) / 2,
            "flag": np.arange(rows) % 2 == 0,
            "name": np.array([f"star {n}" for n in range(rows)], "U12"),
            "code": np.array([b"ab"] * rows, "S4"),
            "moments": np.arange(rows * 3.0).reshape(rows, 3),
            "stamp": np.arange(rows * 6, dtype=np.int16).reshape(rows, 2, 3),
        }
    )


@pytest.fixture
def src(tmp_path: Path) -> str:
    return written(tmp_path / "src.parq", sources())


def written(path: Path, table: Table) -> str:
    """Write a table as the Butler's formatter does."""
    from lsst.daf.butler.formatters.parquet import astropy_to_arrow

    pq.write_table(astropy_to_arrow(table), path)
    return str(path)


@pytest.mark.parametrize("rows", [0, 3])
def test_a_source_table_comes_back_as_it_was_put(tmp_path: Path, rows: int) -> None:
    table = sources(rows)
    array = ParquetTable(written(tmp_path / "src.parq", table))()
    assert array.dtype == table.as_array().dtype
    np.testing.assert_array_equal(array, table.as_array())


def test_a_delayed_column_of_numbers_is_read_when_computed(src: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str | None] = []
    read = ParquetTable.__call__
    monkeypatch.setattr(ParquetTable, "__call__", lambda self, **kw: asked.append(kw.get("column")) or read(self, **kw))
    columns = {name: ParquetTable(src).delayed(column=name) for name in ("x", "id", "flag")}
    assert [(one.shape, one.dtype.str) for one in columns.values()] == [((3,), "<f4"), ((3,), "<i8"), ((3,), "|b1")]
    assert asked == []
    assert columns["x"][1:].compute().tolist() == [0.5, 1.0]
    assert (columns["id"] - 2**60).compute().tolist() == [0, 1, 2]
    assert sorted(asked, key=str) == ["id", "x"]
    assert ParquetTable(src).delayed(column="name").compute().tolist() == ["star 0", "star 1", "star 2"]
    assert ParquetTable(src).delayed(columns=["x", "flag"])["flag"].compute().tolist() == [True, False, True]
    with pytest.raises(UnknownColumnError):
        ParquetTable(src).delayed(column="y")


def test_a_delayed_column_with_gaps_is_what_the_column_is(tmp_path: Path) -> None:
    pq.write_table(pa.table({"n": [1, None, 3]}), tmp_path / "gaps.parq")
    column = ParquetTable(str(tmp_path / "gaps.parq")).delayed(column="n")
    assert column.dtype == np.float64
    np.testing.assert_array_equal(column.compute(), [1.0, np.nan, 3.0])


def test_one_column_is_a_plain_array_several_a_structured_one(src: str) -> None:
    assert ParquetTable(src)(column="x").tolist() == [0.0, 0.5, 1.0]
    assert ParquetTable(src)(column="stamp").shape == (3, 2, 3)
    some = ParquetTable(src)(columns=["name", "x"])
    assert (some.dtype.names, some["name"].tolist()) == (("name", "x"), ["star 0", "star 1", "star 2"])
    assert ParquetTable(src, columns=["flag"])().dtype.names == ("flag",)
    assert ParquetTable(src, columns=["flag"])(columns=["x"]).dtype.names == ("x",)
    assert ParquetTable(src).column_names() == ["id", "x", "flag", "name", "code", "moments", "stamp"]


def test_missing_values_are_nan_or_an_empty_text(tmp_path: Path) -> None:
    gaps = [False, True]
    table = Table(
        {
            "count": MaskedColumn([7, 0], mask=gaps, dtype=np.int32),
            "whole": MaskedColumn([7, 8], mask=[False, False], dtype=np.int32),
            "good": MaskedColumn([True, True], mask=gaps),
            "flux": MaskedColumn([1.5, 2.5], mask=gaps, dtype=np.float32),
            "name": MaskedColumn(["a", "b"], mask=gaps, dtype="U3"),
        }
    )
    array = ParquetTable(written(tmp_path / "gaps.parq", table))()
    assert [array.dtype[name].str for name in array.dtype.names or ()] == ["<f8", "<i4", "<f8", "<f4", "<U3"]
    np.testing.assert_array_equal(array["count"], [7, np.nan])
    np.testing.assert_array_equal(array["good"], [1, np.nan])
    np.testing.assert_array_equal(array["flux"], np.array([1.5, np.nan], np.float32))
    assert array["name"].tolist() == ["a", ""]


def test_a_table_of_another_writer_is_read(tmp_path: Path) -> None:
    table = pa.table(
        {
            "kind": pa.array(["star", "galaxy", None]).dictionary_encode(),
            "at": pa.array([0, 1, None], pa.timestamp("us")),
            "u8": pa.array([1, 2, 255], pa.uint8()),
        }
    )
    pq.write_table(table, tmp_path / "other.parquet", row_group_size=1)
    array = ParquetTable(str(tmp_path / "other.parquet"))()
    assert array["kind"].tolist() == ["star", "galaxy", ""]
    assert array.dtype["at"] == np.dtype("M8[us]")
    assert np.isnat(array["at"][2])
    assert array["u8"].tolist() == [1, 2, 255]


def test_integers_that_are_no_floats_are_not_changed_in_silence(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": [2**60 + 1, None], "x": [1.0, 2.0]}), tmp_path / "gaps.parq")
    with pytest.raises(UsageError, match=r"'id' of .*gaps\.parq has missing values beside integers.*columns="):
        ParquetTable(str(tmp_path / "gaps.parq"))()
    assert ParquetTable(str(tmp_path / "gaps.parq"))(column="x").tolist() == [1.0, 2.0]


def test_a_column_that_no_array_holds_is_named(tmp_path: Path) -> None:
    pq.write_table(pa.table({"ragged": [[1], [2, 3]]}), tmp_path / "ragged.parq")
    with pytest.raises(UsageError, match=r"'ragged' of .* is of type list"):
        ParquetTable(str(tmp_path / "ragged.parq"))()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"column": "flg"}, "no column 'flg'. Did you mean 'flag'. It has id, x"),
        ({"columns": ["x", "y"]}, "no column 'y'"),
        ({"columns": "x"}, "takes as columns a list of names, not 'x'"),
        ({"columns": []}, "takes as columns a list of names"),
        ({"column": "x", "columns": ["x"]}, "no columns beside it"),
        ({"colum": "x"}, "knows no 'colum' in datum_kwargs. Did you mean 'column'"),
    ],
)
def test_a_missing_column_is_refused_and_those_there_are_named(src: str, arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(HandlerArgumentError, match=said) as caught:
        ParquetTable(src)(**arguments)
    assert isinstance(caught.value, UnknownColumnError) == ("no column '" in said)


@pytest.mark.parametrize("keep", [0, 3, 400, -5])
def test_a_table_that_is_not_whole_is_refused(src: str, keep: int) -> None:
    path = Path(src)
    path.write_bytes(path.read_bytes()[:keep])
    for arguments in ({}, {"column": "x"}):
        with pytest.raises(UnreadableFileError, match=r"src\.parq is not a readable parquet file"):
            ParquetTable(src)(**arguments)


def test_a_table_that_is_gone_is_named() -> None:
    with pytest.raises(GoneFileError, match=r"/not/there\.parq"):
        ParquetTable("/not/there.parq")(column="x")


def test_a_table_s_handler_pickles(src: str) -> None:
    handler = ParquetTable(src, columns=["x"])
    handler()
    assert pickle.loads(pickle.dumps(handler))()["x"].tolist() == [0.0, 0.5, 1.0]


def png(picture: Image.Image, **options: Any) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, format="PNG", **options)
    return stream.getvalue()


def gradient(mode: str) -> Image.Image:
    return Image.fromarray(np.arange(6, dtype=np.uint8).reshape(2, 3)).convert(mode)


@pytest.mark.parametrize(
    ("content", "shape", "dtype"),
    [
        (png(gradient("L")), (2, 3), "u1"),
        (png(gradient("RGB")), (2, 3, 3), "u1"),
        (png(gradient("RGBA")), (2, 3, 4), "u1"),
        (png(gradient("1")), (2, 3), "?"),
        (png(gradient("P")), (2, 3, 3), "u1"),
        (png(gradient("P"), transparency=0), (2, 3, 4), "u1"),
        (png(Image.fromarray(np.array([[1, 60000, 3], [4, 5, 6]], np.uint16))), (2, 3), "u2"),
    ],
    ids=["grey", "colour", "transparent", "bits", "palette", "palette with a hole", "16 bits"],
)
def test_a_picture_of_every_kind_is_an_array_from_the_top(
    tmp_path: Path, content: bytes, shape: tuple[int, ...], dtype: str
) -> None:
    (tmp_path / "picture.png").write_bytes(content)
    array = PngPicture(str(tmp_path / "picture.png"))()
    assert (array.shape, array.dtype) == (shape, np.dtype(dtype))


def test_pixels_are_those_that_were_drawn(tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).integers(0, 255, (5, 7, 3), np.uint8)
    (tmp_path / "picture.png").write_bytes(png(Image.fromarray(pixels)))
    np.testing.assert_array_equal(PngPicture(str(tmp_path / "picture.png"))(), pixels)


@pytest.mark.parametrize(
    "content",
    [b"", b"GIF89a", png(gradient("L"))[:20], png(gradient("L"))[:-20], png(gradient("L")).replace(b"IDAT", b"IDAX")],
    ids=["empty", "another kind", "cut in its header", "cut before its end", "without pixels"],
)
def test_a_picture_that_is_not_whole_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "picture.png").write_bytes(content)
    with pytest.raises(UnreadableFileError, match=r"picture\.png is not a readable PNG file"):
        PngPicture(str(tmp_path / "picture.png"))()


def test_a_picture_too_large_to_be_one_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "picture.png").write_bytes(png(gradient("L")))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 2)
    with pytest.raises(UnreadableFileError, match="exceeds limit"):
        PngPicture(str(tmp_path / "picture.png"))()


def test_a_picture_takes_no_arguments(tmp_path: Path) -> None:
    with pytest.raises(HandlerArgumentError, match=r"'ANNEX_PNG' knows no 'band' in datum_kwargs.*Known: none"):
        PngPicture(str(tmp_path / "picture.png"))(band=1)


def test_what_is_read_as_a_whole_is_compared_with_its_digest(tmp_path: Path, src: str) -> None:
    (tmp_path / "picture.png").write_bytes(png(gradient("L")))
    with pytest.raises(WrongFileError, match="SHA-256"):
        PngPicture(str(tmp_path / "picture.png"), sha256="0" * 64)()
    table = ParquetTable(src, sha256="0" * 64)
    with pytest.raises(WrongFileError, match="SHA-256"):
        table()
    assert table(column="x").tolist() == [0.0, 0.5, 1.0], "of a part nothing tells"
