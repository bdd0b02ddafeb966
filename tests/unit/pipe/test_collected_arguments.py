"""A task's own arguments are those that it added, however it added them."""

from __future__ import annotations

import pytest

from underbutler import ArgumentParser
from underbutler.errors import UsageError
from underbutler.pipe import DatasetArgument
from underbutler.pipe.faults import Faults
from underbutler.pipe.parsing.argument_parser import ArgumentParser as Parser
from underbutler.pipe.step_options import complete_options


def parser() -> Parser:
    made = ArgumentParser(name="own")
    made.add_id_argument("--id", DatasetArgument("--dstype", default="raw"), help="data")
    made.add_argument("--factor", type=float, default="2.5")
    group = made.add_argument_group("of its own")
    group.add_argument("--bins", type=int, nargs=2, default=(1, 2))
    nested = group.add_mutually_exclusive_group()
    nested.add_argument("--fast", action="store_true")
    either = made.add_mutually_exclusive_group()
    either.add_argument("--method", choices=["mean", "median"], default="mean")
    return made


def test_arguments_of_groups_are_the_tasks_own() -> None:
    assert parser().own_dests == ["dstype", "factor", "bins", "fast", "method"]
    assert parser().own_arguments["method"].choices == ["mean", "median"]
    assert list(parser().id_arguments) == ["id"]
    assert ArgumentParser(name="none").own_dests == []


def test_a_request_leaves_out_options_with_their_default() -> None:
    words = ["demo", "--factor", "3", "--fast", "--bins", "1", "2", "--method", "mean", "--id", "detector=0^1"]
    request = parser().read(words).request
    (step,) = request.steps
    assert step.options == {"factor": 3.0, "bins": [1, 2], "fast": True}
    assert step.ids == {"id": (("detector=0^1",),)}
    assert (request.repo, step.task) == ("demo", "own")


def test_options_are_completed_with_their_defaults() -> None:
    faults = Faults()
    complete = complete_options(parser(), {"fast": True}, faults, "options")
    assert complete == {"dstype": "raw", "factor": 2.5, "bins": [1, 2], "fast": True, "method": "mean"}
    assert not faults


@pytest.mark.parametrize(
    ("option", "value", "text"),
    [
        ("fatcor", 1, "No option of own is called 'fatcor'. Did you mean 'factor'?"),
        ("factor", "big", "--factor takes a number, not 'big'"),
        ("bins", [1, 2.5], "--bins takes an integer"),
        ("method", "mode", "No choice of --method is called 'mode'"),
    ],
)
def test_a_bad_option_is_a_fault_of_its_field(option: str, value: object, text: str) -> None:
    faults = Faults()
    complete_options(parser(), {option: value}, faults, "steps[0].options")
    (fault,) = faults.found
    assert fault.field == f"steps[0].options.{option}"
    assert text in fault.message


def test_a_required_option_that_is_missing_is_a_fault() -> None:
    made = ArgumentParser(name="own")
    made.add_id_argument("--id", DatasetArgument(), help="data")
    faults = Faults()
    complete_options(made, {}, faults, "options")
    assert [fault.field for fault in faults.found] == ["options.id_dstype"]
    with pytest.raises(UsageError, match="required"):
        made.read(["demo"])
