"""Servers of runs, and who asks them: by uid, by search, from processes and threads, and when something is gone."""

from __future__ import annotations

import pickle
import warnings
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import dask
import httpx
import numpy as np
import pytest
import xarray

from tests.support.catalog.runs import SCALAR, Memory, NpyHandler, Recording, data_key, fields_run, image_key, image_run

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of which HTTP client the test client is made
    from starlette.testclient import TestClient

from tests.support.catalog.remote_runs import Served, plain, serve
from underbutler.api import catalog_app
from underbutler.catalog import (
    BlueskyRun,
    Broker,
    DataGoneError,
    FillerFactory,
    RemoteBlueskyRun,
    RemoteShelf,
    RemoteUnavailableError,
)
from underbutler.catalog.arrays.external import UnreadableDataError
from underbutler.catalog.query.queries import QueryError
from underbutler.embedded.process import Guard
from underbutler.errors import TransientError, UnknownNameError, UsageError
from underbutler.migrations import upgrade


class Chosen(dict[str, Any]):
    """A catalogue of some runs."""

    def search(self, query: Any) -> Chosen:
        return self


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
