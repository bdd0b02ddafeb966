"""Query parameters of each route, read strictly: what is misspelt is refused, not passed over."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, Self, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Json, ValidationError
from starlette.datastructures import QueryParams

from underbutler.catalog.query.questions import LARGEST
from underbutler.errors import suggest
from underbutler.wording import shortened

from .error_responses import ParameterError

__all__ = ["DocumentParameters", "ListParameters", "Parameters", "PartitionDocumentParameters", "PartitionParameters"]

RUNS: Final = 100
MOST_RUNS: Final = 1000
"""Runs of a page: those that are given without a wish, and the most that are."""


def _is_yes(given: str) -> bool | str:
    return {"yes": True, "no": False}.get(given, given)


def _not_empty(given: list[str]) -> list[str]:
    return [one for one in given if one]


# pydantic's own reading is wider: 5.0 is an integer to it, and "on" is true.
Whole: TypeAlias = Annotated[int, BeforeValidator(int), Field(lt=LARGEST)]
Skip: TypeAlias = Annotated[Whole, Field(ge=0, description="an integer from 0 on")]
YesOrNo: TypeAlias = Annotated[bool, BeforeValidator(_is_yes), Field(strict=True, description="yes or no")]
Names: TypeAlias = Annotated[list[str] | None, BeforeValidator(_not_empty)]
"""What is given once or more often; None if it is not; an empty list if all that is given is empty."""


class Parameters(BaseModel):
    """Parameters that every request about runs takes, whether they matter there or not.

    A field's description says how its value is written: a refusal tells it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    partition_size: Literal["auto"] | Annotated[Whole, Field(ge=1)] = Field(
        "auto", description="auto or an integer from 1 on"
    )

    @classmethod
    def read(cls, given: QueryParams) -> Self:
        """Return the parameters of one request.

        Raises
        ------
        ParameterError
            If one is not known, or its value is not understood.
        """
        # Those with Names are given once or more often; of another one the last counts.
        several = {name for name, field in cls.model_fields.items() if field.annotation == list[str] | None}
        try:
            return cls.model_validate({name: given.getlist(name) if name in several else given[name] for name in given})
        except ValidationError as error:
            raise cls._refusal(given, error) from error

    @classmethod
    def _refusal(cls, given: QueryParams, error: ValidationError) -> ParameterError:
        faults = sorted(error.errors(), key=lambda fault: fault["type"] != "extra_forbidden")
        name = str(faults[0]["loc"][0])
        if name not in cls.model_fields:
            return ParameterError(
                f"No parameter is called {shortened(name)} here.{suggest(name[:40], cls.model_fields)} "
                f"Known: {', '.join(sorted(cls.model_fields))}.",
                parameter=name[:40],
                cure=f"Leave {name[:40]} out.",
            )
        why = f" ({faults[0]['msg']})" if faults[0]["type"] == "json_invalid" else ""
        cure = f"Write {name} as {cls.model_fields[name].description}{why}."
        return ParameterError(f"{name}={shortened(given[name])} is not understood. {cure}", parameter=name, cure=cure)


class ListParameters(Parameters):
    """Parameters of a list of runs."""

    where: Json[dict[str, Any]] = Field({}, description='a mapping in JSON, {"task": "processCcd"}')
    limit: Whole = Field(RUNS, ge=0, le=MOST_RUNS, description=f"an integer from 0 to {MOST_RUNS}")
    skip: Skip = 0
    before: str | None = None
    count: YesOrNo = False


class DocumentParameters(Parameters):
    """Parameters of the documents of a run."""

    fill: YesOrNo = False
    strict_order: YesOrNo = True


class PartitionDocumentParameters(Parameters):
    """Parameters of the documents of a partition."""

    fill: YesOrNo = False


class PartitionParameters(Parameters):
    """Parameters of the columns and arrays of a partition."""

    skip: Skip = 0
    descriptor: str | None = None
    include: Names = None
    exclude: Names = None
    sub_dict: Literal["data", "timestamps"] = Field("data", description="data or timestamps")
    fill: YesOrNo = True
