"""Query parameters are read as strictly as they are documented, and a refusal says how to write them."""

from __future__ import annotations

import pytest
from starlette.datastructures import QueryParams

from underbutler.api.error_responses import ParameterError
from underbutler.api.parameters import DocumentParameters, ListParameters, Parameters, PartitionParameters


@pytest.mark.parametrize(
    ("model", "query", "cure"),
    [
        (ListParameters, "limit=5.0", "Write limit as an integer from 0 to 1000."),
        (ListParameters, "skip=", "Write skip as an integer from 0 on."),
        (ListParameters, "count=true", "Write count as yes or no."),
        (DocumentParameters, "strict_order=1", "Write strict_order as yes or no."),
        (PartitionParameters, "partition_size=AUTO", "Write partition_size as auto or an integer from 1 on."),
        (PartitionParameters, "sub_dict=Data", "Write sub_dict as data or timestamps."),
        (Parameters, "limit=5", "Leave limit out."),
    ],
)
def test_a_wider_reading_is_refused_with_the_cure(model: type[Parameters], query: str, cure: str) -> None:
    with pytest.raises(ParameterError) as refused:
        model.read(QueryParams(query))
    assert refused.value.fields == {"parameter": query.partition("=")[0], "cure": cure}


def test_an_unknown_name_is_told_before_a_wrong_value() -> None:
    with pytest.raises(ParameterError, match=r"No parameter is called 'skp' here\. Did you mean 'skip'\?"):
        ListParameters.read(QueryParams("limit=many&skp=3"))


def test_names_are_collected_and_of_others_the_last_counts() -> None:
    read = PartitionParameters.read(QueryParams("include=a&include=&include=b&exclude=&skip=1&skip=2"))
    assert (read.include, read.exclude, read.skip) == (["a", "b"], [], 2)
    assert PartitionParameters.read(QueryParams("")).include is None


def test_a_refused_mapping_says_what_is_wrong_in_it() -> None:
    with pytest.raises(ParameterError, match=r"a mapping in JSON, .* \(Invalid JSON: .*column"):
        ListParameters.read(QueryParams('where={"a":'))
