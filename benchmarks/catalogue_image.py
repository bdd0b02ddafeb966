"""One 1k × 1k image of a run of 100, which lie in S3: how many of their bytes are fetched, and how long it takes.

The images lie in two ways: each in a FITS file of its own, with mask and variance, as a worker delivers them; and all
in one cube. Bytes are those that the store's answers hold, their headers not counted. The store is moto, over HTTP.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import numpy as np
from _place import own_folder
from _rounds import NAME_WIDTH, Row, Series, interleaved, parse, print_machine, print_table, timed, verdict

SIDE = 1024
TARGET = 1.2
BUCKET = "rubinobs-lfa-bench-ste3"
BEGIN = 1_790_000_000.0


def main() -> None:
    """Measure and print."""
    from underbutler.catalog import Broker
    from underbutler.catalog.database.store import CatalogStore
    from underbutler.migrations import upgrade

    quick = parse(__doc__).quick
    count = 8 if quick else 100
    print_machine("before")
    with own_folder() as folder, ExitStack() as running:
        client = start_store(folder, running)
        url = f"sqlite:///{folder}/runs.sqlite"
        upgrade(url)
        store = CatalogStore.open(url)
        ways = {"a file each": files_of(client, count), "one cube": cube_of(client, count)}
        fetched: list[int] = []
        client.meta.events.register("after-call.s3.GetObject", lambda http_response, **_: note(fetched, http_response))
        variants: dict[str, Callable[[], float]] = {}
        bytes_of: dict[str, list[int]] = {}
        for way, resources in ways.items():
            uid = store.import_run(run_of(way, resources, count))
            catalogue = Broker(url)

            def one(uid: str = uid, catalogue: Any = catalogue) -> Any:
                fetched.clear()
                return catalogue[uid].primary.to_dask()["image"][count // 2].compute()

            image = one()
            assert (image.values == image_of(count // 2)).all()
            bytes_of[way] = list(fetched)
            variants[f"{way}: one of {count}, by to_dask"] = timed(one)
        measured = interleaved(variants, rounds=1 if quick else 15, budget_s=60, warm_up=0 if quick else 1)
    print_table("One image", {name: Row(Series(tuple(values))) for name, values in measured.items()})
    print(f"\n{'':{NAME_WIDTH}}{'requests':>12}{'bytes':>12}{'of the image':>16}")
    for way, sizes in bytes_of.items():
        print(f"{way:{NAME_WIDTH}}{len(sizes):12}{sum(sizes):12}{sum(sizes) / image.nbytes:15.3f}×")
    for way, sizes in bytes_of.items():
        ratio = sum(sizes) / image.nbytes
        verdict(f"< {TARGET:g}× the image's bytes, {way}", f"{ratio:.3f}×", met=ratio < TARGET, quick=False)
    print_machine("after")


def note(fetched: list[int], response: Any) -> None:
    """Count the bytes of an answer."""
    fetched.append(int(response.headers["content-length"]))


def start_store(folder: Any, running: ExitStack) -> Any:
    """Start an S3 server and return the client that handlers use."""
    from underbutler.annex import ensure_bucket
    from underbutler.embedded.process import Guard
    from underbutler.embedded.servers import start_s3
    from underbutler.s3 import shared_client
    from underbutler.settings import load_settings

    os.environ["MOTO_S3_DEFAULT_KEY_BUFFER_SIZE"] = str(2**20)  # larger objects are on the disk
    guard = running.enter_context(Guard())
    moto = start_s3(folder / "s3", guard=guard)
    running.callback(moto.process.stop)
    os.environ |= {
        "UNDERBUTLER_HOME": str(folder / "home"),
        "UNDERBUTLER_S3_ENDPOINT_URL": moto.url,
        "UNDERBUTLER_S3_ACCESS_KEY_ID": "testing",
        "UNDERBUTLER_S3_SECRET_ACCESS_KEY": "testing",
    }
    client = shared_client(load_settings())
    ensure_bucket(client, BUCKET)
    return client


def image_of(number: int) -> np.ndarray[Any, Any]:
    """Return an image."""
    return np.random.default_rng(number).normal(1000, 30, (SIDE, SIDE)).astype(np.float32)


def files_of(client: Any, count: int) -> list[tuple[str, dict[str, Any]]]:
    """Store each image in a file of its own; return resource path and datum arguments of each."""
    from underbutler.butlers import CcdImage

    found = []
    for number in range(count):
        key = f"files/{number}.fits"
        image = image_of(number)
        written = CcdImage(image, (image > 1090).astype(np.uint16), image, unit="adu", mask_planes={"HOT": 0})
        client.put_object(Bucket=BUCKET, Key=key, Body=written.to_bytes())
        found.append((key, {"hdu": "IMAGE"}))
    return found


def cube_of(client: Any, count: int) -> list[tuple[str, dict[str, Any]]]:
    """Store all images in one file; return resource path and datum arguments of each."""
    from astropy.io import fits

    stream = io.BytesIO()
    cube = np.stack([image_of(number) for number in range(count)])
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(cube, name="CUBE")]).writeto(stream)
    client.put_object(Bucket=BUCKET, Key="cube.fits", Body=stream.getvalue())
    return [("cube.fits", {"hdu": "CUBE", "plane": number}) for number in range(count)]


def run_of(way: str, places: list[tuple[str, dict[str, Any]]], count: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the documents of a run whose events point to the images."""
    run = way.replace(" ", "-")
    yield "start", {"uid": run, "time": BEGIN}
    key = {"dtype": "array", "shape": [SIDE, SIDE], "dtype_numpy": "<f4", "source": "bench", "external": "FILESTORE:"}
    descriptor = {"uid": f"{run}-primary", "run_start": run, "time": BEGIN, "name": "primary"}
    yield "descriptor", descriptor | {"data_keys": {"image": key}, "configuration": {}, "object_keys": {}, "hints": {}}
    for path in dict.fromkeys(path for path, _ in places):
        resource = {"uid": f"{run}-{path}", "run_start": run, "spec": "ANNEX_FITS", "root": f"s3://{BUCKET}"}
        yield "resource", resource | {"resource_path": path, "resource_kwargs": {}, "path_semantics": "posix"}
    for number, (path, arguments) in enumerate(places):
        resource_uid = f"{run}-{path}"
        datum_id = f"{resource_uid}/{number}"
        yield "datum", {"datum_id": datum_id, "resource": resource_uid, "datum_kwargs": arguments}
    for number, (path, _) in enumerate(places):
        event = {"uid": f"{run}-{number}", "descriptor": f"{run}-primary", "seq_num": number + 1}
        values = {"data": {"image": f"{run}-{path}/{number}"}, "filled": {"image": False}}
        yield "event", event | values | {"time": BEGIN + number, "timestamps": {"image": BEGIN + number}}
    yield "stop", {"uid": f"{run}-stop", "run_start": run, "time": BEGIN + count, "exit_status": "success"}


if __name__ == "__main__":
    main()
