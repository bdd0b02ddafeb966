"""The configuration of OpenStack Swift with its S3 API, all in one folder; standard library only.

For the service of the tests (`swift_service`) and for the stand-in image of the S3 store (`tests/docker/standins`).
"""

from __future__ import annotations

import getpass
from collections.abc import Mapping
from pathlib import Path

__all__ = ["SWIFT_KINDS", "write_swift_files"]

SWIFT_KINDS = ("account", "container", "object")

SWIFT_PIPELINE = (
    "catch_errors gatekeeper healthcheck cache etag-quoter listing_formats bulk tempurl ratelimit s3api tempauth slo "
    "dlo versioned_writes symlink proxy-logging proxy-server"
)

SWIFT_S3_OPTIONS = """s3_acl = false
location = us-east-1
allow_multipart_uploads = true
min_segment_size = 5242880
check_bucket_owner = false
"""


def write_swift_files(
    folder: Path,
    ports: Mapping[str, int],
    *,
    proxy_address: str = "127.0.0.1",
    key: str = "test:tester",
    secret: str = "testing",
) -> None:
    """Write the configuration of Swift's four servers into a folder that will hold their data too.

    Parameters
    ----------
    folder
        Where to.
    ports
        One for each of `SWIFT_KINDS`, ``proxy`` and ``memcached``.
    proxy_address
        Where the S3 API listens; the others listen at loopback.
    key, secret
        The credentials that it takes; the key is ``ACCOUNT:USER``.
    """
    user = getpass.getuser()
    common = f"user = {user}\nswift_dir = {folder}\nlog_address = {folder}/no-syslog\n"
    (folder / "swift.conf").write_text(
        "[swift-hash]\nswift_hash_path_prefix = test\nswift_hash_path_suffix = test\n"
        "[storage-policy:0]\nname = gold\ndefault = yes\n"
        "[swift-constraints]\nmax_file_size = 5368709122\n"
    )
    for kind in SWIFT_KINDS:
        (folder / f"{kind}.conf").write_text(
            f"[DEFAULT]\nbind_ip = 127.0.0.1\n{common}bind_port = {ports[kind]}\n"
            f"devices = {folder}/devices\nmount_check = false\n"
            "workers = 0\ndisable_fallocate = true\n"
            f"[pipeline:main]\npipeline = healthcheck {kind}-server\n"
            "[filter:healthcheck]\nuse = egg:swift#healthcheck\n"
            f"[app:{kind}-server]\nuse = egg:swift#{kind}\n"
            f"[{kind}-replicator]\n[{kind}-updater]\n[{kind}-auditor]\n"
        )
    settings = {
        "cache": ("memcache", f"memcache_servers = 127.0.0.1:{ports['memcached']}"),
        "s3api": ("s3api", SWIFT_S3_OPTIONS),
        "tempauth": ("tempauth", f"user_{key.replace(':', '_')} = {secret} .admin"),
        "proxy-logging": ("proxy_logging", ""),
        "etag-quoter": ("etag_quoter", ""),
    }
    text = f"[DEFAULT]\nbind_ip = {proxy_address}\n{common}bind_port = {ports['proxy']}\nworkers = 0\n"
    text += f"[pipeline:main]\npipeline = {SWIFT_PIPELINE}\n"
    text += "[app:proxy-server]\nuse = egg:swift#proxy\naccount_autocreate = true\n"
    for name in SWIFT_PIPELINE.split()[:-1]:
        egg, options = settings.get(name, (name, ""))
        text += f"[filter:{name}]\nuse = egg:swift#{egg}\n{options}\n"
    (folder / "proxy.conf").write_text(text)
