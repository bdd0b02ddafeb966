"""Repositories on real services: registry in PostgreSQL, files in S3, several processes at once."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from lsst.daf.butler import DatasetType

from tests.support.annex_faults import FaultyS3
from tests.support.dataset_pieces import PIECES, leave
from tests.support.warm_processes import warm_processes
from underbutler.butlers import CcdImage, InstrumentMap, Repositories, create_repository, find_data_ids, ingest_files
from underbutler.errors import ConflictError, TransientError, UsageError
from underbutler.model.dataref import DataRef
from underbutler.settings import Settings, load_settings

CAMERA = InstrumentMap.model_validate(
    {
        "name": "CAM",
        "match": {"INSTRUME": "CAM"},
        "detector": {"keyword": "DETECTOR"},
        "exposure": {"id": "EXPID"},
        "observation": {"other_types": "science", "filter": "FILTER"},
    }
)
RUN = "u/ann/reduce/1"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(home=tmp_path / "home")


@pytest.fixture
def on_postgres(tmp_path: Path, settings: Settings, postgres_url: str) -> Settings:
    """Settings of an index whose label ``shared`` has its registry in PostgreSQL."""
    create_repository(tmp_path / "repo", "shared", settings, [CAMERA], registry_url=postgres_url)
    return settings


def frame(folder: Path, exposure: int, detector: int, filter_name: str = "R") -> Path:
    header = fits.Header(
        {
            "INSTRUME": "CAM",
            "DETECTOR": detector,
            "EXPID": exposure,
            "DATE-OBS": f"2026-11-20T20:00:{exposure:02d}",
            "EXPTIME": 1.0,
            "FILTER": filter_name,
        }
    )
    path = folder / f"{exposure}-{detector}.fits"
    fits.PrimaryHDU(np.full((3, 4), 10 * exposure + detector, np.uint16), header=header).writeto(path)
    return path


def image(value: float) -> CcdImage:
    return CcdImage(np.full((2, 2), value), np.zeros((2, 2), np.uint8), np.ones((2, 2)))


def register_outputs(repositories: Repositories) -> None:
    with repositories.butler("shared", writeable=True) as butler:
        dimensions = ("instrument", "detector", "exposure")
        butler.registry.registerDatasetType(DatasetType("calexp", dimensions, "CcdImage", universe=butler.dimensions))
        butler.collections.register(RUN)


def reference(exposure: int, detector: int) -> DataRef:
    data_id = {"instrument": "CAM", "exposure": exposure, "detector": detector}
    return DataRef("shared", data_id, collections=("CAM/raw", "CAM/calib"), run=RUN)


def in_processes(count: int, function: Callable[..., None], *args: Any) -> list[int | None]:
    children = [warm_processes().Process(target=function, args=args) for _ in range(count)]
    for child in children:
        child.start()
    for child in children:
        child.join(120)
    return [child.exitcode for child in children]


def ingest_elsewhere(settings: Settings, files: list[Path]) -> None:
    with Repositories(settings) as repositories:
        report = ingest_files(repositories, "shared", files)
    sys.exit("; ".join(one.note for one in report.failed) or None)


def test_processes_that_ingest_the_same_night_make_it_once(on_postgres: Settings, tmp_path: Path) -> None:
    files = [frame(tmp_path, exposure, detector) for exposure in range(3) for detector in range(2)]
    assert in_processes(3, ingest_elsewhere, on_postgres, files) == [0, 0, 0]
    with Repositories(on_postgres) as repositories, repositories.butler("shared") as butler:
        assert len(butler.query_datasets("raw", ["CAM/raw"])) == 6
        assert len(ingest_files(repositories, "shared", files).skipped) == 6


def test_processes_that_ingest_one_night_make_it_once(settings: Settings, tmp_path: Path) -> None:
    create_repository(tmp_path / "repo", "shared", settings, [CAMERA])
    files = [frame(tmp_path, exposure, detector) for exposure in range(3) for detector in range(2)]
    assert in_processes(3, ingest_elsewhere, settings, files) == [0, 0, 0]
    with Repositories(settings) as repositories:
        assert len(ingest_files(repositories, "shared", files).skipped) == 6


def test_a_second_try_replaces_what_the_first_one_put(on_postgres: Settings, tmp_path: Path) -> None:
    with Repositories(on_postgres) as repositories:
        ingest_files(repositories, "shared", [frame(tmp_path, 1, 0)])
        register_outputs(repositories)
        for value in (1.0, 2.0):
            with repositories.open(reference(1, 0)) as bound:
                assert bound.get("raw").data[0, 0] == 10
                bound.put(image(value), "calexp")
                assert bound.get("calexp").image[0, 0] == value


def test_an_open_factory_sees_new_detectors_and_filters(on_postgres: Settings, tmp_path: Path) -> None:
    with Repositories(on_postgres) as repositories:
        ingest_files(repositories, "shared", [frame(tmp_path, 1, 0)])
        register_outputs(repositories)
        with repositories.open(reference(1, 0)) as bound:
            bound.put(image(1), "calexp")
        new = [frame(tmp_path, 2, 7, filter_name="V"), frame(tmp_path, 3, 8, filter_name="V")]
        assert in_processes(1, ingest_elsewhere, on_postgres, new) == [0]
        with repositories.open(reference(2, 7)) as bound:
            assert bound.get("raw").data[0, 0] == 27
            assert bound.put(image(2), "calexp")
        with repositories.open(reference(3, 8)) as bound:
            assert bound.put(image(3), "calexp")


def test_forked_children_do_not_disturb_the_parents_connections(on_postgres: Settings, tmp_path: Path) -> None:
    """A factory that is shared over a fork breaks in under 1 % of calls: so there are many."""
    with Repositories(on_postgres) as repositories:
        ingest_files(repositories, "shared", [frame(tmp_path, 1, 0)])

        def ask() -> None:
            for _ in range(100):
                with repositories.butler("shared") as butler:
                    assert len(butler.query_datasets("raw", ["CAM/raw"])) == 1

        def child() -> None:
            parent = os.getppid()
            ask()
            repositories.close()
            assert os.getppid() == parent

        context = multiprocessing.get_context("fork")
        with repositories.butler("shared") as open_over_the_fork:
            children = [context.Process(target=child) for _ in range(2)]
            for one in children:
                one.start()
            ask()
            for one in children:
                one.join(120)
            assert [one.exitcode for one in children] == [0, 0]
            assert len(open_over_the_fork.query_datasets("raw", ["CAM/raw"])) == 1


def put_elsewhere(settings: Settings) -> None:
    with Repositories(settings) as repositories:
        for _ in range(5):
            with repositories.open(reference(1, 0)) as bound, contextlib.suppress(ConflictError):
                bound.put(image(float(os.getpid())), "calexp")


def test_two_claims_of_one_output_leave_one_whole_dataset(on_postgres: Settings, tmp_path: Path) -> None:
    """A stopped claim woke up: whoever comes last, row and file agree."""
    with Repositories(on_postgres) as repositories:
        ingest_files(repositories, "shared", [frame(tmp_path, 1, 0)])
        register_outputs(repositories)
        assert in_processes(2, put_elsewhere, on_postgres) == [0, 0]
        with repositories.open(reference(1, 0)) as bound:
            bound.put(image(7), "calexp")
            assert bound.get("calexp").image[0, 0] == 7
            assert len(bound.getButler().query_datasets("calexp", [RUN])) == 1


def test_a_put_makes_whole_whatever_a_race_left_of_a_dataset(on_postgres: Settings, tmp_path: Path) -> None:
    with Repositories(on_postgres) as repositories:
        ingest_files(repositories, "shared", [frame(tmp_path, 1, 0)])
        register_outputs(repositories)
        with repositories.open(reference(1, 0)) as bound:
            for pieces in PIECES:
                leave(bound.getButler(), bound.put(image(1), "calexp"), pieces)
                for value in (2.0, 3.0):
                    bound.put(image(value), "calexp")
                    assert bound.get("calexp").image[0, 0] == value, pieces


def test_a_registry_that_does_not_answer_is_named(tmp_path: Path, settings: Settings) -> None:
    nobody = "postgresql+psycopg://nobody@127.0.0.1:9/none"
    with pytest.raises(TransientError, match="does not answer"):
        create_repository(tmp_path / "repo", "shared", settings, [CAMERA], registry_url=nobody)
    assert not (tmp_path / "repo").exists()


def test_a_repository_may_have_its_files_in_s3(
    settings: Settings, postgres_url: str, moto_endpoint: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import boto3

    monkeypatch.setenv("S3_ENDPOINT_URL", moto_endpoint.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", moto_endpoint.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", moto_endpoint.secret_key)
    monkeypatch.setenv("AWS_DEFAULT_REGION", moto_endpoint.region)
    boto3.client("s3", endpoint_url=moto_endpoint.url).create_bucket(Bucket="butler-root")
    root = "s3://butler-root/site"
    with pytest.raises(UsageError, match="give the registry a database"):
        create_repository(root, "shared", settings, [CAMERA])
    create_repository(root, "shared", settings, [CAMERA], registry_url=postgres_url)
    with Repositories(settings) as repositories:
        report = ingest_files(repositories, "shared", [frame(tmp_path, 1, 0)])
        assert len(report.ingested) == 1, report
        register_outputs(repositories)
        with repositories.open(reference(1, 0)) as bound:
            assert bound.get("raw").data[0, 0] == 10
            bound.put(image(3), "calexp")
            assert bound.get_uri("calexp").startswith("s3://butler-root/site/u/ann/")
            assert bound.get("calexp").image[0, 0] == 3
            assert bound.get("calexp.variance").tolist() == [[1, 1], [1, 1]]


def test_a_datastore_that_is_away_is_a_service_that_is_away(
    settings: Settings, postgres_url: str, moto_endpoint: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import boto3

    with FaultyS3(moto_endpoint.url) as store:
        monkeypatch.setenv("S3_ENDPOINT_URL", store.url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", moto_endpoint.access_key)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", moto_endpoint.secret_key)
        monkeypatch.setenv("AWS_DEFAULT_REGION", moto_endpoint.region)
        boto3.client("s3", endpoint_url=store.url).create_bucket(Bucket="butler-away")
        create_repository("s3://butler-away/site", "shared", settings, [CAMERA], registry_url=postgres_url)
        with Repositories(settings) as repositories:
            ingest_files(repositories, "shared", [frame(tmp_path, 1, 0)])
            register_outputs(repositories)
            with repositories.open(reference(1, 0)) as bound:
                store.spoil("busy", "PUT")
                with pytest.raises(TransientError, match="datastore of repository 'shared'"):
                    bound.put(image(3), "calexp")
                store.faults.clear()
                bound.put(image(3), "calexp")
                assert bound.get("calexp").image[0, 0] == 3


def test_postgres_answers_a_faulty_query_as_sqlite_does(on_postgres: Settings) -> None:
    faulty = [
        "exposure > 99999999999999999999",
        "exposure IN (1..99999999999999999999)",
        "NOT " * 3000 + "exposure = 1",
        "exposure",
        "exposure.obs_id = '\0'",
    ]
    dimensions, camera = ("instrument", "exposure"), {"instrument": ["CAM"]}
    with Repositories(on_postgres) as repositories, repositories.butler("shared") as butler:
        for where in faulty:
            with pytest.raises(UsageError, match="query"):
                find_data_ids(butler, dimensions, camera, where=where)
            assert list(find_data_ids(butler, dimensions, camera, where="exposure = 1")) == []
        many = {**camera, "exposure": list(range(3000))}
        assert list(find_data_ids(butler, dimensions, many)) == []
