"""A job as its run: what an astronomer finds in the catalogue of what workers, keepers and sweepers recorded."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import event_model
import pytest
from sqlalchemy import Engine, delete

from tests.support.catalog.truths import check_runs
from tests.support.records.rows import claim_of, new_job, new_target
from underbutler.catalog import Broker
from underbutler.catalog.database import tables as runs
from underbutler.catalog.handlers.array_layout import FileLayout
from underbutler.catalog.lookup import UnknownRunError
from underbutler.model.job import Phase, TargetState
from underbutler.recording import JobRecorder
from underbutler.records import JobRow, JobStore, Outcome, Product
from underbutler.sql import write

IMAGE = FileLayout((100, 200), "<f4", ("y", "x"))
SMALL = FileLayout((50, 60), "<f4", ("y", "x"))


@pytest.fixture
def jobs(engine: Engine) -> JobStore:
    """Return records whose jobs become runs."""
    return JobStore(engine, JobRecorder())


@pytest.fixture
def catalogue(catalogue_url: str, engine: Engine) -> Iterator[Broker]:
    """Return the catalogue of the same database, and compare it with the records at the end."""
    yield Broker(catalogue_url)
    check_runs(engine)


def calexp(layout: FileLayout | None = IMAGE, **fields: Any) -> Product:
    """Return a delivered picture."""
    made = uuid4()
    defaults = {
        "dataset_id": made,
        "dataset_type": "calexp",
        "large": True,
        "url": f"s3://annex/{made}.fits",
        "byte_size": 80_000,
        "sha256": "ab" * 32,
        "layout": layout,
    }
    return Product(**(defaults | fields))


def end(jobs: JobStore, target: UUID, state: TargetState = TargetState.DONE, **fields: Any) -> None:
    """Let a worker bring a target to its end."""
    done = {"exit_status": 0, "seconds": 1.5, "scalars": {"fwhm": 2.5, "n_sources": 7}, "products": [calexp()]}
    words = {"exit_status": 1, "error_type": "ValueError", "error_text": "no stars"}
    outcome = Outcome(state=state, **((done if state is TargetState.DONE else words) | fields))
    jobs.claims.complete(claim_of(jobs, target), outcome)


def targets_of(jobs: JobStore, job: JobRow) -> list[UUID]:
    """Return the targets of a job, in order."""
    return [row.id for row in jobs.read.targets(job.id)]


def test_a_job_is_a_run_from_its_submission_to_its_last_target(jobs: JobStore, catalogue: Broker) -> None:
    data_ids = [{"instrument": "STE3", "exposure": number, "detector": 0} for number in (11, 12, 13)]
    job = jobs.submissions.create_job(
        new_job([new_target(data_id=one) for one in data_ids], versions={"sep": "1.4"}, collections=["raw"])
    )
    run = catalogue[str(job.id)]
    assert run.metadata["stop"] is None
    start = run.metadata["start"]
    assert {key: start[key] for key in ("task", "label", "run", "owner", "scan_id", "config_digest", "versions")} == {
        "task": job.task,
        "label": job.repo,
        "run": job.run,
        "owner": job.user,
        "scan_id": job.scan_id,
        "config_digest": job.steps[0].config_digest,
        "versions": {"sep": "1.4"},
    }
    assert start["data_id"] == {"instrument": "STE3", "exposure": [11, 12, 13], "detector": 0}
    first, second, third = targets_of(jobs, job)
    end(jobs, second, scalars={"fwhm": 3.0, "n_sources": 9})
    assert list(run.primary(exclude=["calexp"]).to_dask()["exposure"].values) == [12], "while the job runs"
    end(jobs, first)
    end(jobs, third, TargetState.FAILED)

    run = catalogue[-1]
    table = run.primary(exclude=["calexp"]).read()
    assert {key: list(table[key].values) for key in table} == {
        "target": [1, 0],
        "instrument": ["STE3", "STE3"],
        "exposure": [12, 11],
        "detector": [0, 0],
        "seconds": [1.5, 1.5],
        "fwhm": [3.0, 2.5],
        "n_sources": [9, 7],
    }
    pictures = run.primary.to_dask()["calexp"]
    assert (pictures.dims, pictures.shape, str(pictures.dtype)) == (("time", "y", "x"), (2, 100, 200), "float32")
    problems = run.problems.read()
    assert [problems[key].item() for key in ("exposure", "exit_status", "error_type", "reason")] == [
        13,
        "failed",
        "ValueError",
        "no stars",
    ]
    stop = run.metadata["stop"]
    assert (stop["exit_status"], stop["reason"]) == ("fail", "2 done, 1 failed")
    assert stop["counts"] == {"done": 2, "failed": 1}
    assert stop["num_events"] == {"primary": 2, "problems": 1}
    assert len(stop["datasets"]) == 2


def test_every_document_fits_its_schema_and_replays(jobs: JobStore, catalogue: Broker) -> None:
    job = jobs.submissions.create_job(new_job(3))
    first, second, third = targets_of(jobs, job)
    end(jobs, first, products=[calexp(), Product(dataset_id=uuid4(), dataset_type="metadata")])
    end(jobs, second, scalars={"fwhm": math.nan, "n_sources": 0})
    end(jobs, third, TargetState.NO_WORK)
    seen: list[str] = []

    class Consumer(event_model.DocumentRouter):
        def __call__(self, name: str, document: Any, validate: bool = True) -> Any:
            seen.append(name)
            return super().__call__(name, document, validate=validate)

    router = event_model.RunRouter([lambda *_: ([Consumer()], [])])
    for name, document in catalogue[-1].documents(fill="no"):
        event_model.schema_validators[event_model.DocumentNames[name]].validate(dict(document))
        router(name, document)
    assert [seen.count(name) for name in ("start", "descriptor", "resource", "stop")] == [1, 2, 2, 1]
    assert math.isnan(catalogue[-1].primary(exclude=["calexp"]).read()["fwhm"].values[1])


def test_pictures_of_other_shapes_have_a_stream_of_their_own(jobs: JobStore, catalogue: Broker) -> None:
    data_ids = [{"instrument": "CAM", "exposure": 1, "detector": number} for number in range(4)]
    job = jobs.submissions.create_job(new_job([new_target(data_id=one) for one in data_ids]))
    for target, layout in zip(targets_of(jobs, job), (IMAGE, SMALL, IMAGE, SMALL), strict=True):
        end(jobs, target, products=[calexp(layout)])
    run = catalogue[-1]
    assert sorted(run) == ["primary", "primary_CAM_1", "primary_CAM_3"]
    assert run.primary.to_dask()["calexp"].shape == (2, 100, 200)
    assert run["primary_CAM_3"].to_dask()["calexp"].shape == (1, 50, 60)
    assert run.metadata["stop"]["num_events"] == {"primary": 2, "primary_CAM_1": 1, "primary_CAM_3": 1}


def test_every_picture_has_a_stream_whatever_its_shape(jobs: JobStore, catalogue: Broker) -> None:
    data_ids = [{"instrument": "CAM", "exposure": number, "detector": 1} for number in range(4)]
    job = jobs.submissions.create_job(new_job([new_target(data_id=one) for one in data_ids]))
    shapes = [(100, 200), (50, 60), (50, 61), (50, 61)]
    for target, shape in zip(targets_of(jobs, job), shapes, strict=True):
        end(jobs, target, products=[calexp(FileLayout(shape, "<f4", ("y", "x")))])
    streams = catalogue[-1].metadata["stop"]["num_events"]
    assert streams == {"primary": 1, "primary_CAM_1": 1, "primary_CAM_1_50x61": 2}


def test_targets_with_other_fields_are_in_the_same_stream(jobs: JobStore, catalogue: Broker) -> None:
    job = jobs.submissions.create_job(new_job(3))
    first, second, third = targets_of(jobs, job)
    end(jobs, first)
    end(jobs, second, scalars={"n_sources": 3}, products=[])
    end(jobs, third, scalars={"fwhm": 4.0, "n_sources": 1, "isr.flat/name": "f1", "seconds": 9.0})
    table = catalogue[-1].primary(exclude=["calexp"]).read()
    assert list(table["n_sources"].values) == [7, 3, 1]
    assert list(table["fwhm"].fillna(-1).values) == [2.5, -1, 4.0]
    assert table["isr_flat_name"].values[2] == "f1"
    assert table["task_metadata_seconds"].values[2] == 9.0, "a name that is taken is told by its source"
    assert list(table["seconds"].values) == [1.5] * 3


def test_a_number_whose_name_ends_in_a_unit_has_that_unit(jobs: JobStore, catalogue: Broker) -> None:
    job = jobs.submissions.create_job(new_job())
    scalars = {"fwhm_px": 2.5, "fwhm_arcsec": 0.5, "sky_e": 130.1, "name_s": "no number", "_e": 1.0}
    end(jobs, targets_of(jobs, job)[0], scalars=scalars, products=[])
    table = catalogue[-1].primary.read()
    assert {name: table[name].attrs.get("units") for name in table if name not in {"target", "exposure"}} == {
        "seconds": "s",
        "fwhm": "arcsec",
        "fwhm_px": None,
        "sky": "electron",
        "name_s": None,
        "_e": None,
    }


def test_whoever_ends_the_last_target_stops_the_run(jobs: JobStore, catalogue: Broker, engine: Engine) -> None:
    held = jobs.submissions.create_job(new_job())
    claim = claim_of(jobs, targets_of(jobs, held)[0])
    jobs.leases.end_claim(claim.target, claim.claim_no, end="died", reason="killed", max_deaths=1, max_worker_deaths=10)
    cancelled = jobs.submissions.create_job(new_job(600))
    jobs.cancellation.cancel(cancelled.id)
    empty = jobs.submissions.create_job(new_job(0))
    facts = {}
    for job in (held, cancelled, empty):
        stop = catalogue[str(job.id)].metadata["stop"]
        facts[job.id] = (stop["exit_status"], stop["counts"], stop["num_events"])
    assert facts == {
        held.id: ("fail", {"held": 1}, {"problems": 1}),
        cancelled.id: ("abort", {"aborted": 600}, {"problems": 600}),
        empty.id: ("success", {}, {}),
    }
    table = catalogue[str(cancelled.id)].problems.read()
    assert list(table["target"].values) == list(range(600)), "in the order of the job"
    assert "killed" in catalogue[str(held.id)].problems.read()["reason"].item()


def test_what_is_run_again_is_a_new_run_that_names_the_old_one(jobs: JobStore, catalogue: Broker) -> None:
    job = jobs.submissions.create_job(new_job())
    end(jobs, targets_of(jobs, job)[0], TargetState.HELD)
    again = jobs.submissions.create_job(new_job(parent_id=job.id, replaces=targets_of(jobs, job)))
    assert catalogue[-1].metadata["start"]["parent"] == str(job.id)
    assert list(catalogue.search({"parent": str(job.id)})) == [str(again.id)]
    assert catalogue[str(job.id)].metadata["stop"]["exit_status"] == "fail"


def test_a_run_is_found_by_a_dataset_and_a_dataset_by_its_event(jobs: JobStore, catalogue: Broker) -> None:
    jobs.submissions.create_job(new_job())
    job = jobs.submissions.create_job(new_job(2))
    picture, notes = calexp(), Product(dataset_id=uuid4(), dataset_type="metadata")
    end(jobs, targets_of(jobs, job)[0], products=[picture, notes])
    assert catalogue.run_of(picture.dataset_id).metadata["start"]["uid"] == str(job.id), "while the job runs"
    assert catalogue.run_of(str(notes.dataset_id)).metadata["start"]["uid"] == str(job.id)
    with pytest.raises(UnknownRunError, match="RUN collection"):
        catalogue.run_of(uuid4())
    with pytest.raises(UnknownRunError):
        catalogue.search({"task": "other"}).run_of(picture.dataset_id)
    documents = list(catalogue[-1].documents(fill="no"))
    (resource,) = [document for name, document in documents if name == "resource"]
    assert resource["resource_kwargs"]["dataset"] == str(picture.dataset_id)
    assert resource["resource_path"] == picture.url


def test_what_no_annex_handler_reads_is_read_from_the_butler(jobs: JobStore, catalogue: Broker) -> None:
    job = jobs.submissions.create_job(new_job())
    made = calexp(None, url="s3://annex/model.pickle", dataset_type="psf.model")
    end(jobs, targets_of(jobs, job)[0], products=[made])
    documents = list(catalogue[-1].documents(fill="no"))
    (resource,) = [document for name, document in documents if name == "resource"]
    assert (resource["spec"], resource["resource_path"]) == ("BUTLER", f"butler://{job.out}/{made.dataset_id}")
    (descriptor,) = [document for name, document in documents if name == "descriptor"]
    assert "psf_model" in descriptor["data_keys"]


def test_a_job_older_than_the_catalogue_ends_nonetheless(jobs: JobStore, engine: Engine) -> None:
    job = jobs.submissions.create_job(new_job(2))
    with write(engine) as connection:
        connection.execute(delete(runs.DataId))
        connection.execute(delete(runs.Run))
    first, second = targets_of(jobs, job)
    end(jobs, first)
    jobs.cancellation.cancel_target(second)
    assert jobs.read.job(job.id).phase is Phase.ABORTED


def test_secrets_stay_out_of_documents(jobs: JobStore, catalogue: Broker) -> None:
    job = jobs.submissions.create_job(new_job(2, options={"broker": "redis://:hunter2@host/0"}))
    first, second = targets_of(jobs, job)
    end(jobs, first, scalars={"source": "https://ann:hunter2@host/x"})
    end(jobs, second, TargetState.FAILED, error_text="no answer from https://ann:hunter2@host/x")
    assert "hunter2" not in repr(list(catalogue[-1].documents(fill="no")))
