"""Records, bucket, notices and Butler are compared, and what was taken away, changed or left behind is put in order."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from lsst.daf.butler import CollectionType
from sqlalchemy import delete, select, update

from tests.support.command_line import CommandLine, environment_of
from tests.support.services import S3Endpoint, eventually
from tests.support.target_site import BOUNDS, TargetSite, open_target_site, target_of
from underbutler.annex import bucket_for
from underbutler.embedded.recovery import bring_back
from underbutler.model.naming import parse_s3_url
from underbutler.records import JobRow, ProductRow
from underbutler.records.tables.jobs import Notice
from underbutler.sql import read, write
from underbutler.status.annex import forgotten_objects

PNG = b"\x89PNG\r\n\x1a\n"


ON_EACH_STORE = pytest.mark.parametrize("site", ["moto_endpoint", "swift_endpoint"], indirect=True)
"""A test whose end is in what a store answers. What is in records and Butler is compared on one of them."""


@pytest.fixture(scope="module")
def site(
    request: pytest.FixtureRequest, redis_server: tuple[str, Iterator[int]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TargetSite]:
    store: S3Endpoint = request.getfixturevalue(getattr(request, "param", "moto_endpoint"))
    base, numbers = redis_server
    broker = f"{base}/{next(numbers)}"
    with open_target_site(tmp_path_factory, store, broker_url=broker, hard_limit_s=1, outbox_grace_s=0.0) as made:
        yield made


@pytest.fixture
def command(site: TargetSite, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    for name, value in environment_of(site.settings).items():
        monkeypatch.setenv(name, value)
    return CommandLine(capsys)


@pytest.fixture
def job(site: TargetSite) -> JobRow:
    """Return a job of two targets, both done."""
    job, messages = site.submitted("onePicture")
    for one in messages:
        site.run(one)
    return site.context.jobs.read.job(job.id)


def pictures(site: TargetSite, job: JobRow) -> list[ProductRow]:
    return [product for product in site.context.jobs.read.products(job.id) if product.large]


def place(product: ProductRow) -> dict[str, str]:
    bucket, key = parse_s3_url(str(product.url))
    return {"Bucket": bucket, "Key": key}


def found(command: CommandLine, job: JobRow, *options: str) -> list[dict[str, Any]]:
    said = command("annex", "verify", job.id, *options, "--format", "json")
    findings: list[dict[str, Any]] = said.json
    left = [one for one in findings if not one["repaired"]]
    assert said.code == (1 if left else 0), said.err
    return findings


def kinds(findings: list[dict[str, Any]]) -> list[str]:
    return sorted(one["kind"] for one in findings)


@ON_EACH_STORE
def test_a_job_that_is_in_order_has_no_findings(site: TargetSite, command: CommandLine, job: JobRow) -> None:
    assert found(command, job) == []
    assert found(command, job, "--deep", "--since", "1") == []
    said = command("annex", "verify", job.id)
    assert said.code == 0
    assert "2 objects compared" in said.err
    assert "no findings" in said.err


@ON_EACH_STORE
def test_a_missing_object_is_delivered_again_under_its_key(site: TargetSite, command: CommandLine, job: JobRow) -> None:
    (gone, _) = pictures(site, job)
    site.s3.delete_object(**place(gone))
    (finding,) = found(command, job)
    assert (finding["kind"], finding["url"], finding["repaired"]) == ("object missing", gone.url, False)
    assert (finding["job"], finding["target"]) == (str(job.id), str(gone.target_id))
    text = command("annex", "verify", job.id)
    assert text.code == 1
    assert "object missing" in text.out
    assert str(gone.url) in text.out.replace("\n", "").replace(" ", "")
    assert "--repair" in text.err
    notices = site.context.jobs.read.notices(job.id)
    (repaired,) = found(command, job, "--repair")
    assert (repaired["repaired"], repaired["told"]) == (True, "delivered again from the Butler")
    assert found(command, job, "--deep") == []
    assert site.context.jobs.read.notices(job.id) == notices
    assert site.announced(job) == [PNG + b"hello"] * 2


def test_what_an_s3_server_forgot_comes_back_and_is_counted(site: TargetSite, job: JobRow) -> None:
    """What `up` does beside a stack whose S3 server was started anew; `status` reads the count."""
    for product in pictures(site, job):
        site.s3.delete_object(**place(product))
    gone = pictures(site, job)[0]
    with site.context.repositories.butler("demo", writeable=True) as butler:
        (ref,) = (one for one in butler.query_all_datasets(job.run) if one.id == gone.dataset_id)
        butler.pruneDatasets([ref], disassociate=True, unstore=True, purge=True)
    said: list[str] = []
    assert bring_back(site.settings, said.append) >= 1
    facts = json.loads(site.settings.recovery_file.read_text())
    assert facts["missing"] == 1
    assert "could not be brought back. Ask why: `underbutler annex verify`." in said[0]
    (finding,) = forgotten_objects(site.settings)
    assert finding.what == f"1 of {facts['total']} announced objects is missing in S3."
    site.settings.recovery_file.unlink()


@ON_EACH_STORE
@pytest.mark.parametrize("body", [b"short", PNG + b"hellO"])
def test_changed_bytes_are_found_without_reading_sound_objects(
    site: TargetSite, command: CommandLine, job: JobRow, body: bytes
) -> None:
    (changed, _) = pictures(site, job)
    site.s3.put_object(**place(changed), Body=body)
    (finding,) = found(command, job)
    assert (finding["kind"], finding["url"]) == ("object differs", changed.url)
    assert found(command, job, "--repair")[0]["repaired"]
    assert found(command, job) == []
    assert site.announced(job) == [PNG + b"hello"] * 2


@ON_EACH_STORE
def test_a_copied_object_with_another_etag_is_in_order(site: TargetSite, command: CommandLine, job: JobRow) -> None:
    (copied, _) = pictures(site, job)
    upload = site.s3.create_multipart_upload(**place(copied))["UploadId"]
    part = site.s3.upload_part(**place(copied), UploadId=upload, PartNumber=1, Body=PNG + b"hello")["ETag"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": part}]}
    site.s3.complete_multipart_upload(**place(copied), UploadId=upload, MultipartUpload=parts)
    assert site.s3.head_object(**place(copied))["ETag"].strip('"') != copied.etag
    assert found(command, job) == []


@ON_EACH_STORE
def test_bytes_that_only_reading_shows_are_found_by_a_deep_look(
    site: TargetSite, command: CommandLine, job: JobRow
) -> None:
    """The file in the Butler is changed behind its back: size and times say nothing."""
    (changed, _) = pictures(site, job)
    with site.context.repositories.butler("demo") as butler:
        file = butler.getURI(butler.get_dataset(changed.dataset_id))
    file.write(PNG + b"HELLO", overwrite=True)
    assert found(command, job) == []
    (finding,) = found(command, job, "--deep")
    assert finding["kind"] == "dataset differs"
    site.s3.delete_object(**place(changed))
    findings = found(command, job, "--deep", "--repair")
    assert kinds(findings) == ["dataset differs", "object missing"]
    assert not any(one["repaired"] for one in findings)
    assert any("other bytes" in one["told"] for one in findings)
    assert site.s3.list_objects_v2(Bucket=place(changed)["Bucket"], Prefix=place(changed)["Key"])["KeyCount"] == 0


def test_a_dataset_that_is_gone_is_told_and_its_object_stays(
    site: TargetSite, command: CommandLine, job: JobRow
) -> None:
    (gone, _) = pictures(site, job)
    with site.context.repositories.butler("demo", writeable=True) as butler:
        butler.pruneDatasets([butler.get_dataset(gone.dataset_id)], disassociate=True, unstore=True, purge=True)
    (finding,) = found(command, job, "--repair")
    assert (finding["kind"], finding["repaired"]) == ("dataset gone", False)
    assert site.announced(job) == [PNG + b"hello"] * 2


def test_a_missing_notice_is_recorded_and_sent(site: TargetSite, command: CommandLine, job: JobRow) -> None:
    before = {notice.id: notice for notice in site.context.jobs.read.notices(job.id)}
    (product, _) = pictures(site, job)
    with write(site.context.engine) as connection:
        connection.execute(delete(Notice).where(Notice.id == f"{product.dataset_id}.{product.claim_no}"))
    (finding,) = found(command, job)
    assert (finding["kind"], finding["url"]) == ("notice missing", product.url)
    assert found(command, job, "--repair")[0]["repaired"]
    assert found(command, job) == []
    for notice in site.context.jobs.read.notices(job.id):
        was = before[notice.id].to_json() | {"sent_at": 0}
        assert notice.to_json() | {"sent_at": 0} == was
    assert all(sent_notices(site, job).values())


def test_an_unsent_notice_is_sent_and_a_wrong_one_reported(site: TargetSite, command: CommandLine, job: JobRow) -> None:
    (unsent, wrong) = site.context.jobs.read.notices(job.id)
    with write(site.context.engine) as connection:
        connection.execute(update(Notice).where(Notice.id == unsent.id).values(sent_at=None))
        connection.execute(
            update(Notice).where(Notice.id == wrong.id).values(body=wrong.to_json() | {"checkSum": "0" * 64})
        )
    assert kinds(found(command, job)) == ["notice differs", "notice unsent"]
    findings = {one["kind"]: one["repaired"] for one in found(command, job, "--repair")}
    assert findings == {"notice differs": False, "notice unsent": True}
    assert sent_notices(site, job)[unsent.id]


def sent_notices(site: TargetSite, job: JobRow) -> dict[str, bool]:
    """Return the notices of a job, and whether the broker has confirmed them."""
    with read(site.context.engine) as connection:
        rows = connection.execute(select(Notice.id, Notice.sent_at).where(Notice.job_id == job.id))
        return {row.id: row.sent_at is not None for row in rows}


def stray_key(site: TargetSite, job: JobRow, target: UUID, claim_no: int) -> dict[str, str]:
    """Return where a dead claim of a target would have written."""
    (product, _) = pictures(site, job)
    where = place(product)
    base = where["Key"].removesuffix(f"{product.target_id}.{product.claim_no}.png")
    return where | {"Key": f"{base}{target}.{claim_no}.png"}


@ON_EACH_STORE
def test_what_dead_claims_left_is_removed_when_it_is_old_enough(
    site: TargetSite, command: CommandLine, job: JobRow
) -> None:
    (product, _) = pictures(site, job)
    left = stray_key(site, job, product.target_id, 7)
    half = stray_key(site, job, product.target_id, 8)
    site.s3.put_object(**left, Body=b"half")
    upload = site.s3.create_multipart_upload(**half)["UploadId"]
    findings = found(command, job)
    assert kinds(findings) == ["stray object", "stray upload"]
    assert findings[0]["url"].endswith(f"{product.target_id}.7.png")
    assert all(one["target"] == str(product.target_id) for one in findings)
    eventually(
        lambda: all(one["repaired"] for one in found(command, job, "--repair")), 20, "the strays to be old enough"
    )
    assert found(command, job) == []
    assert site.s3.list_objects_v2(Bucket=left["Bucket"], Prefix=left["Key"])["KeyCount"] == 0
    uploads = site.s3.list_multipart_uploads(Bucket=half["Bucket"]).get("Uploads", [])
    assert upload not in {one["UploadId"] for one in uploads}
    assert site.announced(job) == [PNG + b"hello"] * 2


@ON_EACH_STORE
def test_a_young_stray_is_told_and_left(
    site: TargetSite, command: CommandLine, job: JobRow, monkeypatch: pytest.MonkeyPatch
) -> None:
    (product, _) = pictures(site, job)
    left = stray_key(site, job, product.target_id, 9)
    site.s3.put_object(**left, Body=b"half")
    monkeypatch.setenv("UNDERBUTLER_HARD_LIMIT_S", "3600")
    (finding,) = found(command, job, "--repair")
    assert not finding["repaired"]
    assert "younger than 3600 s" in finding["told"]
    assert site.s3.head_object(**left)["ContentLength"] == 4
    site.s3.delete_object(**left)


@ON_EACH_STORE
def test_a_foreign_object_or_an_unknown_targets_is_not_removed(
    site: TargetSite, command: CommandLine, job: JobRow
) -> None:
    """A destroyed job's objects stay, and another installation may share the bucket."""
    bucket = bucket_for(site.settings, "SIMCAM")
    foreign = stray_key(site, job, uuid4(), 1)
    site.s3.put_object(**foreign, Body=b"theirs")
    site.s3.put_object(Bucket=bucket, Key="readme.txt", Body=b"theirs")
    said = command("annex", "verify", "--repair", "--format", "json")
    assert not [one for one in said.json if one["url"].endswith(("readme.txt", foreign["Key"]))]
    assert site.s3.head_object(**foreign)["ContentLength"] == 6


def test_what_a_living_claim_writes_is_no_stray(site: TargetSite, command: CommandLine) -> None:
    job, (one, other) = site.submitted("onePicture")
    site.run(other)
    target = target_of(one)
    envelope = one.message.envelope
    claim = site.context.jobs.claims.grant(
        target=target, digest=envelope.digest, send_no=envelope.send_no, worker="w1", pid=1, lease_s=60
    )
    (product,) = pictures(site, job)
    where = place(product)
    base = where["Key"].removesuffix(f"{product.target_id}.{product.claim_no}.png")
    where["Key"] = f"{base}{target}.{claim.claim_no}.png"
    site.s3.put_object(**where, Body=b"half")
    assert found(command, site.context.jobs.read.job(job.id)) == []
    site.context.jobs.leases.end_claim(target, claim.claim_no, end="aborted", reason="enough", **BOUNDS)
    assert kinds(found(command, site.context.jobs.read.job(job.id))) == ["stray object"]
    site.s3.delete_object(**where)


def test_an_absent_store_gives_the_exit_code_of_a_service(
    site: TargetSite, command: CommandLine, job: JobRow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNDERBUTLER_S3_ENDPOINT_URL", "http://127.0.0.1:1")
    said = command("annex", "verify", job.id)
    assert said.code == 3
    assert "http://127.0.0.1:1" in said.err
    assert "Traceback" not in said.err


def test_destroy_removes_rows_and_datasets_only_when_asked(site: TargetSite, command: CommandLine, job: JobRow) -> None:
    products = pictures(site, job)
    early = command("destroy", job.id, "--objects", "--yes")
    assert early.code == 3, "its datasets were not compared with the registry"
    site.context.jobs.sweep.mark_checked([target.id for target in site.context.jobs.read.targets(job.id)])
    said = command("destroy", job.id, "--yes")
    assert said.code == 0, said.err
    assert "is archived" in said.err
    assert site.context.jobs.read.job(job.id).phase == "ARCHIVED"
    assert site.context.jobs.read.targets(job.id) == site.context.jobs.read.claims(job.id) == []
    assert all(site.s3.head_object(**place(product)) for product in products)
    assert command("destroy", job.id, "--yes").code == 2
    with site.context.repositories.butler("demo") as butler:
        assert all(butler.get_dataset(product.dataset_id) for product in products)


@ON_EACH_STORE
def test_destroy_spares_other_jobs_in_the_same_run(site: TargetSite, command: CommandLine) -> None:
    shared = f"u/tester/shared-{uuid4().hex[:8]}"
    jobs = []
    with site.context.repositories.butler("demo") as butler:
        exposures = [record.id for record in butler.query_dimension_records("exposure", instrument="SIMCAM")]
    for exposure in exposures:
        job, (one,) = site.submitted("onePicture", "-d", f"exposure = {exposure}", "-o", shared)
        site.run(one)
        jobs.append(site.context.jobs.read.job(job.id))
        site.context.jobs.sweep.mark_checked([target_of(one)])
    (first,), (second,) = pictures(site, jobs[0]), pictures(site, jobs[1])
    said = command("destroy", jobs[0].id, "--datasets", "--objects", "--yes")
    assert said.code == 0, said.err
    assert "1 object removed" in said.err
    with site.context.repositories.butler("demo") as butler:
        assert butler.get_dataset(first.dataset_id) is None
        assert butler.get_dataset(second.dataset_id) is not None
    assert found(command, jobs[1]) == []
    own, messages = site.submitted("onePicture")
    for one in messages:
        site.run(one)
    site.context.jobs.sweep.mark_checked([target_of(one) for one in messages])
    keys = [place(product) for product in pictures(site, site.context.jobs.read.job(own.id))]
    said = command("destroy", own.id, "--datasets", "--objects", "--yes")
    assert f"RUN {own.run} removed" in said.err
    with site.context.repositories.butler("demo") as butler:
        assert own.run not in butler.collections.query("u/*")
    for key in keys:
        assert site.s3.list_objects_v2(Bucket=key["Bucket"], Prefix=key["Key"])["KeyCount"] == 0


def test_destroy_removes_nothing_of_a_run_in_a_chain(site: TargetSite, command: CommandLine) -> None:
    own, messages = site.submitted("onePicture")
    for one in messages:
        site.run(one)
    site.context.jobs.sweep.mark_checked([target_of(one) for one in messages])
    products = pictures(site, site.context.jobs.read.job(own.id))
    with site.context.repositories.butler("demo", writeable=True) as butler:
        butler.collections.register("night/good", type=CollectionType.CHAINED)
        butler.collections.prepend_chain("night/good", own.run)
    said = command("destroy", own.id, "--datasets", "--objects", "--yes")
    assert said.code == 2
    assert f"The RUN collection {own.run} is in night/good: nothing is removed." in said.err
    assert all(site.s3.head_object(**place(product)) for product in products)
    with site.context.repositories.butler("demo") as butler:
        assert all(butler.get_dataset(product.dataset_id) for product in products)
    said = command("destroy", own.id, "--datasets", "--objects", "--unlink", "--yes")
    assert said.code == 0, said.err
    with site.context.repositories.butler("demo") as butler:
        assert own.run not in butler.collections.query("u/*")
        assert butler.collections.get_info("night/good").children == ()
