"""A runner that shares its targets among processes."""

from __future__ import annotations

from typing import Any

from tests.support.echo_task import EchoTask, command
from underbutler import (
    Struct,
    TaskRunner,
)


class Silent(TaskRunner):
    """Needs no preparation, and has targets of its own kind."""

    def precall(self, parsedCmd: Any) -> bool:
        return True

    @staticmethod
    def getTargetList(parsedCmd: Any, **kwargs: Any) -> list[Any]:
        return parsedCmd.targets

    def __call__(self, args: Any) -> Struct:
        if args == "bad":
            raise ValueError(args)
        return Struct(exitStatus=int(args == "failed"))


def test_results_keep_the_order_of_targets_in_two_processes() -> None:
    given = command(targets=["a", "failed", "bad", "b"], processes=2)
    assert [struct.exitStatus for struct in Silent(EchoTask, given).run(given)] == [0, 1, 1, 0]
