"""Documents cannot be changed, and travel everywhere that a dictionary travels."""

from __future__ import annotations

import copy
import json
import operator
import pickle
from collections.abc import Callable
from typing import Any

import msgpack
import numpy as np
import pytest
from dask.base import tokenize
from hypothesis import given
from hypothesis import strategies as st

from underbutler.catalog import (
    Datum,
    DatumPage,
    Descriptor,
    Document,
    Event,
    EventPage,
    NotMutable,
    Resource,
    Start,
    Stop,
)

CHANGES: dict[str, Callable[[Any], Any]] = {
    "setitem": lambda doc: operator.setitem(doc, "uid", "b"),
    "delitem": lambda doc: operator.delitem(doc, "uid"),
    "ior": lambda doc: operator.ior(doc, {"uid": "b"}),
    "clear": lambda doc: doc.clear(),
    "pop": lambda doc: doc.pop("uid"),
    "pop of nothing": lambda doc: doc.pop("none", None),
    "popitem": lambda doc: doc.popitem(),
    "setdefault": lambda doc: doc.setdefault("uid", "b"),
    "update": lambda doc: doc.update(uid="b"),
    "init": lambda doc: doc.__init__({"uid": "b"}),
}

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
@pytest.mark.parametrize("kind", [Start, Stop, Descriptor, Event, Resource])
def test_every_way_to_change_a_document_is_refused(kind: type[Document], change: Callable[[Any], Any]) -> None:
    document = kind({"uid": "a", "n": 1})
    with pytest.raises(NotMutable, match="to_dict") as caught:
        change(document)
    assert isinstance(caught.value, TypeError)
    assert document == {"uid": "a", "n": 1}


def test_an_attribute_cannot_be_added() -> None:
    with pytest.raises(AttributeError):
        Start(uid="a").note = "x"  # type: ignore[attr-defined]


@given(st.dictionaries(st.text(), VALUES, max_size=4))
def test_a_document_comes_back_from_its_repr_which_is_one_line(content: dict[str, Any]) -> None:
    text = repr(Start(content))
    back = eval(text)
    assert type(back) is Start
    assert back == content
    assert "\n" not in text


@pytest.mark.parametrize("travel", [copy.copy, copy.deepcopy, lambda doc: pickle.loads(pickle.dumps(doc))])
@pytest.mark.parametrize("kind", [Start, Datum, EventPage, Document])
def test_copies_and_pickles_are_documents_of_the_same_kind(kind: type[Document], travel: Callable[[Any], Any]) -> None:
    document = kind(uid="a", nested={"values": [1, 2]})
    there = travel(document)
    assert type(there) is kind
    assert there == document
    with pytest.raises(NotMutable):
        there["uid"] = "b"


def test_a_deep_copy_shares_nothing() -> None:
    document = Start(uid="a", nested={"values": [1]})
    copy.deepcopy(document)["nested"]["values"].append(2)
    document.to_dict()["nested"]["values"].append(3)
    assert document == {"uid": "a", "nested": {"values": [1]}}


def test_what_consumers_change_is_a_plain_dictionary() -> None:
    document = Start(uid="a")
    for mutable in (document.to_dict(), document.copy(), document | {"n": 1}, {"n": 1} | document, dict(document)):
        assert type(mutable) is dict
        mutable["uid"] = "b"
    assert document["uid"] == "a"


def test_json_and_msgpack_see_a_dictionary() -> None:
    document = Start(uid="a", nested={"values": [1, 2.5, None]})
    assert json.loads(json.dumps(document)) == document
    assert msgpack.unpackb(msgpack.packb(document)) == document


def test_a_token_is_of_the_kind_and_the_uid_alone() -> None:
    assert tokenize(Start(uid="a", n=1)) == tokenize(Start(uid="a", n=2))
    assert tokenize(Start(uid="a")) != tokenize(Start(uid="b"))
    assert tokenize(Start(uid="a")) != tokenize(Stop(uid="a"))
    assert tokenize(Datum(datum_id="r/0")) == tokenize(Datum(datum_id="r/0", datum_kwargs={"i": 1}))
    assert tokenize(EventPage(uid=["a", "b"])) != tokenize(EventPage(uid=["a"]))
    assert tokenize(DatumPage(datum_id=["a"])) != tokenize(EventPage(uid=["a"]))
    assert tokenize([Start(uid="a", n=1)]) == tokenize([Start(uid="a", n=2)])


def test_a_kind_of_ones_own_must_say_its_token() -> None:
    class Note(Document):
        pass

    class Told(Document):
        def __dask_tokenize__(self) -> Any:
            return "told", self["n"]

    with pytest.raises(NotImplementedError, match="Note is a Document and must define __dask_tokenize__"):
        tokenize(Note(uid="a"))
    assert tokenize(Told(n=1, rest=2)) == tokenize(Told(n=1, rest=3))


def test_ipython_shows_one_key_a_line() -> None:
    class Printer:
        def __init__(self) -> None:
            self.said: list[Any] = []

        def text(self, text: str) -> None:
            self.said.append(text)

        def group(self, _indent: int, opened: str, closed: str) -> Any:
            import contextlib

            @contextlib.contextmanager
            def inside() -> Any:
                self.said.append(opened)
                yield
                self.said.append(closed)

            return inside()

        def pretty(self, value: Any) -> None:
            self.said.append(value)

    printer = Printer()
    Start(uid="a")._repr_pretty_(printer, False)
    assert printer.said == ["Start(", {"uid": "a"}, ")"]
    Start(uid="a")._repr_pretty_(printer, True)
    assert printer.said[-1] == "Start(...)"


def test_a_document_of_arrays_can_be_copied_and_pickled() -> None:
    page = EventPage(uid=["a"], data={"image": [np.arange(3)]})
    back = pickle.loads(pickle.dumps(page))
    np.testing.assert_array_equal(back["data"]["image"][0], [0, 1, 2])
    assert Start.fromkeys(["uid"], "a") == {"uid": "a"}
