"""A bucket of a real S3 server that handlers read from, and what is fetched of it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from astropy.io import fits

from tests.support.services import S3Endpoint
from underbutler.annex import deliver, ensure_bucket
from underbutler.butlers import CcdImage
from underbutler.s3 import make_client, shared_client
from underbutler.settings import Settings

__all__ = ["KEY", "SIDE", "Store", "calexp", "ccd_image", "settings_for", "store", "store_at", "swift"]

SIDE = 1024
KEY = "2013/07/13/STE3-processCcd.calexp-20130713-2013-07-14T00:57:33.000-detector=0 é-a.1.fits"
NUMBERS = count(1)


@dataclass
class Store:
    """A bucket of a store, and what was fetched of it."""

    endpoint: S3Endpoint
    bucket: str
    settings: Settings
    client: Any

    def put(self, data: bytes, key: str = KEY) -> str:
        deliver(
            self.client,
            io.BytesIO(data),
            bucket=self.bucket,
            key=key,
            size=len(data),
            mime_type="application/fits",
            metadata={"job": "j"},
        )
        return f"s3://{self.bucket}/{key}"

    @contextmanager
    def counted(self) -> Iterator[list[int]]:
        """Give the bytes of each answer to a GET inside the block, as the store has told them."""
        sizes: list[int] = []

        def note(http_response: Any, **_: Any) -> None:
            assert http_response.status_code == 206, "never the whole object"
            sizes.append(int(http_response.headers["content-length"]))

        events = shared_client(self.settings).meta.events
        events.register("after-call.s3.GetObject", note)
        try:
            yield sizes
        finally:
            events.unregister("after-call.s3.GetObject", note)


def settings_for(endpoint: S3Endpoint, url: str | None = None) -> Settings:
    return Settings(
        _env_file=None,
        s3_endpoint_url=url or endpoint.url,
        s3_access_key_id=endpoint.access_key,
        s3_secret_access_key=endpoint.secret_key,  # type: ignore[arg-type]
    )


@pytest.fixture(params=["moto_endpoint", "swift_endpoint"], ids=["moto", "swift"])
def store(request: pytest.FixtureRequest) -> Store:
    endpoint: S3Endpoint = request.getfixturevalue(request.param)
    return store_at(endpoint)


@pytest.fixture
def swift(swift_endpoint: S3Endpoint) -> Store:
    return store_at(swift_endpoint)


def store_at(endpoint: S3Endpoint) -> Store:
    settings = settings_for(endpoint)
    client = make_client(settings)
    bucket = f"rubinobs-lfa-test-h{next(NUMBERS)}-{uuid4().hex[:8]}"
    ensure_bucket(client, bucket)
    return Store(endpoint, bucket, settings, client)


def ccd_image(value: int = 0) -> CcdImage:
    """Return an image of 1k×1k with the header of a real frame."""
    image = np.arange(SIDE * SIDE, dtype=np.float32).reshape(SIDE, SIDE) + value
    header = fits.Header({f"KEY{n}": n for n in range(120)})
    mask = (image % 7).astype(np.uint16)
    return CcdImage(image, mask, image + 1, header=header, unit="electron", mask_planes={"BAD": 0})


@pytest.fixture(scope="module")
def calexp() -> CcdImage:
    return ccd_image()
