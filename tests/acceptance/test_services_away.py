"""A service that is away is named, with its place and the cure; and nothing is left half made."""

from __future__ import annotations

import pytest

from tests.support.stack.site import NIGHT_ID, Site
from underbutler.embedded.process import free_port

pytestmark = pytest.mark.xdist_group("site")


def _runs(site: Site) -> set[str]:
    with site.context.repositories.butler("demo") as butler:
        return set(butler.collections.query("u/*"))


def test_a_broker_that_is_away_leaves_no_job_and_no_run(site: Site) -> None:
    jobs, runs = site.context.jobs.read.jobs(limit=1), _runs(site)
    port = free_port()
    url = f"redis://:secret@127.0.0.1:{port}/0"
    done = site.run("submit", "probeWrite", "demo", *NIGHT_ID, env={"UNDERBUTLER_BROKER_URL": url})
    assert done.code == 3
    assert f"127.0.0.1:{port}" in done.err
    assert "secret" not in done.err
    assert "Start your Redis at 127.0.0.1:" in done.err
    assert "Traceback" not in done.err
    assert site.context.jobs.read.jobs(limit=1) == jobs
    assert _runs(site) == runs


def test_a_database_that_is_away_leaves_no_run(site: Site) -> None:
    runs = _runs(site)
    url = f"postgresql+psycopg://ann:secret@127.0.0.1:{free_port()}/records"
    done = site.run("submit", "probeWrite", "demo", *NIGHT_ID, env={"UNDERBUTLER_DATABASE_URL": url})
    assert done.code == 3
    assert "127.0.0.1" in done.err
    assert "secret" not in done.err
    assert "Traceback" not in done.err
    assert _runs(site) == runs


def test_an_absent_annex_is_reported_and_the_repository_is_made(site: Site, tmp_path: object) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    done = site.run("repo", "create", f"{tmp_path}/other", "--label", "other", env={"UNDERBUTLER_S3_ENDPOINT_URL": url})
    assert done.code == 0
    assert url in done.err.replace("\n", "")
    assert "other" in site.run("repo", "list").out


def test_a_taken_label_and_a_folder_with_files_are_refused(site: Site, tmp_path: object) -> None:
    taken = site.run("repo", "create", f"{tmp_path}/again", "--label", "demo")
    assert taken.code == 2
    assert "demo" in taken.err
    full = site.run("repo", "create", str(site.stack.home), "--label", "third")
    assert full.code == 2
    assert "third" not in site.run("repo", "list").out


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"this is not a FITS", "broken.fits"), (None, "absent.fits")],
)
def test_a_file_that_cannot_be_ingested_is_named(
    site: Site, tmp_path: object, content: bytes | None, words: str
) -> None:
    path = f"{tmp_path}/{words}"
    if content is not None:
        with open(path, "wb") as file:  # noqa: PTH123 - a path in a text
            file.write(content)
    done = site.run("ingest", "demo", path)
    assert done.code == 2
    assert words in done.err
    assert "0 ingested, 0 skipped, 1 failed" in done.out
