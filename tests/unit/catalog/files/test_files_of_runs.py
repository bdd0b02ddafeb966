"""Folders of runs as Bluesky's suitcases write them: found, read, followed while they are written, and written."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import event_model
import msgpack
import numpy as np
import pytest

from tests.support.catalog.rows import descriptor_of, event_of, events_of, imaged_run, run_of, start_of, stop_of
from underbutler.catalog import Broker, CatalogStore, export_run, read_documents
from underbutler.catalog.files.file_forms import UnreadableRunFileError
from underbutler.catalog.files.run_store import RunFiles
from underbutler.errors import ConflictError, UsageError


def encode_as_msgpack_numpy(value: Any) -> Any:
    """Do what the package msgpack-numpy does, on which suitcase-msgpack rests."""
    if isinstance(value, np.ndarray):
        descr = value.dtype.str
        return {b"nd": True, b"type": descr, b"kind": b"", b"shape": value.shape, b"data": value.tobytes()}
    if isinstance(value, np.generic):
        return {b"nd": False, b"type": value.dtype.str, b"data": value.data}
    return {b"complex": True, b"data": repr(value)}


def write_as_suitcase_jsonl(documents: Any, folder: Path) -> Path:
    """Do what suitcase-jsonl does: lines of documents as they come."""
    path = folder / f"{documents[0][1]['uid']}.jsonl"
    with path.open("x") as file:
        for name, document in documents:
            file.write("%s\n" % json.dumps((name, document), cls=event_model.NumpyEncoder))  # noqa: UP031 - its words
    return path


def write_as_suitcase_msgpack(documents: Any, folder: Path) -> Path:
    """Do what suitcase-msgpack does: pages of one event or datum each, in msgpack with numpy's arrays."""
    path = folder / f"{documents[0][1]['uid']}.msgpack"

    class Serializer(event_model.DocumentRouter):
        def __init__(self, file: Any) -> None:
            super().__init__()
            self.file = file

        def put(self, name: str, document: Any) -> None:
            self.file.write(msgpack.packb((name, document), default=encode_as_msgpack_numpy, use_bin_type=True))

        def start(self, doc: Any) -> None:
            self.put("start", doc)

        def stop(self, doc: Any) -> None:
            self.put("stop", doc)

        def descriptor(self, doc: Any) -> None:
            self.put("descriptor", doc)

        def event_page(self, doc: Any) -> None:
            self.put("event_page", doc)

        def datum_page(self, doc: Any) -> None:
            self.put("datum_page", doc)

        def resource(self, doc: Any) -> None:
            self.put("resource", doc)

    with path.open("xb") as file:
        serializer = Serializer(file)
        for name, document in documents:
            serializer(name, document)
    return path


WRITERS = pytest.mark.parametrize(
    "write", [write_as_suitcase_jsonl, write_as_suitcase_msgpack], ids=["jsonl", "msgpack"]
)


@WRITERS
def test_what_suitcase_writes_is_read(tmp_path: Path, write: Any) -> None:
    documents = imaged_run("imaged", images=3)
    write(documents, tmp_path)
    write(run_of("open", time=5000.0, events=2, ended=False), tmp_path)
    cat = Broker(tmp_path)
    assert list(cat) == ["open", "imaged"]
    assert cat["open"].stop is None
    run = cat["imaged"]
    assert dict(run.start) == documents[0][1]
    assert run.stop == documents[-1][1]
    [header] = cat.search({"uid": "imaged"}).headers()
    source = RunFiles([str(tmp_path)]).source(header)
    events = events_of(iter(source.get_event_pages("imaged-primary")))
    written = [{**document} for name, document in documents if name == "event"]
    for event in written:
        del event["filled"]
    assert events == written
    assert source.get_event_count("imaged-primary") == 3
    assert source.lookup_resource_for_datum("imaged-file/2") == "imaged-file"
    [page] = source.get_datum_pages("imaged-file")
    assert page["datum_kwargs"] == {"index": [0, 1, 2]}
    assert source.get_resource("imaged-file") == documents[2][1]
    for missing in (source.get_resource, source.lookup_resource_for_datum):
        with pytest.raises(KeyError, match="nowhere"):
            missing("nowhere")


def test_arrays_of_numpy_in_msgpack_are_arrays(tmp_path: Path) -> None:
    documents = run_of("run", events=0)
    image = np.arange(6, dtype="<u2").reshape(2, 3)
    event = {**event_of(1), "data": {"x": image}, "seq_num": np.int64(1)}
    path = write_as_suitcase_msgpack([*documents[:-1], ("event", event), documents[-1]], tmp_path)
    [found] = [document for name, document in read_documents(path) if name == "event_page"]
    assert found["data"]["x"][0].dtype == np.dtype("<u2")
    assert found["data"]["x"][0].tolist() == image.tolist()
    assert found["seq_num"] == [1]


def test_numpy_records_are_kept_in_msgpack_and_cut_ones_refused(tmp_path: Path) -> None:
    sources = np.array([(1, 2.5), (2, 3.5)], [("id", "<i4"), ("flux", "<f8")])
    event = {**event_of(1), "data": {"x": sources}}
    path = export_run([("start", start_of()), ("event", event)], tmp_path, "msgpack")
    [found] = [document for name, document in read_documents(path) if name == "event_page"]
    assert found["data"]["x"][0].dtype == sources.dtype
    np.testing.assert_array_equal(found["data"]["x"][0], sources)
    for broken in ({b"nd": True}, {b"nd": True, b"type": "<f8", b"shape": [3], b"data": b"short"}):
        path.write_bytes(msgpack.packb(("start", {"x": broken}), use_bin_type=True))
        with pytest.raises(UnreadableRunFileError, match="it holds an array"):
            list(read_documents(path))


def test_pickles_in_a_file_are_never_loaded(tmp_path: Path) -> None:
    pickled = {b"nd": True, b"type": [["", "|O"]], b"kind": b"O", b"shape": [1], b"data": pickle.dumps([print])}
    path = tmp_path / "run.msgpack"
    pairs = [("start", start_of()), ("event", {"data": {"x": pickled}})]
    path.write_bytes(b"".join(msgpack.packb(pair, use_bin_type=True) for pair in pairs))
    with pytest.raises(UnreadableRunFileError, match="it holds a pickled array, which is never loaded"):
        list(read_documents(path))


@WRITERS
def test_a_long_start_and_a_long_stop_are_found(tmp_path: Path, write: Any) -> None:
    many = [f"dataset-{number}" for number in range(20_000)]
    documents = run_of("long", events=2, inputs=many)
    documents[-1][1]["reason"] = "stop ".join(many)
    write(documents, tmp_path)
    [header] = RunFiles([str(tmp_path)]).headers({"exit_status": "success"})
    assert header.start["inputs"] == many
    assert header.stop == documents[-1][1]


@WRITERS
def test_a_text_that_looks_like_a_stop_is_none(tmp_path: Path, write: Any) -> None:
    odd = '["stop", {"run_start": "run"}]\x92¤stop'
    write(run_of("run", events=1, ended=False, remark=odd, raw=[["stop", stop_of("run")]]), tmp_path)
    [header] = RunFiles([str(tmp_path)]).headers({})
    assert header.stop is None


@WRITERS
def test_a_file_that_is_being_written_is_a_run_that_is_open(tmp_path: Path, write: Any) -> None:
    whole = write(run_of("run", events=100), tmp_path).read_bytes()
    path = next(tmp_path.iterdir())
    path.write_bytes(b"")
    cat = Broker(tmp_path)
    assert len(cat) == 0
    for part in (0.3, 0.6, 0.9):
        path.write_bytes(whole[: int(len(whole) * part)])
        assert cat["run"].stop is None
        numbers = cat["run"].primary.read()["x"].values.tolist()
        assert numbers == [number / 8 for number in range(1, len(numbers) + 1)]
        assert abs(len(numbers) - 100 * part) < 10
    path.write_bytes(whole)
    assert cat["run"].metadata["stop"] == stop_of("run", 1100.0)
    assert cat["run"].primary.read().sizes == {"time": 100}


def test_runs_that_come_and_go_are_noticed(tmp_path: Path) -> None:
    cat = Broker(tmp_path)
    assert list(cat) == []
    for number in range(5):
        folder = tmp_path / f"night-{number % 2}"
        folder.mkdir(exist_ok=True)
        path = write_as_suitcase_jsonl(run_of(f"run-{number}", time=float(number)), folder)
        assert cat[-1].uid == f"run-{number}"
        assert len(cat) == number + 1
    path.unlink()
    assert cat[-1].uid == "run-3"


def test_a_folder_that_has_settled_is_not_listed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_as_suitcase_jsonl(run_of("old"), tmp_path)
    os.utime(tmp_path, (1e9, 1e9))
    cat = Broker(tmp_path)
    assert list(cat) == ["old"]
    with monkeypatch.context() as blind:
        blind.setattr("underbutler.catalog.files.folders._files", lambda *_: pytest.fail("listed again"))
        assert list(cat) == ["old"]
    write_as_suitcase_jsonl(run_of("new", time=9e9), tmp_path)
    assert list(cat) == ["new", "old"]


def test_patterns_choose_files(tmp_path: Path) -> None:
    for name in ("a1", "a2", "b1"):
        (tmp_path / name).mkdir()
        write_as_suitcase_jsonl(run_of(name), tmp_path / name)
        write_as_suitcase_msgpack(run_of(f"{name}-m"), tmp_path / name)
    assert set(Broker(str(tmp_path / "a*" / "*.jsonl"))) == {"a1", "a2"}
    assert set(Broker([tmp_path / "b1", str(tmp_path / "a1" / "*.msgpack")])) == {"b1", "b1-m", "a1-m"}
    assert set(Broker(str(tmp_path / "a1" / "a1.jsonl"))) == {"a1"}
    assert set(Broker(f"file://{tmp_path}/a2")) == {"a2", "a2-m"}


def test_what_is_no_run_is_left_out(tmp_path: Path) -> None:
    write_as_suitcase_jsonl(run_of("good"), tmp_path)
    (tmp_path / "words.jsonl").write_text("once upon a time\n")
    (tmp_path / "list.jsonl").write_text("[1, 2, 3]\n")
    (tmp_path / "late.jsonl").write_text(json.dumps(["descriptor", descriptor_of()]) + "\n")
    (tmp_path / "noise.msgpack").write_bytes(b"\xc1\xc1\xc1")
    (tmp_path / ".hidden.jsonl").write_text(json.dumps(["start", start_of("hidden")]) + "\n")
    (tmp_path / "notes.txt").write_text("of the night")
    assert list(Broker(tmp_path)) == ["good"]


def test_a_file_with_a_broken_line_says_which(tmp_path: Path) -> None:
    path = write_as_suitcase_jsonl(run_of("run", events=3), tmp_path)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:3], b"{oops\n", *lines[3:]]))
    with pytest.raises(UnreadableRunFileError, match=r"run\.jsonl does not hold .*: line 4 is not JSON"):
        Broker(tmp_path)["run"].primary.read()


def test_a_run_whose_file_is_gone_says_so(tmp_path: Path) -> None:
    path = write_as_suitcase_jsonl(run_of("run"), tmp_path)
    run = Broker(tmp_path)["run"]
    path.unlink()
    with pytest.raises(UsageError, match=r"run\.jsonl of a run is gone"):
        run.primary.read()


def test_events_out_of_order_and_twice_are_put_in_order(tmp_path: Path) -> None:
    documents = run_of("run", events=4)
    mixed = [*documents[:2], documents[5], documents[3], documents[2], documents[3], documents[4], documents[6]]
    write_as_suitcase_jsonl(mixed, tmp_path)
    assert Broker(tmp_path)["run"].primary.read()["x"].values.tolist() == [0.125, 0.25, 0.375, 0.5]


def test_two_events_of_one_uid_are_refused_if_they_differ(tmp_path: Path) -> None:
    documents = run_of("run", events=2)
    documents[3][1]["uid"] = documents[2][1]["uid"]
    write_as_suitcase_jsonl(documents, tmp_path)
    with pytest.raises(UsageError, match="two different events of uid 'run-primary-1'"):
        Broker(tmp_path)["run"].primary.read()


@pytest.mark.parametrize("form", ["jsonl", "msgpack"])
@pytest.mark.parametrize("pages", [True, False, None])
def test_an_export_can_be_imported_again(store: CatalogStore, tmp_path: Path, form: Any, pages: bool | None) -> None:
    documents = imaged_run("run", images=70)
    store.import_run(documents)
    run = Broker(store)["run"]
    path = export_run(run.documents(fill="no"), tmp_path / "new" / "folder", form, pages=pages)
    assert path == tmp_path / "new" / "folder" / f"run.{form}"
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    kinds = {name for name, _ in read_documents(path)}
    assert kinds >= ({"event", "datum"} if pages is False or (pages is None and form == "jsonl") else {"event_page"})
    assert store.import_run(read_documents(path)) == "run"
    assert Broker(path.parent)["run"].primary.config.keys() == run.primary.config.keys()


def test_what_is_exported_validates_and_replays_in_order(store: CatalogStore, tmp_path: Path) -> None:
    store.import_run(imaged_run("run", images=3))
    path = export_run(Broker(store)["run"].documents(fill="no"), tmp_path)
    known: set[str] = set()
    for name, document in read_documents(path):
        event_model.schema_validators[event_model.DocumentNames[name]].validate(document)
        for key in ("run_start", "descriptor", "resource"):
            assert document.get(key, "run") in known | {"run"}
        known.add(document.get("uid", document.get("datum_id")))


def test_a_file_is_never_overwritten_and_never_half(tmp_path: Path) -> None:
    path = export_run(run_of("run"), tmp_path)
    before = path.read_bytes()
    with pytest.raises(ConflictError, match=r"There is a file .*run\.jsonl already"):
        export_run(run_of("run", events=9), tmp_path)
    assert path.read_bytes() == before

    def breaking() -> Any:
        yield from run_of("other", ended=False)
        raise RuntimeError("the store is away")

    with pytest.raises(RuntimeError):
        export_run(breaking(), tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["run.jsonl"]


@pytest.mark.parametrize("uid", ["../escape", ".hidden", "", "a/b"])
def test_a_uid_that_names_no_file_is_refused(tmp_path: Path, uid: str) -> None:
    with pytest.raises(UsageError, match="whose uid can name a file"):
        export_run(run_of(uid), tmp_path)
    with pytest.raises(UsageError, match="begins with a start document"):
        export_run(run_of("run")[1:], tmp_path)
    with pytest.raises(UsageError, match="jsonl or msgpack, not as 'xlsx'"):
        export_run(run_of("run"), tmp_path, "xlsx")  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_arrays_that_were_loaded_can_be_exported(tmp_path: Path) -> None:
    documents: list[tuple[str, Mapping[str, Any]]] = [*run_of("run", events=0)]
    documents.insert(2, ("event", event_of(1, x=np.ones((2, 2)))))
    for form in ("jsonl", "msgpack"):
        path = export_run(documents, tmp_path, form, pages=False)  # type: ignore[arg-type]
        [event] = [document for name, document in read_documents(path) if name == "event"]
        assert np.asarray(event["data"]["x"]).tolist() == [[1.0, 1.0], [1.0, 1.0]]


def test_a_catalogue_of_files_travels_to_another_process(tmp_path: Path) -> None:
    write_as_suitcase_jsonl(run_of("run"), tmp_path)
    files = RunFiles([str(tmp_path)])
    source = files.source(next(files.headers({})))
    assert pickle.loads(pickle.dumps(source)).get_event_count("run-primary") == 3
    assert pickle.loads(pickle.dumps(files)).count({}) == 1
