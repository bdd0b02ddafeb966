"""What all handlers of files do alike, and how they are found."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from underbutler.butlers import CcdImage
from underbutler.butlers.media_types import MEDIA_TYPES
from underbutler.catalog import ButlerDataset, FitsSection, ParquetTable, PngPicture, discover_handlers
from underbutler.catalog.handlers.resource_file import HandlerArgumentError, ResourceFile, WrongFileError
from underbutler.catalog.handlers.specs import spec_of
from underbutler.errors import UsageError

OURS = {
    "ANNEX_FITS": FitsSection,
    "ANNEX_PARQUET": ParquetTable,
    "ANNEX_PNG": PngPicture,
    "BUTLER": ButlerDataset,
}


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "calexp.fits"
    plane = np.ones((2, 2), np.float32)
    CcdImage(plane, np.zeros((2, 2), np.uint8), plane).write(path)
    return path


def test_our_handlers_are_found_by_their_entry_points() -> None:
    found = discover_handlers("underbutler.handlers", skip_failures=False)
    assert {spec: found[spec] for spec in OURS} == OURS
    assert {handler.spec for handler in OURS.values()} == set(OURS)


def test_the_spec_of_a_product_follows_its_extension() -> None:
    specs = {suffix: spec_of(f"s3://bucket/2026/11/20/CAM-t.calexp-a.1{suffix}") for suffix in MEDIA_TYPES}
    assert specs == {
        **dict.fromkeys(MEDIA_TYPES),
        ".fits": "ANNEX_FITS",
        ".fits.fz": "ANNEX_FITS",
        ".parq": "ANNEX_PARQUET",
        ".png": "ANNEX_PNG",
    }


def test_a_file_of_another_size_is_not_read(image: Path) -> None:
    size = image.stat().st_size
    assert FitsSection(str(image), size=size)().sum() == 4
    with pytest.raises(WrongFileError, match=rf"calexp\.fits has {size} bytes, and its resource says {size + 1}"):
        FitsSection(str(image), size=size + 1)()


def test_a_file_is_compared_as_a_whole_when_it_is_asked_for(image: Path) -> None:
    right, wrong = hashlib.sha256(image.read_bytes()).hexdigest(), "0" * 64
    handler = FitsSection(str(image), sha256=right.upper(), verify=True)
    assert handler().sum() == 4
    handler.verify()
    assert FitsSection(str(image), sha256=wrong)().sum() == 4, "of a part nothing tells"
    for read in (FitsSection(str(image), sha256=wrong, verify=True), FitsSection(str(image), sha256=wrong).verify):
        with pytest.raises(WrongFileError, match=f"SHA-256 {right}, and its resource says {wrong}"):
            read()


def test_it_is_compared_once(image: Path) -> None:
    handler = FitsSection(str(image), sha256=hashlib.sha256(image.read_bytes()).hexdigest(), verify=True)
    handler()
    changed = bytearray(image.read_bytes())
    changed[-1] ^= 1
    image.write_bytes(changed)
    assert handler().sum() == 4
    with pytest.raises(WrongFileError):
        handler.verify()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"size": "12"}, "takes as size a number of bytes, not '12'"),
        ({"size": True}, "takes as size"),
        ({"sha256": "abc"}, "64 hexadecimal digits, not 'abc'"),
        ({"sha256": 5}, "64 hexadecimal digits"),
        ({"verify": 1}, "takes as verify true or false, not 1"),
        ({"sha265": "0" * 64}, "knows no 'sha265' in resource_kwargs. Did you mean 'sha256'"),
    ],
)
@pytest.mark.parametrize("handler", [FitsSection, ParquetTable, PngPicture])
def test_what_a_resource_says_wrongly_is_refused(handler: Any, arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(HandlerArgumentError, match=said) as caught:
        handler("/some/file", **arguments)
    assert isinstance(caught.value, TypeError)
    assert handler.spec in str(caught.value)


@pytest.mark.parametrize("url", ["https://example.org/a.fits", "gs://bucket/a.fits"])
def test_a_place_that_is_not_reached_from_here_is_refused(url: str) -> None:
    with pytest.raises(HandlerArgumentError, match=f"{url} is neither in S3"):
        FitsSection(url)


@pytest.mark.parametrize("url", ["s3://bucket", "s3:///key", "s3://"])
def test_an_s3_url_without_bucket_or_key_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="s3://bucket/key"):
        FitsSection(url)


def test_content_and_digest_of_a_file_are_those_on_disk(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"some bytes")
    digest = hashlib.sha256(b"some bytes").hexdigest()
    assert ResourceFile(url=str(tmp_path / "a"), size=10, sha256=digest).content() == b"some bytes"
    with pytest.raises(WrongFileError):
        ResourceFile(url=str(tmp_path / "a"), sha256="0" * 64).content()
