"""A process that uploads a file each time it is told to, so that its peak memory is that of one way of uploading.

``_uploader.py WAY FILE BUCKET``; the store is told by ``UNDERBUTLER_S3_*``. It says ``ready``; a line on
stdin is then one upload, answered by what that took, and by how much the process has grown at most since ``ready``.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

from underbutler.annex import deliver, make_client
from underbutler.settings import Settings, load_settings

MIME_TYPE = "application/octet-stream"
Upload = Callable[[BinaryIO, int], object]


def main() -> None:
    """Upload for each line, until there is none."""
    way, file, bucket = sys.argv[1:]
    place = {"Bucket": bucket, "Key": f"bench/{way}.dat"}
    settings = load_settings()
    client = bare_client(settings) if way == "bare" else make_client(settings)
    upload = delivery(client, place, settings) if way == "deliver" else bare_upload(client, place)
    upload(BytesIO(b"loaded"), 6)  # what is loaded once is not counted
    before = peak_bytes()
    print("ready", flush=True)
    for _ in sys.stdin:
        size = Path(file).stat().st_size
        with Path(file).open("rb") as source:
            begin, cpu = time.perf_counter(), time.process_time()
            upload(source, size)
            spent = {"seconds": time.perf_counter() - begin, "cpu_seconds": time.process_time() - cpu}
        assert client.head_object(**place)["ContentLength"] == size
        client.delete_object(**place)
        print(json.dumps(spent | {"peak_bytes": peak_bytes() - before}), flush=True)


def delivery(client: Any, place: dict[str, str], settings: Settings) -> Upload:
    """Return Underbutler's delivery, as a worker calls it: with checksum and verification."""
    return lambda source, size: deliver(
        client,
        source,
        bucket=place["Bucket"],
        key=place["Key"],
        size=size,
        mime_type=MIME_TYPE,
        metadata={"job": "bench"},
        part_bytes=settings.annex_part_bytes,
    )


def bare_upload(client: Any, place: dict[str, str]) -> Upload:
    """Return boto3's own upload, with its defaults."""
    return lambda source, _: client.upload_fileobj(source, place["Bucket"], place["Key"])


def bare_client(settings: Settings) -> Any:
    """Return boto3's own client, with its defaults."""
    import boto3

    secret = settings.s3_secret_access_key
    assert secret is not None
    return boto3.client(
        "s3",
        endpoint_url=settings.s3_endpoint_url,
        aws_access_key_id=settings.s3_access_key_id,
        aws_secret_access_key=secret.get_secret_value(),
        region_name=settings.s3_region,
    )


def peak_bytes() -> int:
    """Return the largest resident memory that this process has had."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        os._exit(130)
