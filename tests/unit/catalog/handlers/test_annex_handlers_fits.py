"""Planes and sections of FITS files as a run reads them; here of files on disk."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import event_model
import numpy as np
import pytest
from astropy.io import fits

from underbutler.butlers import CcdImage
from underbutler.catalog.handlers.fits_section import FitsSection
from underbutler.catalog.handlers.resource_file import GoneFileError, HandlerArgumentError, UnreadableFileError

RAMP = np.arange(12, dtype=np.float32).reshape(3, 4)
CUBE = np.arange(24, dtype=np.int16).reshape(2, 3, 4)

Written = Callable[..., str]


@pytest.fixture
def written(tmp_path: Path) -> Written:
    """Write HDUs into a file after an empty primary one, and return its path."""

    def write(*hdus: Any, name: str = "file.fits") -> str:
        fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(tmp_path / name)
        return str(tmp_path / name)

    return write


@pytest.fixture
def calexp(tmp_path: Path) -> str:
    """Write an image as tasks write it."""
    image = CcdImage(RAMP, np.full((3, 4), 5, np.uint16), RAMP * 2, unit="electron", mask_planes={"BAD": 0, "CR": 2})
    image.write(tmp_path / "calexp.fits")
    return str(tmp_path / "calexp.fits")


@pytest.mark.parametrize(
    ("hdu", "expected"),
    [
        (None, RAMP),
        ("IMAGE", RAMP),
        (1, RAMP),
        ("MASK", np.full((3, 4), 5, np.uint16)),
        ("VARIANCE", RAMP * 2),
        (["VARIANCE", 1], RAMP * 2),
    ],
)
def test_each_part_of_a_reduced_image_is_read_by_name_or_number(calexp: str, hdu: Any, expected: Any) -> None:
    by_datum = FitsSection(calexp)(hdu=hdu)
    by_resource = FitsSection(calexp, hdu=hdu)()
    for array in (by_datum, by_resource):
        np.testing.assert_array_equal(array, expected)
        assert array.dtype == expected.dtype
        assert array.dtype.isnative
        assert array.flags.writeable


def test_what_a_datum_says_goes_before_what_its_resource_says(calexp: str) -> None:
    np.testing.assert_array_equal(FitsSection(calexp, hdu="MASK")(hdu="VARIANCE"), RAMP * 2)


def test_one_open_handler_reads_every_part(calexp: str) -> None:
    with FitsSection(calexp) as handler:
        for _ in range(2):
            assert handler(hdu="IMAGE")[2, 3] == 11
            assert handler(hdu="VARIANCE")[2, 3] == 22
    assert handler()[0, 1] == 1, "it opens again after it was closed"
    handler.close()


def test_a_plane_of_a_cube_and_a_section_of_it_are_read(written: Written) -> None:
    path = written(fits.ImageHDU(CUBE, name="CUBE"))
    assert FitsSection(path)().shape == (2, 3, 4)
    np.testing.assert_array_equal(FitsSection(path)(plane=1), CUBE[1])
    np.testing.assert_array_equal(FitsSection(path, plane=0)(), CUBE[0])
    np.testing.assert_array_equal(FitsSection(path)(plane=1, section=[[1, 3], [2, 4]]), CUBE[1, 1:3, 2:4])
    np.testing.assert_array_equal(FitsSection(path)(section=[[1, 2], [0, 3], [1, 2]]), CUBE[1:2, 0:3, 1:2])


@pytest.mark.parametrize(
    ("stored", "cards", "expected", "dtype"),
    [
        (np.array([1, 2], np.uint8), {}, [1, 2], "u1"),
        (np.array([1, 2], np.int16), {}, [1, 2], "i2"),
        (np.array([1, 2**31 + 5], np.uint32), {}, [1, 2**31 + 5], "u4"),
        (np.array([1, 65535], np.uint16), {}, [1, 65535], "u2"),
        (np.array([1, 2], np.int16), {"BSCALE": 2.0, "BZERO": 10.0}, [12, 14], "f4"),
        (np.array([1, 2], np.int32), {"BSCALE": 0.5}, [0.5, 1], "f8"),
        (np.array([1, -9], np.int16), {"BLANK": -9}, [1, np.nan], "f4"),
        (np.array([1, -9], np.int32), {"BLANK": -9}, [1, np.nan], "f8"),
        (np.array([1.5, 2.5]), {}, [1.5, 2.5], "f8"),
        (np.array([1.5, 2.5], np.float32), {"BZERO": 1.0}, [2.5, 3.5], "f4"),
    ],
)
def test_the_layout_tells_shape_and_dtype_of_what_is_read(
    tmp_path: Path, stored: Any, cards: dict[str, Any], expected: list[float], dtype: str
) -> None:
    path = tmp_path / "scaled.fits"
    fits.HDUList([fits.PrimaryHDU(stored)]).writeto(path)
    with fits.open(path, mode="update", do_not_scale_image_data=True) as hdus:
        hdus[0].header.update(cards)
    handler = FitsSection(str(path))
    read = handler()
    np.testing.assert_array_equal(read, np.array(expected))
    layout = handler.layout()
    assert (layout.shape, layout.dtype) == (read.shape, read.dtype) == ((2,), np.dtype(dtype))


@pytest.mark.parametrize("kind", ["RICE_1", "GZIP_2"])
def test_a_compressed_image_is_read_like_another(written: Written, kind: str) -> None:
    pixels = np.arange(40 * 50, dtype=np.int32).reshape(40, 50)
    path = written(fits.CompImageHDU(pixels, name="SCI", compression_type=kind), name="image.fits.fz")
    handler = FitsSection(path)
    np.testing.assert_array_equal(handler(hdu="SCI"), pixels)
    np.testing.assert_array_equal(handler(section=[[3, 5], [10, 12]]), pixels[3:5, 10:12])
    assert handler.layout().dtype == handler().dtype


def test_a_delayed_image_reads_what_is_computed_of_it(written: Written) -> None:
    path = written(fits.ImageHDU(CUBE, name="CUBE"))
    cube = FitsSection(path).delayed()
    assert (cube.shape, cube.dtype, cube.chunks) == ((2, 3, 4), np.dtype("i2"), ((1, 1), (3,), (4,)))
    np.testing.assert_array_equal(cube.compute(), CUBE)
    picked: list[Any] = [
        np.s_[1],
        np.s_[1, 2, 3],
        np.s_[:, 1:2, ::2],
        np.s_[:, ::-1, 1],
        np.s_[0, [2, 0], 1:],
        np.s_[[1], 0, :],
        np.s_[:, [], 1:],
        np.s_[1:1],
        np.s_[..., -1],
    ]
    for key in picked:
        np.testing.assert_array_equal(cube[key].compute(), CUBE[key], err_msg=str(key))
    np.testing.assert_array_equal(
        FitsSection(path).delayed(plane=1, section=[[0, 2], [1, 3]]).compute(), CUBE[1, :2, 1:3]
    )


def test_a_delayed_image_has_one_name_when_its_content_is_known(calexp: str) -> None:
    known, unknown = FitsSection(calexp, sha256="a" * 64), FitsSection(calexp)
    assert known.delayed().name == FitsSection(calexp, sha256="a" * 64).delayed().name
    assert known.delayed(hdu="MASK").name != known.delayed().name
    assert unknown.delayed().name != unknown.delayed().name


def test_a_handler_and_its_delayed_array_pickle_while_open(calexp: str) -> None:
    handler = FitsSection(calexp, hdu="VARIANCE")
    delayed = handler.delayed()
    handler()
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(handler))(), RAMP * 2)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(delayed)).compute(), RAMP * 2)


def test_the_files_of_a_resource_are_told_without_opening_them() -> None:
    assert FitsSection("/not/there.fits").get_file_list([{"hdu": 1}, {"hdu": 2}]) == ["/not/there.fits"]
    assert FitsSection("file:///not/th%20ere.fits").get_file_list() == ["/not/th ere.fits"]
    assert FitsSection("s3://bucket/a key.fits").get_file_list() == ["s3://bucket/a key.fits"]


def test_a_file_that_is_gone_is_named_with_its_dataset() -> None:
    handler = FitsSection("/not/there.fits", dataset="8f1a3e6c")
    with pytest.raises(GoneFileError, match=r"no file /not/there\.fits.*dataset 8f1a3e6c.*root_map") as caught:
        handler()
    assert isinstance(caught.value, FileNotFoundError)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"hdu": "IMGE"}, "no part 'IMGE'. Did you mean 'IMAGE'.*1 IMAGE .3, 4., 2 MASK"),
        ({"hdu": 7}, "no part 7"),
        ({"hdu": 0}, "no pixels"),
        ({"hdu": ["IMAGE", 2]}, "no part"),
        ({"hdu": ["IMAGE"]}, "EXTNAME, EXTVER"),
        ({"hdu": 1.5}, "takes as hdu a number or a name"),
        ({"hdu": True}, "takes as hdu"),
        ({"plane": "one"}, "takes as plane a number"),
        ({"plane": 3}, r"3 planes \(0 to 2\), and none of number 3"),
        ({"plane": -1}, "none of number -1"),
        ({"section": [[0, 2]]}, "not inside"),
        ({"section": [[0, 2], [0, 5]]}, "not inside"),
        ({"section": [[2, 2], [0, 4]]}, "not inside"),
        ({"section": "[1:2,1:2]"}, "not inside"),
        ({"plan": 1}, "knows no 'plan' in datum_kwargs. Did you mean 'plane'"),
    ],
)
def test_a_missing_part_is_refused_with_those_there_named(calexp: str, arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(HandlerArgumentError, match=said):
        FitsSection(calexp)(**arguments)


def test_planes_of_a_row_and_pixels_of_a_table_are_refused(written: Written) -> None:
    table = fits.BinTableHDU.from_columns([fits.Column("x", "D", array=np.arange(3.0))], name="SRC")
    path = written(fits.ImageHDU(np.arange(3), name="ROW"), table)
    with pytest.raises(HandlerArgumentError, match="one axis and no planes"):
        FitsSection(path)(plane=0)
    with pytest.raises(HandlerArgumentError, match="a table and no image"):
        FitsSection(path)(hdu="SRC")


def test_an_argument_unknown_to_the_spec_is_refused_unread() -> None:
    with pytest.raises(
        HandlerArgumentError, match=r"'ANNEX_FITS' knows no 'hd' in resource_kwargs\. Did you mean 'hdu'"
    ):
        FitsSection("/not/there.fits", hd=1)
    with pytest.raises(HandlerArgumentError, match="takes as settings an object of this process"):
        FitsSection("/not/there.fits", settings={"s3_endpoint_url": "http://elsewhere"})


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n" + bytes(99), b"SIMPLY not a FITS file"])
def test_a_file_of_another_kind_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file.fits"
    path.write_bytes(content)
    with pytest.raises(
        UnreadableFileError,
        match=r"file\.fits is not a readable FITS file: it does not begin "
        r"like one",
    ):
        FitsSection(str(path))()


@pytest.mark.filterwarnings("ignore::astropy.utils.exceptions.AstropyUserWarning")
@pytest.mark.parametrize("length", [1000, 2880, 2880 * 3 + 100, 2880 * 5 + 800])
def test_a_file_that_was_cut_short_is_not_said_to_lack_a_part(calexp: str, length: int) -> None:
    path = Path(calexp)
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises((UnreadableFileError, HandlerArgumentError)) as caught:
        FitsSection(calexp)(hdu="VARIANCE")
    at_an_end_of_a_part = length == 2880  # then nothing tells that there was more
    assert isinstance(caught.value, HandlerArgumentError) == at_an_end_of_a_part, str(caught.value)


@pytest.mark.filterwarnings("ignore::astropy.utils.exceptions.AstropyUserWarning")
def test_pixels_that_were_cut_off_are_not_made_up(calexp: str) -> None:
    path = Path(calexp)
    with fits.open(path) as hdus:
        begin = hdus["VARIANCE"].fileinfo()["datLoc"]
    path.write_bytes(path.read_bytes()[: begin + 20])
    with pytest.raises(
        UnreadableFileError, match=rf"ends at byte {begin + 20}, and its part 'VARIANCE' at {begin + 48}"
    ):
        FitsSection(calexp)(hdu="VARIANCE")
    assert FitsSection(calexp)(hdu="IMAGE")[2, 3] == 11, "what is whole is read"


def test_a_file_without_an_image_is_refused(written: Written) -> None:
    with pytest.raises(UnreadableFileError, match="none of its parts 0 PRIMARY"):
        FitsSection(written())()


def test_a_filler_of_event_model_reads_it_where_root_map_says(calexp: str) -> None:
    run = event_model.compose_run()
    keys = {"calexp": {"source": "annex", "dtype": "array", "shape": [3, 4], "external": "FILESTORE:"}}
    descriptor = run.compose_descriptor(name="primary", data_keys=keys)
    resource = run.compose_resource(
        spec="ANNEX_FITS", root="s3://bucket", resource_path="calexp.fits", resource_kwargs={"hdu": "IMAGE"}
    )
    datum = resource.compose_datum({"section": [[0, 1], [1, 3]]})
    event = descriptor.compose_event(
        data={"calexp": datum["datum_id"]}, timestamps={"calexp": 0.0}, filled={"calexp": False}
    )
    filler = event_model.Filler(
        {"ANNEX_FITS": FitsSection}, root_map={"s3://bucket": str(Path(calexp).parent)}, inplace=False
    )
    pairs = [("start", run.start_doc), ("descriptor", descriptor.descriptor_doc), ("resource", resource.resource_doc)]
    for name, document in [*pairs, ("datum", datum)]:
        filler(name, document)
    filled = filler("event", event)[1]
    np.testing.assert_array_equal(filled["data"]["calexp"], [[1, 2]])
