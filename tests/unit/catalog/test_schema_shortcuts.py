"""Events and datums are passed without a look at their schema only where the schema would pass them."""

from __future__ import annotations

from typing import Any

import event_model
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.catalog.rows import event_of
from underbutler.catalog import schema
from underbutler.catalog.schema import DocumentError

ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=3),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=2), st.one_of(st.booleans(), st.text(max_size=2), st.integers()), max_size=2),
)
EVENT = {**event_of(1), "filled": {"x": False}}
DATUM = {"datum_id": "file/1", "resource": "file", "datum_kwargs": {"index": 0}}


def changed(document: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Return a document with some values replaced, added or taken away."""
    change = st.dictionaries(st.sampled_from([*document, "extra"]), ANYTHING, max_size=2)
    gone = st.sets(st.sampled_from([*document]), max_size=1)
    return st.builds(
        lambda new, old: {key: value for key, value in {**document, **new}.items() if key not in old}, change, gone
    )


@pytest.mark.parametrize(("name", "document"), [("event", EVENT), ("datum", DATUM)])
@given(data=st.data())
def test_what_passes_at_once_keeps_to_the_schema(name: str, document: dict[str, Any], data: st.DataObject) -> None:
    one = data.draw(changed(document))
    if schema._SURE[name](one):
        assert not list(event_model.schema_validators[event_model.DocumentNames[name]].iter_errors(one))
        schema._check_range(name, one)


@pytest.mark.parametrize(("name", "document"), [("event", EVENT), ("event", event_of(1)), ("datum", DATUM)])
def test_usual_documents_pass_at_once(name: str, document: dict[str, Any]) -> None:
    assert schema._SURE[name](document)


@given(one=changed(EVENT))
def test_what_the_schema_refuses_is_refused_with_a_path(one: dict[str, Any]) -> None:
    errors = list(event_model.schema_validators[event_model.DocumentNames.event].iter_errors(one))
    if errors:
        with pytest.raises(DocumentError, match=r"breaks its schema at \$"):
            schema.check("event", one)
