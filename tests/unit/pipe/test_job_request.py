"""A request is a value: exact in JSON, closed, and all that is wrong with one is told at once."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.examples import examples
from underbutler.errors import UnknownNameError, UsageError
from underbutler.model.message import canonical_json
from underbutler.pipe.faults import Faults, RequestError
from underbutler.pipe.request import JobRequest, Override, RequestStep, RequestTarget, request_schema

text = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=4)
word = text.filter(bool)
json_value = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | text,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(text, inner, max_size=2),
    max_leaves=3,
)
override = st.builds(Override, path=text, value=json_value) | st.builds(
    Override, path=text, value=text, is_text=st.just(True)
)
kwargs = st.none() | st.dictionaries(text, json_value, max_size=2)
target = st.builds(
    RequestTarget, data_id=st.dictionaries(word, st.integers() | text, max_size=2), kwargs=kwargs
) | st.builds(RequestTarget, args=st.lists(json_value, max_size=2).map(tuple), kwargs=kwargs)
common: dict[str, Any] = {
    "task": word,
    "config": st.lists(override, max_size=2).map(tuple),
    "options": st.dictionaries(word, json_value, max_size=2),
}
step = st.builds(
    RequestStep,
    **common,
    ids=st.dictionaries(word, st.lists(st.lists(text, max_size=2).map(tuple), max_size=2).map(tuple), max_size=2),
    where=text,
) | st.builds(RequestStep, **common, targets=st.lists(target, max_size=2).map(tuple), targets_run=st.none() | word)
steps = st.lists(step, min_size=1, max_size=2, unique_by=lambda one: one.task).map(tuple)
request_ = st.builds(
    JobRequest,
    repo=word,
    out=st.none() | word,
    steps=steps,
    collections=st.none() | st.lists(word, max_size=2).map(tuple),
    run=st.none() | text,
    new_run=st.booleans(),
    allow_empty=st.booleans(),
    allow_many=st.booleans(),
    with_versions=st.booleans(),
    queue=st.none() | word,
    lifetime_s=st.none() | st.floats(min_value=0.001, max_value=1e12),
    user=st.none() | word,
    tags=st.dictionaries(word, text, max_size=2),
)


@settings(max_examples=examples(50))
@given(request_)
def test_a_request_comes_back_from_json_as_it_was(request: JobRequest) -> None:
    document = request.to_json()
    again = JobRequest.from_json(json.loads(json.dumps(document)))
    assert again == request
    assert canonical_json(again.to_json()) == canonical_json(document)
    jsonschema.validate(document, request_schema())


def test_the_shipped_schema_is_that_of_the_code() -> None:
    assert request_schema() == JobRequest.model_json_schema()


def test_a_request_says_only_what_was_asked_for() -> None:
    request = JobRequest.from_json({"repo": "demo", "steps": [{"task": "makeBias"}]})
    assert request.to_json() == {"repo": "demo", "steps": [{"task": "makeBias"}]}
    assert request.steps[0].name == "makeBias"


def test_a_record_leaves_out_targets_with_rows_of_their_own() -> None:
    named = {"task": "level", "targets": [{"data_id": {"exposure": 1}, "kwargs": {"factor": 2}}]}
    recorded = {"task": "factor", "targets": [{"args": [1]}], "targets_run": "u/old", "options": {"factor": 2}}
    request = JobRequest.from_json({"repo": "demo", "steps": [named, recorded], "tags": {"night": "first"}})
    assert request.to_record() == {
        "repo": "demo",
        "steps": [named, {"task": "factor", "options": {"factor": 2}}],
        "tags": {"night": "first"},
    }


def test_a_request_cannot_be_changed() -> None:
    request = JobRequest.from_json({"repo": "demo", "steps": [{"task": "makeBias"}]})
    with pytest.raises(ValueError, match="frozen"):
        request.repo = "other"  # type: ignore[misc]
    assert request.replaced(queue="bulk") == JobRequest(repo="demo", steps=request.steps, queue="bulk")
    with pytest.raises(RequestError, match="queue"):
        request.replaced(queue="")


def test_every_field_that_is_wrong_is_named() -> None:
    document = {
        "repo": "",
        "steps": [{"task": "makeBias", "confg": [], "targets": [{"data_id": {"detector": 1.5}}]}],
        "lifetime_s": -1,
        "tags": {"night": "a\0b"},
    }
    with pytest.raises(RequestError) as error:
        JobRequest.from_json(document)
    told = {fault.field: fault.message for fault in error.value.faults}
    assert set(told) == {"repo", "steps[0].confg", "steps[0].targets[0].data_id.detector", "lifetime_s", "tags.night"}
    assert told["steps[0].confg"] == "A request has no such field. Did you mean 'config'?"
    assert all(f"{field}: " in str(error.value) for field in told)


@pytest.mark.parametrize(
    ("step", "text"),
    [
        ({"task": "t", "targets": [], "where": "x"}, "either by ids and where, or by targets"),
        ({"task": "t", "targets_run": "u/old"}, "targets_run only together with targets"),
        ({"task": "t", "targets": [{"data_id": {}, "args": []}]}, "either a data_id or args"),
        ({"task": "t", "config": [{"path": "a", "value": 3, "is_text": True}]}, "needs a value that is text"),
        ({"task": "t", "options": {"x": float("nan")}}, "JSON does not have"),
    ],
)
def test_what_contradicts_itself_is_refused(step: dict[str, Any], text: str) -> None:
    with pytest.raises(RequestError, match=text):
        JobRequest.from_json({"repo": "demo", "steps": [step]})


def test_a_request_needs_steps_with_labels_of_their_own() -> None:
    with pytest.raises(RequestError, match="needs a step"):
        JobRequest.from_json({"repo": "demo", "steps": []})
    with pytest.raises(RequestError, match="the same label"):
        JobRequest.from_json({"repo": "demo", "steps": [{"task": "t"}, {"task": "u", "label": "t"}]})


def test_faults_are_collected_and_raised_as_one_error() -> None:
    faults = Faults()
    faults.raise_if_any()
    with faults.of("repo"):
        raise UnknownNameError.of("repository", "demmo", ["demo"])
    with pytest.raises(UnknownNameError, match="No repository is called 'demmo'") as alone:
        faults.raise_if_any()
    assert alone.value.fields["name"] == "demmo"
    with faults.of("queue"):
        raise UsageError("No such queue.")
    with pytest.raises(RequestError, match="2 faults") as both:
        faults.raise_if_any()
    assert not isinstance(both.value, UnknownNameError)
    assert [fault.field for fault in both.value.faults] == ["repo", "queue"]
    assert both.value.fields["faults"][1] == {"field": "queue", "message": "No such queue."}  # type: ignore[index]
