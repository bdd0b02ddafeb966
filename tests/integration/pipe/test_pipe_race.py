"""Two processes that prepare one RUN at the same time: one writes, the other compares."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.pipe_site import LevelTask, make_site
from tests.support.warm_processes import warm_processes
from underbutler.butlers import Repositories
from underbutler.errors import UnderbutlerError
from underbutler.settings import Settings

ROUNDS = 4


def prepare(settings: Settings, words: list[str], run: str, barrier: Any, answers: Any) -> None:
    """Parse a command and call precall when all others are ready, and say how it went."""
    with Repositories(settings) as repositories:
        for number in range(ROUNDS):
            command = LevelTask._makeArgumentParser().parse(
                LevelTask.ConfigClass(), ["tiny", *words, "-o", f"{run}{number}"], repositories=repositories
            )
            with command.resources:
                runner = LevelTask.RunnerClass(TaskClass=LevelTask, parsedCmd=command)
                barrier.wait(60)
                try:
                    runner.precall_or_raise(command)
                    answers.put((number, "agreed"))
                except UnderbutlerError as error:
                    answers.put((number, str(error)))


def race(site: Repositories, words: tuple[list[str], list[str]], run: str) -> dict[int, set[str]]:
    context = warm_processes()
    barrier, answers = context.Barrier(2), context.Queue()
    racers = [context.Process(target=prepare, args=(site.settings, own, run, barrier, answers)) for own in words]
    for racer in racers:
        racer.start()
    said: dict[int, set[str]] = {}
    for _ in range(2 * ROUNDS):
        number, answer = answers.get(timeout=120)
        said.setdefault(number, set()).add(answer)
    for racer in racers:
        racer.join(60)
        assert racer.exitcode == 0
    return said


@pytest.fixture(params=["sqlite", "postgres_url"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    url = None if request.param == "sqlite" else request.getfixturevalue(request.param)
    repositories = make_site(tmp_path, url)
    yield repositories
    repositories.close()


def test_equal_configs_that_race_for_one_run_agree(site: Repositories) -> None:
    words = ["--id", "exposure=1", "detector=0", "-c", "scale=2"]
    assert race(site, (words, words), "u/race/equal") == {number: {"agreed"} for number in range(ROUNDS)}
    with site.butler("tiny") as butler:
        for number in range(ROUNDS):
            assert butler.get("level_config_json", collections=[f"u/race/equal{number}"])["scale"] == 2.0


def test_of_two_configs_that_race_for_a_run_one_is_refused(site: Repositories) -> None:
    one = ["--id", "exposure=1", "detector=0", "-c", "scale=2"]
    other = ["--id", "exposure=1", "detector=1", "-c", "scale=3"]
    said = race(site, (one, other), "u/race/other")
    with site.butler("tiny") as butler:
        for number in range(ROUNDS):
            run = f"u/race/other{number}"
            winner = butler.get("level_config_json", collections=[run])["scale"]
            loser = {2.0: 3.0, 3.0: 2.0}[winner]
            assert butler.get("level_config", collections=[run]).scale == winner
            (told,) = said[number] - {"agreed"}
            assert f"scale: {winner} there, {loser} here" in told
