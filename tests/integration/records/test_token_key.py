"""The key of the tokens is made once, by whichever process comes first."""

from __future__ import annotations

import stat
from typing import Any

from tests.support.records.tokens import (  # noqa: F401 - fixtures
    SECRET,
    fresh,
    no_secret_is_left_over,
    token_engine,
    token_store,
)
from tests.support.warm_processes import warm_processes
from underbutler.records import JobStore
from underbutler.settings import Settings
from underbutler.sql import open_engine
from underbutler.submission.tokens import KEY_FILE, TokenVault


def _keep(settings: Settings, barrier: Any, handles: Any) -> None:
    engine = open_engine(settings.records_url)
    barrier.wait(60)
    handles.put(TokenVault(JobStore(engine), settings).keep(fresh(), "ann"))
    engine.dispose()


def test_processes_that_race_for_the_key_agree_on_a_private_one(jobs: JobStore, settings: Settings) -> None:
    start = warm_processes()
    barrier, handles = start.Barrier(4), start.Queue()
    processes = [start.Process(target=_keep, args=(settings, barrier, handles)) for _ in range(4)]
    for process in processes:
        process.start()
    found = [handles.get(timeout=120) for _ in processes]
    for process in processes:
        process.join(60)
    vault = TokenVault(jobs, settings)
    assert [vault.redeem(handle) for handle in found] == [SECRET] * 4
    assert stat.S_IMODE((settings.home / KEY_FILE).stat().st_mode) == 0o600
    assert [path.name for path in settings.home.glob(f"{KEY_FILE}*")] == [KEY_FILE], "no draft is left"
