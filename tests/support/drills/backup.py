"""A backup as docs/howto/deploy.md prescribes it, the end of everything, and the way back."""

from __future__ import annotations

import shutil
from pathlib import Path
from subprocess import run

import redis

from tests.support.drills.site import DrillSite
from tests.support.services import find_program, missing, postgres_execute
from underbutler.annex import bucket_for
from underbutler.context import ServiceContext
from underbutler.sql import parse_url

__all__ = ["Backup"]


class Backup:
    """A copy of records, registry and datastore, taken in this order while everything runs.

    Parameters
    ----------
    site
        Whose; its records and its registry are databases of their own.
    folder
        Where the copies go.
    """

    def __init__(self, site: DrillSite, records_url: str, registry_url: str, folder: Path) -> None:
        self._site = site
        self._databases = {"records": records_url, "registry": registry_url}
        self._folder = folder
        self._repo = site.home / "repo"

    def take_records(self) -> None:
        """Copy what refers to everything else: first."""
        self._dump("records")

    def take_the_rest(self) -> None:
        """Copy what is referred to: the registry, then the files, which must not be younger than what names them."""
        self._dump("registry")
        shutil.copytree(self._repo, self._folder / "repo")

    def destroy_the_site(self) -> None:
        """End every process; lose databases, files, objects, and all that the broker holds."""
        site = self._site
        site.end_all()
        site.context.close()
        with redis.Redis.from_url(site.settings.broker_url) as client:
            client.flushdb()
        for url in self._databases.values():
            postgres_execute(_server(url), f"DROP DATABASE {_name(url)} WITH (FORCE)")
        site.heard.forget()
        shutil.rmtree(self._repo)
        bucket = bucket_for(site.settings, "SIMCAM")
        for page in site.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            for item in page.get("Contents", []):
                site.s3.delete_object(Bucket=bucket, Key=item["Key"])

    def restore(self) -> None:
        """Put the copies where they were; nothing runs yet."""
        shutil.copytree(self._folder / "repo", self._repo)
        for name, url in self._databases.items():
            postgres_execute(_server(url), f"CREATE DATABASE {_name(url)} TEMPLATE template0")
            _program("pg_restore", "--exit-on-error", "-d", _plain(url), str(self._folder / f"{name}.dump"))
        self._site.context = ServiceContext(self._site.settings)

    def _dump(self, name: str) -> None:
        _program("pg_dump", "-Fc", "-f", str(self._folder / f"{name}.dump"), _plain(self._databases[name]))


def _program(name: str, *words: str) -> None:
    program = find_program(
        name, "/usr/lib/postgresql/*/bin", "/usr/local/pgsql/bin", "/opt/homebrew/opt/postgresql*/bin"
    )
    if program is None:
        missing(name, "apt-get install postgresql-client")
    done = run([program, *words], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr


def _plain(url: str) -> str:
    return url.replace("+psycopg", "")


def _name(url: str) -> str:
    return str(parse_url(url).database)


def _server(url: str) -> str:
    return url.removesuffix(_name(url)) + "postgres"
