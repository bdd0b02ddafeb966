"""References bound to butlers of a real repository."""

from __future__ import annotations

import pickle
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lsst.daf.butler import Butler, CollectionType, DatasetRef, Timespan

from underbutler.butlers import BoundDataRef, CcdImage, Repositories, bind, create_repository
from underbutler.errors import ConflictError, LostDatasetError, TransientError, UnknownNameError, UsageError
from underbutler.model.dataref import DataRef
from underbutler.model.message import canonical_json, encode_value

RUN = "u/ann/reduce/1"
NO_CALEXP = "No calexp for exposure=1 detector=0 instrument='CAM' in u/ann/reduce/1, CAM/raw, CAM/calib of tiny"
NO_BIAS = "No bias is valid .*submit makeBias tiny --id detector=0 instrument=CAM.*doBias=false"
OUTPUTS = {"calexp": None, "src": None, "flat": None, "setting": None}


class Journal:
    """Notes what it is told, and in which order."""

    def __init__(self) -> None:
        self.told: list[tuple[str, list[str]]] = []

    def intend(self, refs: Sequence[DatasetRef]) -> None:
        self.told.append(("intend", [ref.datasetType.name for ref in refs]))

    def stored(self, ref: DatasetRef) -> None:
        self.told.append(("stored", [ref.datasetType.name]))


def image(value: float = 1.0) -> CcdImage:
    return CcdImage(np.full((2, 3), value), np.zeros((2, 3), np.uint8), np.ones((2, 3)))


def reference(**changes: Any) -> DataRef:
    fields: dict[str, Any] = {
        "data_id": {"instrument": "CAM", "exposure": 1, "detector": 0},
        "collections": ("CAM/raw", "CAM/calib"),
        "run": RUN,
        "dataset_type": "raw",
    }
    return DataRef("tiny", **(fields | changes))


@pytest.fixture
def ref(stocked: Repositories) -> Iterator[BoundDataRef]:
    with stocked.open(reference()) as bound:
        yield bound


def certify(repositories: Repositories, value: float, begin: str, end: str, detector: int = 0) -> uuid.UUID:
    from astropy.time import Time

    run = f"calibrations/{value}"
    with repositories.butler("tiny", writeable=True, run=run) as butler:
        butler.collections.register(run)
        made = butler.put(image(value), "bias", instrument="CAM", detector=detector)
        span = Timespan(Time(begin, scale="tai"), Time(end, scale="tai"))
        butler.registry.certify("CAM/calib", [made], span)
        return made.id  # type: ignore[no-any-return]


def test_get_reads_the_default_type_and_may_change_the_data_id(ref: BoundDataRef) -> None:
    assert ref.get().data[0, 0] == 10
    assert ref.get("raw", detector=1).data[0, 0] == 11
    assert ref.get("raw", detector="1", exposure="2").data[0, 0] == 21


def test_the_gen2_spellings_are_the_same(ref: BoundDataRef) -> None:
    ref.put(image(5), "calexp")
    assert ref.datasetExists("calexp", write=True)
    assert ref.getUri("calexp") == ref.get_uri("calexp")
    assert [str(one) for one in ref.subItems("detector")] == [str(one) for one in ref.sub_items("detector")]
    assert ref.dataId == {"instrument": "CAM", "exposure": 1, "detector": 0}
    assert ref.getButler().run == RUN


def test_a_bound_reference_travels_as_the_plain_one(ref: BoundDataRef) -> None:
    assert type(pickle.loads(pickle.dumps(ref))) is DataRef
    assert pickle.loads(pickle.dumps(ref)) == ref == reference()
    assert hash(ref) == hash(reference())
    assert canonical_json(encode_value(ref)) == canonical_json(encode_value(reference()))


def test_what_is_put_is_found_in_the_run_first(stocked: Repositories) -> None:
    both = reference(collections=(RUN, "CAM/raw"), run="u/ann/reduce/2")
    with stocked.open(reference()) as first:
        first.put(image(1), "calexp")
    with stocked.butler("tiny", writeable=True) as butler:
        butler.collections.register("u/ann/reduce/2")
    with stocked.open(both) as second:
        assert second.get("calexp").image[0, 0] == 1
        assert not second.dataset_exists("calexp", write=True)
        second.put(image(2), "calexp")
        assert second.get("calexp").image[0, 0] == 2
        assert second.dataset_exists("calexp", write=True)


def test_a_dataset_has_the_same_uuid_on_every_try(stocked: Repositories) -> None:
    identities = set()
    for value in (1.0, 2.0, 3.0):
        with stocked.open(reference()) as bound:
            identities.add(bound.put(image(value), "calexp"))
            assert bound.get("calexp").image[0, 0] == value
    assert len(identities) == 1


def test_a_dead_attempts_dataset_is_replaced_even_if_certified(stocked: Repositories) -> None:
    """A pruned row must go with its file, its certification and its association."""
    plain = reference(data_id={"instrument": "CAM", "detector": 0})
    with stocked.open(plain) as bound:
        identity = bound.put(image(1), "bias")
        butler = bound.getButler()
        butler.registry.certify("CAM/calib", [butler.get_dataset(identity)], Timespan(None, None))
        butler.collections.register("tagged", CollectionType.TAGGED)
        butler.registry.associate("tagged", [butler.get_dataset(identity)])
    with stocked.open(plain) as bound:
        assert bound.put(image(2), "bias") == identity
        assert bound.get("bias").image[0, 0] == 2
        assert bound.getButler().find_dataset("bias", instrument="CAM", detector=0, collections="tagged") is None


def test_a_put_that_keeps_meeting_another_writer_gives_up(stocked: Repositories, monkeypatch: Any) -> None:
    from lsst.daf.butler.registry import ConflictingDefinitionError

    with stocked.open(reference()) as bound:
        tries: list[int] = []

        def meet(*_: Any, **__: Any) -> None:
            tries.append(1)
            raise ConflictingDefinitionError("written meanwhile")

        monkeypatch.setattr(bound.getButler(), "put", meet)
        with pytest.raises(ConflictError, match="3 tries met it again"):
            bound.put(image(), "calexp")
        assert len(tries) == 3


def test_a_put_never_prunes_inside_a_transaction(stocked: Repositories) -> None:
    with stocked.open(reference()) as bound:
        bound.put(image(1), "calexp")
        with pytest.raises(ConflictError, match="transaction"), bound.getButler().transaction():
            bound.put(image(2), "calexp")
        assert bound.get("calexp").image[0, 0] == 1


def test_a_dataset_that_no_task_wrote_is_not_overwritten(stocked: Repositories) -> None:
    with stocked.open(reference()) as bound:
        other = bound.getButler().put(image(1), "calexp", dict(reference().data_id), run=RUN)
        with pytest.raises(ConflictError, match=str(other.id)):
            bound.put(image(2), "calexp")
        assert bound.get("calexp").image[0, 0] == 1


def test_outputs_are_announced_before_the_first_put(stocked: Repositories) -> None:
    journal = Journal()
    with stocked.open(reference(), journal=journal, declared=OUTPUTS) as bound:
        bound.put(image(), "calexp")
        bound.put(image(), "calexp", detector=1)
    assert journal.told == [
        ("intend", ["calexp", "flat", "src"]),
        ("stored", ["calexp"]),
        ("intend", ["calexp"]),
        ("stored", ["calexp"]),
    ]


def test_references_of_a_claim_share_butlers_not_announcements(stocked: Repositories) -> None:
    journal = Journal()
    with stocked.open(reference(), journal=journal, declared=OUTPUTS) as bound:
        beside = bound.beside(reference(data_id={"instrument": "CAM", "exposure": 2, "detector": 1}))
        assert beside.getButler() is bound.getButler()
        assert beside.get("raw").data[0, 0] == 21
        beside.put(image(), "calexp")
        bound.put(image(), "calexp")
        with pytest.raises(UsageError, match="butlers of its own"):
            bound.beside(reference(run="u/other"))
    assert [names for kind, names in journal.told if kind == "intend"] == [["calexp", "flat", "src"]] * 2


def test_nothing_is_written_when_the_journal_refuses(stocked: Repositories) -> None:
    class Refusing(Journal):
        def intend(self, refs: Sequence[DatasetRef]) -> None:
            raise ConflictError("owned by job 7")

    with stocked.open(reference(), journal=Refusing()) as bound:
        with pytest.raises(ConflictError, match="job 7"):
            bound.put(image(), "calexp")
        assert not bound.dataset_exists("calexp")


@pytest.mark.parametrize("name", ["calxp", "preview"])
def test_a_put_of_an_undeclared_type_names_it_and_the_cure(stocked: Repositories, name: str) -> None:
    with (
        stocked.open(reference(), declared=OUTPUTS) as bound,
        pytest.raises(UsageError, match=rf"'{name}' is not declared.*datasetTypes = "),
    ):
        bound.put(image(), name)


def test_a_reference_without_a_run_only_reads(stocked: Repositories) -> None:
    with stocked.open(reference(run=None)) as bound:
        assert bound.get("raw").data[0, 0] == 10
        assert not bound.getButler().isWriteable()
        with pytest.raises(UsageError, match="only reads"):
            bound.put(image(), "calexp")


def test_a_refused_object_says_why(ref: BoundDataRef) -> None:
    with pytest.raises(UsageError, match="preview is not a PNG"):
        ref.put(b"GIF89a", "preview")


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda ref: ref.get("calexp"), LostDatasetError, NO_CALEXP),
        (lambda ref: ref.get("nothing"), LostDatasetError, "no dataset type of that name"),
        (lambda ref: ref.get("raw", exposure=99), LostDatasetError, "does not know exposure=99"),
        (lambda ref: ref.get("bias"), LostDatasetError, NO_BIAS),
        (lambda ref: ref.get("raw", detector="x"), UsageError, "Dimension detector: the value 'x' is not of type int"),
        (lambda ref: ref.get("raw", detectr=1), UnknownNameError, "Did you mean 'detector'"),
        (lambda ref: ref.get("raw", doBackup=True), UsageError, "doBackup has no meaning"),
        (lambda ref: ref.put(image(), "calexp", doBackup=True), UsageError, "doBackup has no meaning"),
    ],
)  # fmt: skip
def test_bad_input_is_named_with_its_cure(
    ref: BoundDataRef, call: Callable[[BoundDataRef], Any], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        call(ref)


def test_a_data_id_that_lacks_a_dimension_is_told_which(stocked: Repositories) -> None:
    with (
        stocked.open(reference(data_id={"instrument": "CAM", "detector": 0})) as bound,
        pytest.raises(UsageError, match="'raw' needs exposure"),
    ):
        bound.get("raw")


def test_a_collection_that_does_not_exist_is_named(stocked: Repositories) -> None:
    with stocked.open(reference(collections=("CAM/rwa", "CAM/raw"))) as bound:
        assert bound.get("raw").data[0, 0] == 10
        with pytest.raises(LostDatasetError, match=r"No collection is called 'CAM/rwa'.*Did you mean 'CAM/raw'"):
            bound.get("calexp")


def test_the_calibration_is_the_one_valid_at_the_exposure(stocked: Repositories) -> None:
    certify(stocked, 1.0, "2026-11-21", "2026-11-22")
    certify(stocked, 2.0, "2026-11-22", "2026-11-23")
    with stocked.open(reference()) as bound:
        assert bound.get("bias").image[0, 0] == 1
        assert bound.get("bias", exposure=2).image[0, 0] == 2
    with (
        stocked.open(reference(data_id={"instrument": "CAM", "detector": 0})) as bound,
        pytest.raises(UsageError, match="More than one bias is valid"),
    ):
        bound.get("bias")


def test_a_flat_is_found_by_the_filter_of_the_exposure(stocked: Repositories) -> None:
    with stocked.open(reference()) as bound:
        made = bound.put(image(3), "flat")
        butler = bound.getButler()
        butler.registry.certify("CAM/calib", [butler.get_dataset(made)], Timespan(None, None))
        assert dict(butler.get_dataset(made).dataId.required)["physical_filter"] == "R"
    with stocked.open(reference(run=None)) as bound:
        assert bound.get("flat", exposure=2).image[0, 0] == 3


def test_a_calibration_is_read_once_and_cannot_be_written_into(stocked: Repositories) -> None:
    certify(stocked, 1.0, "2026-11-01", "2026-12-01")
    for _ in range(3):
        with stocked.open(reference()) as bound:
            bias = bound.get("bias")
            bias.header["MINE"] = True
            with pytest.raises(ValueError, match="read-only"):
                bias.image += 1
            assert bound.get("raw").data.flags.writeable
    assert (stocked.calibrations.misses, stocked.calibrations.hits) == (1, 2)
    with stocked.open(reference()) as bound:
        assert "MINE" not in bound.get("bias").header


def test_sub_items_are_the_finer_data_ids_that_exist(stocked: Repositories) -> None:
    coarse = reference(data_id={"instrument": "CAM", "exposure": 2})
    with stocked.open(coarse) as bound:
        items = bound.sub_items()
        assert [item.dataId["detector"] for item in items] == [0, 1]
        assert [item.get().data[0, 0] for item in items] == [20, 21]
        assert bound.sub_items("detector") == items
        assert items[0].sub_items() == []


def test_an_unbound_reference_can_be_bound_to_any_butler(stocked: Repositories, tmp_path: Path) -> None:
    with Butler.from_config(str(tmp_path / "repo")) as butler:
        assert bind(reference(run=None), butler).get("raw").data[0, 0] == 10


def test_outputs_may_go_to_another_repository(stocked: Repositories, tmp_path: Path, camera: Any) -> None:
    create_repository(tmp_path / "other", "other", stocked.settings, [camera])
    with stocked.butler("other", writeable=True) as out, stocked.butler("tiny") as source:
        out.transfer_dimension_records_from(source, source.query_datasets("raw", ["CAM/raw"]))
        out.registry.registerDatasetType(source.get_dataset_type("calexp"))
        out.collections.register(RUN)
    with stocked.open(reference(out="other")) as bound:
        assert bound.get("raw").data[0, 0] == 10
        bound.put(image(4), "calexp")
        assert bound.get("calexp").image[0, 0] == 4
        assert bound.get_uri("calexp").startswith(f"file://{tmp_path}/other/")
    with stocked.open(reference()) as bound:
        assert not bound.dataset_exists("calexp")


def test_an_artifact_that_is_gone_is_said(stocked: Repositories) -> None:
    with stocked.open(reference()) as bound:
        bound.put(image(), "calexp")
        Path(bound.get_uri("calexp").removeprefix("file://")).unlink()
        assert not bound.dataset_exists("calexp")
        with pytest.raises(LostDatasetError, match="is gone from the datastore"):
            bound.get("calexp")


def test_the_uri_of_an_output_is_known_before_it_is_put(ref: BoundDataRef) -> None:
    predicted = ref.get_uri("calexp", write=True)
    ref.put(image(), "calexp")
    assert ref.get_uri("calexp") == predicted.split("#", maxsplit=1)[0]


def test_a_dead_attempts_file_without_a_row_is_overwritten(ref: BoundDataRef) -> None:
    left = Path(ref.get_uri("calexp", write=True).removeprefix("file://").split("#", maxsplit=1)[0])
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half a file")
    ref.put(image(6), "calexp")
    assert ref.get("calexp").image[0, 0] == 6


def test_a_registry_that_is_locked_is_no_fault_of_the_data(ref: BoundDataRef, monkeypatch: Any) -> None:
    import sqlite3

    from sqlalchemy.exc import OperationalError

    def locked(*_: Any, **__: Any) -> None:
        raise OperationalError("INSERT", {}, sqlite3.OperationalError("database is locked"))

    monkeypatch.setattr(ref.getButler(), "put", locked)
    with pytest.raises(TransientError, match="'tiny' does not answer: database is locked"):
        ref.put(image(), "calexp")
