"""A run on a server is as the run is: with a real server process, over real connections."""

from __future__ import annotations

import itertools
import os
import pickle
import socket
import sys
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import dask
import httpx
import numpy as np
import pytest
import xarray

from tests.support.catalog.runs import SCALAR, Memory, NpyHandler, Recording, data_key, fields_run, image_key, image_run
from tests.support.services import with_other_ports

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of which HTTP client the test client is made
    from starlette.testclient import TestClient

from underbutler.api import catalog_app
from underbutler.catalog import (
    BlueskyRun,
    Broker,
    DataGoneError,
    FillerFactory,
    RemoteBlueskyRun,
    RemoteShelf,
    RemoteUnavailableError,
    Start,
)
from underbutler.catalog.arrays.external import UnreadableDataError
from underbutler.catalog.arrays.filling import FillChoiceError
from underbutler.catalog.arrays.partitions import PartitionIndexError, PartitionSizeError
from underbutler.catalog.database.store import CatalogStore
from underbutler.catalog.query.queries import QueryError
from underbutler.catalog.remote.source import RemoteRun
from underbutler.catalog.stream import SelectionError
from underbutler.embedded.process import Guard, Process, free_port
from underbutler.errors import TransientError, UnknownNameError, UsageError
from underbutler.migrations import upgrade

ROOT = Path(__file__).parents[3]


@dataclass
class Served:
    """Runs in a database, and the address of the server of it."""

    store: CatalogStore
    url: str
    process: Process
    handlers: dict[str, Any] = field(default_factory=lambda: {"NPY": NpyHandler})

    def take(self, run: Memory) -> str:
        return self.store.import_run(run.pairs)

    def here(self, uid: str) -> BlueskyRun:
        return Broker(self.store, handler_registry=self.handlers)[uid]

    def there(self, uid: str, **kwargs: Any) -> RemoteBlueskyRun:
        return RemoteBlueskyRun(self.url, name=uid, **kwargs)

    def both(self, run: Memory) -> tuple[BlueskyRun, RemoteBlueskyRun]:
        uid = self.take(run)
        return self.here(uid), self.there(uid)


def answers(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def serve(url: str, guard: Guard) -> Served:
    def begin() -> Served:
        port = free_port()
        process = Process(
            "the server of runs",
            [sys.executable, "-m", "tests.support.programs.catalog_server", url, str(port)],
            environment={**os.environ, "PYTHONPATH": str(ROOT)},
            guard=guard,
        )
        process.wait_until(lambda: answers(port), timeout_s=60)
        return Served(CatalogStore.open(url), f"http://127.0.0.1:{port}/runs", process)

    return with_other_ports(begin)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    url = f"sqlite:///{tmp_path_factory.mktemp('served') / 'runs.db'}"
    upgrade(url)
    with Guard() as guard:
        served = serve(url, guard)
        yield served
        served.process.stop()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Return what partitions are asked of servers."""
    calls: list[dict[str, Any]] = []
    partition = RemoteRun.partition

    def listening(self: RemoteRun, stream: str, index: int, **question: Any) -> Any:
        calls.append({"index": index, **question})
        return partition(self, stream, index, **question)

    monkeypatch.setattr(RemoteRun, "partition", listening)
    return calls


class Chosen(dict[str, Any]):
    """A catalogue of some runs."""

    def search(self, query: Any) -> Chosen:
        return self


def plain(pairs: Any) -> list[Any]:
    return [(name, {key: repr(value) for key, value in document.items()}) for name, document in pairs]


MANY = {
    "x": (SCALAR, float),
    "n": (data_key("integer"), int),
    "word": (data_key("string"), lambda row: f"word {row}"),
    "flag": (data_key("boolean"), lambda row: row % 2 == 0),
    "line": (data_key("array", [3]), lambda row: [row, row + 1, row + 2]),
    "plane": (data_key("array", [2, 2]), lambda row: [[row, 0.5], [1.5, 2.5]]),
    "some": (SCALAR, lambda row: None if row % 3 else 1.5),
}


def test_a_stream_reads_as_it_does_where_it_is(served: Served) -> None:
    here, there = served.both(fields_run(100, MANY))
    xarray.testing.assert_identical(there.primary.read(), here.primary.read())
    xarray.testing.assert_identical(there["primary"].to_dask().compute(), here.primary.read())
    assert {key: array.dtype for key, array in there.primary.read().items()} == {
        key: array.dtype for key, array in here.primary.read().items()
    }


def test_arrays_of_different_lengths_stay_apart(served: Served) -> None:
    here, there = served.both(fields_run(5, {"x": (data_key("array", [None]), lambda row: [1.0] * row)}))
    read, expected = there.primary.read()["x"].values, here.primary.read()["x"].values
    assert [one.tolist() for one in read] == [one.tolist() for one in expected]


def test_more_events_than_one_partition_holds_are_all_read(served: Served, asked: list[dict[str, Any]]) -> None:
    here, there = served.both(fields_run(25_000, {"x": (SCALAR, float), "word": (data_key("string"), str)}))
    read = there.primary.read()
    assert [call["index"] for call in asked] == [0, 1, 2]
    xarray.testing.assert_identical(read, here.primary.read())


def test_images_come_filled_by_the_server(served: Served, tmp_path: Path) -> None:
    key = image_key(dtype_numpy="<u2", dims=["y", "x"], units="adu")
    here, there = served.both(image_run(tmp_path, rows=10, key=key))
    NpyHandler.loads.clear()
    read = there.primary.read()
    assert NpyHandler.loads == []  # not in this process
    assert read["image"].dims == ("time", "y", "x")
    np.testing.assert_array_equal(read["image"], np.arange(200).reshape(10, 4, 5))
    xarray.testing.assert_identical(read, here.primary.read())
    xarray.testing.assert_identical(there.primary.to_dask().compute(), here.primary.to_dask().compute())


def test_only_the_large_image_that_is_asked_for_is_fetched(
    served: Served, tmp_path: Path, asked: list[dict[str, Any]]
) -> None:
    np.save(tmp_path / "large.npy", np.arange(8 * 600 * 500, dtype="f4").reshape(8, 600, 500))
    recording = Recording()
    descriptor = recording.stream("primary", {"image": image_key([600, 500], dtype_numpy="<f4")})
    resource = recording.resource(tmp_path / "large.npy")
    for row in range(8):
        recording.event(descriptor, {"image": recording.datum(resource, i=row)}, {"image": False})
    there = served.there(served.take(recording.stop()))
    lazy = there.primary.to_dask()["image"]
    assert all(call["fill"] is False for call in asked)
    asked.clear()
    np.testing.assert_array_equal(lazy[3].compute(), np.load(tmp_path / "large.npy")[3])
    assert [(call["skip"], call["partition_size"], call["include"]) for call in asked] == [(3, 1, ["image"])]


def test_small_external_values_are_fetched_together(
    served: Served, tmp_path: Path, asked: list[dict[str, Any]]
) -> None:
    here, there = served.both(image_run(tmp_path, rows=200, key=image_key(dtype_numpy="<u2")))
    read = there.primary.read()
    assert [call["skip"] for call in asked if call["fill"]] == [0]
    xarray.testing.assert_identical(read, here.primary.read())


def test_large_arrays_in_events_are_read_when_they_are_computed(served: Served, asked: list[dict[str, Any]]) -> None:
    make = np.arange(300 * 600, dtype=float).reshape(300, 600)
    here, there = served.both(fields_run(300, {"x": (SCALAR, float), "row": (data_key("array", [600]), lambda row: make[row].tolist())}))  # fmt: skip  # noqa: E501
    lazy = there.primary.to_dask()
    assert {name for call in asked for name in call["include"] if call["partition_size"] > 1} == {"x"}
    np.testing.assert_array_equal(lazy["row"][7].compute(), make[7])
    xarray.testing.assert_identical(lazy.compute(), here.primary.read())


@pytest.mark.parametrize("strict_order", [True, False])
@pytest.mark.parametrize("fill", ["yes", "no"])
def test_documents_are_the_same_and_in_the_same_order(
    served: Served, tmp_path: Path, fill: str, strict_order: bool
) -> None:
    memory = image_run(tmp_path, rows=5)
    recording = Recording(plan="two streams")
    for name in ("primary", "baseline", "primary"):
        descriptor = recording.stream(name, {"x": SCALAR})
        recording.event(descriptor, {"x": 1.0})
    for run in (memory, recording.stop()):
        here, there = served.both(run)
        told = list(there.documents(fill=fill, strict_order=strict_order))
        assert plain(told) == plain(here.documents(fill=fill, strict_order=strict_order))
        assert isinstance(told[0][1], Start)


def test_documents_of_a_partition_are_the_same(served: Served, tmp_path: Path) -> None:
    here, there = served.both(image_run(tmp_path, rows=10))
    assert there.primary.npartitions == here.primary.npartitions == 1
    for index, fill in itertools.product(range(3), ("yes", "no")):
        ours = there.primary.read_partition(index, fill=fill, partition_size=4)
        assert plain(ours) == plain(here.primary.read_partition(index, fill=fill, partition_size=4))
    assert there.primary.read_partition({"index": 3, "fill": "no", "partition_size": 4}) == []
    assert there.primary.read_partition({"index": -1}) == []
    with pytest.raises(PartitionIndexError, match="no partition of number 3"):
        there.primary.read_partition(3, partition_size=4)
    with pytest.raises(PartitionIndexError):
        there.primary.read_partition(-1)
    with pytest.raises(PartitionSizeError, match="10000 or less"):
        there.primary.read_partition(0, partition_size=20_000)


def test_what_is_selected_of_a_stream_is_all_that_is_asked_for(
    served: Served, tmp_path: Path, asked: list[dict[str, Any]]
) -> None:
    here, there = served.both(image_run(tmp_path))
    for choice in ({"include": ["fwhm"]}, {"exclude": ["image"]}, {"include": ["nothing"]}):
        asked.clear()
        xarray.testing.assert_identical(there.primary.configure_new(**choice).read(), here.primary(**choice).read())
        assert not any("image" in call["include"] for call in asked)
    xarray.testing.assert_identical(there.primary.timestamps.read(), here.primary.timestamps.read())
    chosen = there.primary(include=["fwhm"])(exclude=["fwhm"])
    assert list(chosen.read()) == ["image"]
    with pytest.raises(SelectionError):
        there.primary(include=["a"], exclude=["b"])


def test_configuration_is_read_over_http(served: Served) -> None:
    recording = Recording()
    camera = {"data": {"gain": 1.5}, "timestamps": {"gain": 3.0}, "data_keys": {"gain": SCALAR}}
    descriptor = recording.stream(
        "primary", {"x": SCALAR}, configuration={"camera": camera}, object_keys={"camera": ["x"]}
    )
    for row in range(3):
        recording.event(descriptor, {"x": float(row)})
    here, there = served.both(recording.stop())
    assert list(there.primary.config) == ["camera"]
    xarray.testing.assert_identical(there.primary.config.camera.read(), here.primary.config["camera"].read())
    xarray.testing.assert_identical(
        there.primary.config_timestamps["camera"].read(), here.primary.config_timestamps["camera"].read()
    )


def test_several_descriptors_of_one_stream_are_one_array(served: Served, tmp_path: Path) -> None:
    recording = Recording()
    np.save(tmp_path / "a.npy", np.arange(12).reshape(6, 2))
    for keys in ({"x": SCALAR, "line": image_key([2])}, {"x": SCALAR, "line": image_key([2]), "more": SCALAR}):
        descriptor, resource = recording.stream("primary", keys), recording.resource(tmp_path / "a.npy")
        for row in range(3):
            line = recording.datum(resource, i=row)
            recording.event(descriptor, {"x": 1.0, "line": line} | dict.fromkeys(keys.keys() & {"more"}, 2.0), {"line": False})  # fmt: skip  # noqa: E501
    here, there = served.both(recording.stop())
    xarray.testing.assert_identical(there.primary.read(), here.primary.read())
    xarray.testing.assert_identical(there.primary.to_dask().compute(), here.primary.read())


def test_an_open_run_is_read_again_with_what_came_since(served: Served, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.arange(20).reshape(4, 5))
    recording = Recording()
    write, sent = served.store.writer(), 0

    def send() -> None:
        nonlocal sent
        for name, document in recording.memory.pairs[sent:]:
            write(name, document)
        sent = len(recording.memory.pairs)

    send()
    there = served.there(recording.memory.start()["uid"])
    assert list(there) == []
    assert there.stop is None
    with pytest.raises(AttributeError, match="primary"):
        _ = there.primary
    descriptor = recording.stream("primary", {"x": SCALAR, "line": image_key([5])})
    send()
    stream = there.primary
    assert stream.read()["x"].shape == (0,)
    for row in range(4):
        datum = recording.datum(recording.resource(tmp_path / "a.npy"), i=row)
        recording.event(descriptor, {"x": float(row), "line": datum}, {"line": False})
        send()
        assert stream.read()["x"].values.tolist() == [float(n) for n in range(row + 1)]
        np.testing.assert_array_equal(stream.to_dask()["line"][row].compute(), np.arange(20).reshape(4, 5)[row])
        assert stream.event_count() == row + 1
    assert [name for name, _ in there.documents(fill="no")][-1] == "event_page"
    recording.stop()
    send()
    assert there.metadata["stop"]["exit_status"] == "success"
    assert [name for name, _ in there.documents(fill="no")][-1] == "stop"
    assert stream.metadata["stop"] == there.stop


def test_what_a_run_says_of_itself(served: Served, tmp_path: Path) -> None:
    here, there = served.both(image_run(tmp_path))
    assert there.metadata == here.metadata
    assert (there.uid, there.name) == (here.uid, here.uid)
    assert (there.start, there.stop, there.descriptors) == (here.start, here.stop, here.descriptors)
    assert list(there) == ["primary"]
    assert "primary" in dir(there)
    assert repr(there) == f"<RemoteBlueskyRun '{served.url}/{here.uid}'>"
    assert "3 events" in there.primary._repr_html_()
    assert (there.has_been_persisted, there.is_persisted) == (False, False)
    extra = served.there(here.uid, metadata={"night": 7}, anything="ignored")
    assert extra.metadata["night"] == 7


def test_files_of_another_machine_have_no_list(served: Served, tmp_path: Path) -> None:
    here, there = served.both(image_run(tmp_path))
    assert hasattr(here, "get_file_list")
    assert not hasattr(there, "get_file_list")
    assert "get_file_list" not in dir(there)
    with pytest.raises(AttributeError, match="on the server's side"):
        there.get_file_list({})


def test_what_cannot_be_done_is_refused(served: Served, tmp_path: Path) -> None:
    _, there = served.both(image_run(tmp_path))
    with pytest.raises(NotImplementedError, match=r"to_dask\(\)"):
        there.documents(fill="delayed")
    with pytest.raises(FillChoiceError):
        there.documents(fill="maybe")
    with pytest.raises(NotImplementedError):
        there.primary.read_partition(0, fill="delayed")
    with pytest.raises(PartitionSizeError, match="partition_size=0"):
        there.primary.read_partition(0, partition_size=0)
    with pytest.raises(PartitionIndexError, match="names no partition"):
        there.primary.read_partition({"fill": "no"})
    with pytest.raises(NotImplementedError, match=r"run\['primary'\]\.read\(\)"):
        there.read()
    with pytest.raises(NotImplementedError, match="runs export"):
        there.persist()
    with pytest.raises(KeyError, match="'nothing'"):
        there["nothing"]


def test_a_run_has_an_address_by_its_uid_or_the_start_of_it(served: Served) -> None:
    uid = served.take(fields_run(2, {"x": (SCALAR, float)}))
    assert RemoteBlueskyRun(f"{served.url}/{uid}").uid == uid
    assert RemoteBlueskyRun(served.url, None, uid[:13]).uid == uid
    again = RemoteBlueskyRun(served.url + "/", {"X-Anything": "1"}, uid, {"partition_size": 1})
    assert again.configure_new() is again
    other = again.configure_new(metadata={"a": 1})
    assert (other.metadata["a"], other.uid) == (1, uid)


def test_an_unknown_run_is_said_by_the_server_as_a_key_error(served: Served) -> None:
    with pytest.raises(UnknownNameError, match=f"nobody.*reported by {served.url}/nobody"):
        _ = served.there("nobody").start
    with pytest.raises(UsageError, match=r"is a list of runs, not a run\. Choose one: name="):
        list(RemoteBlueskyRun(served.url))
    with pytest.raises(UsageError, match="No parameter is called 'wrong' here"):
        _ = served.there("nobody", parameters={"wrong": 1}).start


def test_runs_and_lazy_arrays_go_to_other_processes(served: Served, tmp_path: Path) -> None:
    here, there = served.both(image_run(tmp_path, rows=6))
    assert there.uid == here.uid  # a connection is open here already
    lazy = there.primary.to_dask()["image"]
    copied = pickle.loads(pickle.dumps(there))
    xarray.testing.assert_identical(copied.primary.read(), here.primary.read())
    with ThreadPoolExecutor(2) as threads, dask.config.set(scheduler="processes", num_workers=2):
        del threads
        np.testing.assert_array_equal(lazy.compute(), here.primary.read()["image"])


def _sum_in_a_fork(run: RemoteBlueskyRun, results: Any) -> None:
    results.put(float(run.primary.read()["x"].sum()))


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_process_asks_over_connections_of_its_own(served: Served) -> None:
    there = served.there(served.take(fields_run(1000, {"x": (SCALAR, float)})))
    expected = float(there.primary.read()["x"].sum())
    context = get_context("fork")
    results = context.Queue()
    children = [context.Process(target=_sum_in_a_fork, args=(there, results)) for _ in range(2)]
    for child in children:
        child.start()
    assert [float(there.primary.read()["x"].sum()) for _ in range(10)] == [expected] * 10
    assert [results.get(timeout=60) for _ in children] == [expected] * 2
    for child in children:
        child.join(timeout=60)
        assert child.exitcode == 0


def test_many_threads_read_at_once(served: Served, tmp_path: Path) -> None:
    here, there = served.both(image_run(tmp_path, rows=20))
    expected = here.primary.read()
    with ThreadPoolExecutor(12) as pool:
        for read in pool.map(lambda _: there.primary.read(), range(24)):
            xarray.testing.assert_identical(read, expected)


def test_who_stops_listening_disturbs_nobody(served: Served) -> None:
    there = served.there(served.take(fields_run(5000, {"word": (data_key("string"), lambda row: "x" * 2000)})))
    for _ in range(30):
        documents = there.documents(fill="no")
        assert next(documents)[0] == "start"
        documents.close()
    assert sum(len(page["uid"]) for name, page in there.documents(fill="no") if name == "event_page") == 5000
    assert "Traceback" not in served.process.tail


def test_an_image_that_is_gone_is_named_and_the_others_are_read(served: Served, tmp_path: Path) -> None:
    recording = Recording()
    descriptor = recording.stream("primary", {"fwhm": SCALAR, "image": image_key([2, 2])})
    for row in range(3):
        np.save(tmp_path / f"{row}.npy", np.full((1, 2, 2), row))
        datum = recording.datum(recording.resource(tmp_path / f"{row}.npy"), i=0)
        recording.event(descriptor, {"fwhm": 1.0, "image": datum}, {"image": False})
    there = served.there(served.take(recording.stop()))
    (tmp_path / "1.npy").unlink()
    lazy = there.primary.to_dask()["image"]
    assert float(lazy[2].mean()) == 2.0
    with pytest.raises(DataGoneError, match=r"Field 'image' of event 2 .*1\.npy is gone.*exclude=\['image'\]"):
        lazy[1].compute()
    with pytest.raises(DataGoneError, match="reported by http"):
        there.primary.read()
    with pytest.raises(DataGoneError):
        list(there.documents(fill="yes"))
    assert there.primary(exclude=["image"]).read()["fwhm"].shape == (3,)
    (tmp_path / "0.npy").write_bytes(b"nothing")
    with pytest.raises(UnreadableDataError, match="handler of spec 'NPY' fails"):
        lazy[0].compute()


def test_values_of_other_shapes_than_declared_are_said_by_field(served: Served, tmp_path: Path) -> None:
    here, there = served.both(image_run(tmp_path, key=image_key([9, 9])))
    with pytest.raises(ValueError, match="'image'") as local:
        here.primary.read()
    with pytest.raises(type(local.value), match="'image'"):
        there.primary.read()
    here, there = served.both(image_run(tmp_path, key=image_key([None, None])))
    xarray.testing.assert_identical(there.primary.read(), here.primary.read())
    xarray.testing.assert_identical(there.primary.to_dask().compute(), here.primary.read())


def test_a_shelf_lists_searches_and_counts(served: Served) -> None:
    uids = [served.take(fields_run(1, {"x": (SCALAR, float)})) for _ in range(3)]
    shelf, here = RemoteShelf(served.url), Broker(served.store)
    assert shelf.count({}) == len(here)
    assert [header.uid for header in shelf.headers({})] == list(here)
    wanted = {"uid": {"$in": uids}}
    assert shelf.count(wanted) == 3
    assert [header.uid for header in shelf.headers(wanted)] == uids[::-1]
    assert [header.uid for header in shelf.headers(wanted, skip=1, limit=1)] == [uids[1]]
    assert list(shelf.headers(wanted, limit=0)) == []
    (header,) = shelf.headers({"uid": uids[0]})
    assert header.stop == dict(served.here(uids[0]).stop or {})
    assert shelf.place == served.url


def test_a_shelf_reads_all_pages(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    from underbutler.catalog.remote import run_store as remote_shelf

    monkeypatch.setattr(remote_shelf, "_FIRST", 2)
    monkeypatch.setattr(remote_shelf, "_MOST", 3)
    uids = [served.take(fields_run(1, {"x": (SCALAR, float)})) for _ in range(9)]
    shelf = RemoteShelf(served.url)
    for limit in (None, 1, 2, 5, 8, 9, 10):
        found = [header.uid for header in shelf.headers({"uid": {"$in": uids}}, limit=limit)]
        assert found == uids[::-1][:limit]


def test_a_query_that_no_server_can_be_asked_is_refused_here(served: Served) -> None:
    shelf = RemoteShelf(served.url)
    with pytest.raises(QueryError, match="cannot be sent to a server"):
        shelf.count({"x": object()})
    with pytest.raises(QueryError, match="Ask in several parts"):
        shelf.count({"x": {"$in": list(range(10_000))}})
    with pytest.raises(QueryError, match=r"\$near.*reported by"):
        shelf.count({"x": {"$near": 1}})


def test_a_run_of_a_shelf_is_known_without_asking(served: Served) -> None:
    uid = served.take(fields_run(4, {"x": (SCALAR, float)}))
    shelf = RemoteShelf(served.url)
    (header,) = shelf.headers({"uid": uid})
    run = shelf.run(header)
    assert (run.start["uid"], run.stop) == (uid, served.here(uid).stop)
    assert run._remote._ended is None
    assert run.primary.read()["x"].shape == (4,)


def test_a_broker_of_a_server_finds_what_the_databases_finds(served: Served, tmp_path: Path) -> None:
    uids = [served.take(image_run(tmp_path)) for _ in range(3)]
    here, there = Broker(served.store, handler_registry=served.handlers), Broker(served.url)
    assert (len(there), list(there)) == (len(here), list(here))
    assert isinstance(there[-1], RemoteBlueskyRun)
    assert [there[key].uid for key in (-1, -2, uids[0], uids[0][:18])] == [uids[2], uids[1], uids[0], uids[0]]
    assert [uid for uid, run in there.items() if run.start.get("task") == "test"][:3] == uids[::-1]
    found = there.search({"uid": {"$in": uids}}).search({"exit_status": "success"})
    assert (list(found), len(found), uids[0] in found, "nobody" in found) == (uids[::-1], 3, True, False)
    xarray.testing.assert_identical(found[-1].primary.read(), here[-1].primary.read())
    with pytest.raises(IndexError):
        found[-4]
    with pytest.raises(KeyError):
        there["nobody"]
    for uid in ("twin-a", "twin-b"):
        served.take(Memory([("start", {"uid": uid, "time": 1.0})]))
    with pytest.raises(ValueError, match="Several runs begin or end with 'twin': twin-b, twin-a"):
        there["twin"]
    assert httpx.get(f"{served.url}/twin").json()["error"]["type"] == "AmbiguousRunError"


def test_a_run_may_be_asked_for_as_a_broker_finds_it(served: Served) -> None:
    uid = served.take(fields_run(1, {"x": (SCALAR, float)}))
    assert httpx.get(f"{served.url}/-1").json()["uid"] == uid
    said = httpx.get(f"{served.url}/-99999").json()["error"]
    assert (said["kind"], said["type"]) == ("usage", "RunIndexError")


def test_a_broker_with_handlers_of_its_own_fills_here(served: Served, tmp_path: Path) -> None:
    served.take(image_run(tmp_path))
    NpyHandler.loads.clear()
    run = Broker(served.url, handler_registry={"NPY": NpyHandler})[-1]
    assert run.primary.read()["image"].shape == (3, 4, 5)
    assert sorted(NpyHandler.loads) == [0, 1, 2]


def test_external_values_may_also_be_filled_here(served: Served, tmp_path: Path) -> None:
    uid = served.take(image_run(tmp_path, rows=4))
    shelf, here = RemoteShelf(served.url), served.here(uid)
    (header,) = shelf.headers({"uid": uid})
    ours = BlueskyRun.of(shelf.source(header), FillerFactory({"NPY": NpyHandler}))
    NpyHandler.loads.clear()
    xarray.testing.assert_identical(ours.primary.read(), here.primary.read())
    assert sorted(NpyHandler.loads) == [0, 0, 1, 1, 2, 2, 3, 3]
    for fill in ("yes", "no"):
        assert plain(ours.documents(fill=fill)) == plain(here.documents(fill=fill))
    (resource,) = list(ours.source.get_resources())
    assert [path.split("#")[1] for path in ours.get_file_list(resource)] == ["0", "1", "2", "3"]
    with pytest.raises(KeyError):
        ours.source.get_resource("unknown")
    with pytest.raises(KeyError):
        ours.source.lookup_resource_for_datum("unknown")


def test_a_server_of_a_servers_runs_gives_the_same(served: Served, tmp_path: Path) -> None:
    here, there = served.both(image_run(tmp_path, rows=5))
    client = TestClient(catalog_app(Chosen({there.uid: there})))
    for path in ("", "/documents", "/references", "/streams/primary/partitions/0/documents"):
        assert client.get(f"/runs/{there.uid}{path}").content == httpx.get(f"{served.url}/{there.uid}{path}").content
    for question in ("", "?fill=no", "?include=fwhm&skip=2", "?include=", "?exclude=fwhm", "?sub_dict=timestamps"):
        path = f"{there.uid}/streams/primary/partitions/0{question}"
        assert client.get(f"/runs/{path}").content == httpx.get(f"{served.url}/{path}").content
    assert client.get(f"/runs/{there.uid}/streams/primary/partitions/-1").status_code == 404
    assert here.uid == there.uid


def test_a_dtype_unknown_to_numpy_disturbs_only_its_field(served: Served) -> None:
    fields = {"x": (SCALAR, float), "odd": (data_key("number", dtype_str="nonsense"), float)}
    here, there = served.both(fields_run(3, fields))
    xarray.testing.assert_identical(there.primary(include=["x"]).read(), here.primary(include=["x"]).read())
    with pytest.raises(ValueError, match="'nonsense'"):
        there.primary.read()


def test_long_texts_come_in_partitions_that_are_not_refused(served: Served) -> None:
    fields = {f"word{n}": (data_key("string", dtype_numpy="<U1000"), lambda row: f"{row}") for n in range(30)}
    here, there = served.both(fields_run(10, fields))
    xarray.testing.assert_identical(there.primary.read(), here.primary.read())


def test_a_server_that_ends_is_away_and_named(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'runs.db'}"
    upgrade(url)
    with Guard() as guard:
        served = serve(url, guard)
        uid = served.take(fields_run(50_000, {"x": (SCALAR, float), "word": (data_key("string"), str)}))
        there = served.there(uid)
        documents = there.documents(fill="no")
        assert next(documents)[0] == "start"
        served.process.kill()
        served.process.stop()
        with pytest.raises(RemoteUnavailableError, match=served.url) as caught:
            list(documents)
        assert isinstance(caught.value, TransientError)
        assert isinstance(caught.value, ConnectionError)
        for read in (
            lambda: there["primary"],
            lambda: list(there.documents(fill="no")),
            lambda: served.there(uid).start,
        ):
            with pytest.raises(RemoteUnavailableError, match=f"{served.url}.* does not answer"):
                read()


def test_any_client_can_read_the_lines(served: Served) -> None:
    uid = served.take(fields_run(3, {"x": (SCALAR, float)}))
    with httpx.stream("GET", f"{served.url}/{uid}/documents") as answer:
        assert answer.headers["content-type"] == "application/x-ndjson"
        assert [line[:8] for line in answer.iter_lines()] == ['["start"', '["descri', '["event_', '["stop",']
