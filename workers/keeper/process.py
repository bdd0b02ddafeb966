"""The keeper: a light process beside each worker that holds the leases of what the worker runs.

``python -m workers.keeper``, started by the worker's main process before its pool. It renews the leases of children
that live, ends those of children that are gone, ends what was cancelled or runs beyond every limit, and ends with its
worker. It is a process, because science code may hold the interpreter's lock and the main process forks; a light one,
because it loads neither Celery nor the science stack.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from underbutler import metrics
from underbutler.errors import RecordsUnavailableError, UnknownNameError
from underbutler.recording import JobRecorder
from underbutler.records import ClaimEnd, HeldClaim, JobStore, Worker
from underbutler.settings import Settings, load_settings
from underbutler.sql import open_engine
from underbutler.telemetry import claim_log_file as black_box
from underbutler.telemetry import logs, tracing
from workers.measuring import KeeperMetrics, count_end

from .child_processes import ChildProcesses
from .claim_report import about, last_words, tell_trace
from .orders import Cut, Orders, Said
from .telling import tell

__all__ = ["Keeper"]

log = logs.get_logger("workers.keeper")

POLL_S: Final = 1.0
"""How often cancels and children are looked at, in seconds; more often under a short lease."""
SOON_S: Final = 0.2
"""The same while something is being ended."""
TERM_GRACE_S: Final = 3.0
"""Seconds between asking a child to end and killing it."""
GONE_GRACE_S: Final = 0.5
"""A child is gone when it was so twice, this many seconds apart: what its main process says of its end comes first."""
UNEXPLAINED_S: Final = 5.0
"""The same for a child of which its main process has said nothing yet; less under a short lease."""
LIMIT_MARGIN_S: Final = 30.0
"""A claim that is older than its hard limit by this was not ended by Celery: its pool cannot, or its main hangs."""
REMEMBERED: Final = 200
"""Of so many last claims the keeper remembers that it has ended them."""
LAST_WILL_S: Final = 15.0
"""So long the keeper of a dead worker tries to reach the records; then the leases run out by themselves."""


@dataclass
class Keeper:
    """Keeps the claims of one worker.

    Parameters
    ----------
    jobs
        The records.
    settings
        Lease, limits and bounds.
    worker
        Who the worker is.
    orders
        What its main process says.
    tell
        Tells the main process which child is ended, and why.
    limits
        Hard time limit of each task, in seconds; default the queue's.
    measures
        The worker's metrics.
    box
        Folder in which the children's claims leave their logs, if there is one.
    """

    jobs: JobStore
    settings: Settings
    worker: Worker
    orders: Orders
    tell: Callable[[Mapping[str, Any]], None]
    limits: Mapping[str, float] = field(default_factory=dict)
    measures: KeeperMetrics | None = None
    box: Path | None = None
    _wards: ChildProcesses = field(init=False)
    _cuts: dict[int, Cut] = field(default_factory=dict)
    _said: dict[tuple[uuid.UUID, int], Said] = field(default_factory=dict)
    _revoked: set[uuid.UUID] = field(default_factory=set)
    _held: list[HeldClaim] = field(default_factory=list)
    _over: deque[tuple[uuid.UUID, int]] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    _stop_at: float | None = None
    _unfit: tuple[str | None] | None = None
    _renew_at: float = 0.0
    _renewed: float | None = None
    _told_at: float = 0.0
    _away_since: float | None = None

    def __post_init__(self) -> None:
        self._wards = ChildProcesses(self.worker.pid, GONE_GRACE_S)

    def run(self) -> None:
        """Keep until the main process is gone, then end what it left."""
        pause_s = 0.0
        while True:
            for order in self.orders.read(pause_s):
                self.take(order)
            # Two signs of one end: a child that inherited the pipe keeps it open, and then only the parent tells.
            if self.orders.ended or os.getppid() != self.worker.pid:
                return self.bury()
            pause_s = self.turn()

    def turn(self) -> float:
        """Look at every claim once; return how long the next look may wait, in seconds."""
        try:
            self._held = self.jobs.leases.of_worker(self.worker.id)
            self._look()
            self._renew()
            self._settle()
        except RecordsUnavailableError as error:
            if self._away_since is None:
                log.warning("records_away", error=str(error))
                self._away_since = time.monotonic()
        else:
            if self._away_since is not None:
                log.info("records_back", seconds=round(time.monotonic() - self._away_since, 1))
                self._away_since = None
        if self.measures is not None:
            self.measures.turn(len(self._held))
        self._say_alive()
        busy = bool(self._cuts) or self._wards.any_missing
        return SOON_S if busy else min(POLL_S, self.settings.lease_s / 4)

    # What the main process says

    def take(self, order: Mapping[str, Any]) -> None:
        """Take note of what the main process says."""
        event = order.get("event")
        if event in {"lost", "left", "timed_out"}:
            reason = str(order.get("reason", ""))
            said = Said(str(event), order.get("pid"), reason, died=bool(order.get("died")))
            self._said[uuid.UUID(order["target"]), int(order["send_no"])] = said
        elif event == "revoked":
            self._revoked.add(uuid.UUID(order["target"]))
        elif event == "stopping":
            stop_at = time.monotonic() + float(order["in_s"])
            self._stop_at = stop_at if self._stop_at is None else min(stop_at, self._stop_at)
        elif event == "unfit":
            self._unfit = (order.get("reason"),)
            metrics.WORKER_FIT.set(0 if order.get("reason") else 1)
        else:
            log.warning("order_unknown", order=order)

    def _settle(self) -> None:
        """Tell the records what the main process said; what they could not be told stays for the next round."""
        # Discarded only when the records have it: while they are away, the next round tries again.
        while self._revoked:
            target = next(iter(self._revoked))
            try:
                state = self.jobs.cancellation.cancel_target(target)
            except UnknownNameError:
                log.info("target_unknown", target=str(target))
            else:
                log.info("target_revoked", target=str(target), state=state)
            self._revoked.discard(target)
        held = {(claim.target, claim.send_no) for claim in self._held}
        for target, send_no in [key for key in self._said if key not in held]:
            # What the main process says of a claim that was ended here is no news.
            if (target, send_no) not in self._over:
                self._unclaimed(target, send_no, self._said[target, send_no])
            self._said.pop((target, send_no))
        if self._unfit is not None:
            self.jobs.workers.mark_unfit(self.worker.id, self._unfit[0])
            self._unfit = None

    def _unclaimed(self, target: uuid.UUID, send_no: int, said: Said) -> None:
        """Have a message sent again that ended before its target was claimed."""
        if said.died and self._stop_at is None:
            state = self.jobs.waiting.died_unclaimed(
                target, send_no, reason=said.reason, max_deaths=self.settings.max_deaths
            )
            if state is not None:
                metrics.CHILD_DEATHS.count(how="died")
                log.error("ended_unclaimed", target=str(target), send_no=send_no, reason=said.reason, state=state)
        elif self.jobs.outbox.lost(target, send_no):
            log.info("message_to_be_sent_again", target=str(target), send_no=send_no)

    def _renew(self) -> None:
        now = time.monotonic()
        if now < self._renew_at:
            return
        self.jobs.workers.mark_alive(self.worker)
        # A child that is missing renews nothing: should this keeper end too, its claim is over with its lease.
        living = self._wards.living(self._held)
        if living:
            renewed = self.jobs.leases.renew_worker(self.worker.id, living, self.settings.lease_s)
            metrics.LEASE_RENEWALS.count(len(renewed))
        self._renewed = now
        # Three times a lease: a renewal that fails does not cost it.
        self._renew_at = now + self.settings.lease_s / 3

    def _say_alive(self) -> None:
        """Tell the main process that this one does not hang, and when it last renewed."""
        now = time.monotonic()
        if now >= self._told_at + min(POLL_S, self.settings.lease_s / 4):
            self._told_at = now
            self.tell({"seen": now, "renewed": self._renewed})

    # What the children do

    def _look(self) -> None:
        """End the claims of children that are gone, and the children whose claims are to end."""
        now = time.monotonic()
        missing = [claim for claim in self._held if not self._wards.lives(claim)]
        # The main process may just have said how they ended, which tells more than that they are gone.
        if missing:
            for order in self.orders.read(0):
                self.take(order)
        for claim in self._held:
            # In this order: of a child that is gone nothing is asked any more, and one that left its claim is not cut.
            if claim in missing:
                if self._wards.missing_s(claim) >= self._patience_s(claim):
                    self._end(claim, *self._end_of(claim))
            elif self._left(claim):
                reason = self._said[claim.target, claim.send_no].reason
                self._end(claim, "died", f"its process went on without having ended it: {reason}")
            elif claim.cancel_requested:
                self._cut(claim, "aborted", "cancelled while it ran", now)
            elif claim.age_s > self.limits.get(claim.task, self.settings.hard_limit_s) + LIMIT_MARGIN_S:
                self._cut(claim, "timed_out", f"stopped after {claim.age_s:.0f} s by its time limit", now)
            elif self._stop_at is not None and now >= self._stop_at:
                self._cut(claim, "given_back", "its worker was asked to stop", now)
        pids = {claim.pid for claim in self._held}
        for pid in [pid for pid in self._cuts if pid not in pids and now > self._cuts[pid].since + 3 * TERM_GRACE_S]:
            self._cuts.pop(pid)  # what it held was completed first: nothing is left to be ended
        self._wards.forget_others(self._held)

    def _patience_s(self, claim: HeldClaim) -> float:
        """Return how long a child must be missing until its claim is ended: its main process may know more of its end.

        A main process under load is slow to say by which signal its child died, and people want to know.
        """
        known = (claim.target, claim.send_no) in self._said or claim.pid in self._cuts or self._stop_at is not None
        return GONE_GRACE_S if known else min(UNEXPLAINED_S, self.settings.lease_s / 4)

    def _left(self, claim: HeldClaim) -> bool:
        """Tell whether the child of a claim has gone on to other targets, without a word to the records."""
        said = self._said.get((claim.target, claim.send_no))
        return said is not None and said.event == "left" and said.pid == claim.pid

    def _end_of(self, claim: HeldClaim) -> tuple[ClaimEnd, str]:
        """Say how the claim of a child that is gone ends, and why."""
        cut = self._cuts.get(claim.pid)
        said = self._said.get((claim.target, claim.send_no))
        if cut is not None and cut.claim == (claim.target, claim.claim_no):
            return cut.end, cut.reason
        if cut is not None:
            return "given_back", "its process was ended because of the target before"
        if said is not None and said.event == "timed_out":
            return "timed_out", said.reason
        if self._stop_at is not None:
            return "given_back", "its worker was asked to stop"
        if said is not None:
            return "died", said.reason
        return "died", f"its process {claim.pid} is gone: it was killed, or ran out of memory"

    def _cut(self, claim: HeldClaim, end: ClaimEnd, reason: str, now: float) -> None:
        """End a child: asked first, killed later; where the main process runs its targets itself, the claim alone."""
        if claim.pid == self.worker.pid:
            self._end(claim, end, reason)
            return
        cut = self._cuts.get(claim.pid)
        if cut is None:
            self._cuts[claim.pid] = Cut((claim.target, claim.claim_no), end, reason, now)
            self.tell({"pid": claim.pid, "target": str(claim.target), "end": end, "reason": reason})
            with about(claim):
                log.info("child_is_ended", pid=claim.pid, end=end)
            self._wards.signal(claim, signal.SIGTERM)
        elif now >= cut.since + TERM_GRACE_S:
            self._wards.signal(claim, signal.SIGKILL)

    def _end(self, claim: HeldClaim, end: ClaimEnd, reason: str) -> None:
        state = self.jobs.leases.end_claim(
            claim.target,
            claim.claim_no,
            end=end,
            reason=reason,
            max_deaths=self.settings.max_deaths,
            max_worker_deaths=self.settings.max_worker_deaths,
            log=last_words(self.box, claim),
        )
        # Removed after the records have it: a keeper that dies in between leaves the log to whoever ends the claim.
        last_words(self.box, claim, forget=True)
        self._over.append((claim.target, claim.send_no))
        if state is not None:
            count_end(claim.task, end)
        cut = self._cuts.get(claim.pid)
        if cut is not None and claim.pid != self.worker.pid and self._wards.is_gone(claim):
            self._cuts.pop(claim.pid)
        if not self._wards.lives(claim):
            tell_trace(claim, end, reason)
        with about(claim):
            log.info("claim_ended", pid=claim.pid, end=end, reason=reason, state=state)

    # The end

    def bury(self) -> None:
        """End what a dead worker left: its children, its claims, its row."""
        log.info("worker_gone", worker=self.worker.id, asked=self._stop_at is not None)
        deadline = time.monotonic() + min(LAST_WILL_S, self.settings.lease_s)
        while time.monotonic() < deadline:
            # Killed before anybody is asked: an orphan must not go on writing while the records are away.
            for claim in self._held:
                self._wards.signal(claim, signal.SIGKILL)
            try:
                self._held = self.jobs.leases.of_worker(self.worker.id)
                for claim in self._held:
                    self._wards.signal(claim, signal.SIGKILL)
                    self._wards.wait(claim, 2.0)
                    self._end(claim, *self._last_end(claim))
                self._held = []
                self._settle()
                self.jobs.workers.mark_ended(self.worker.id)
            except RecordsUnavailableError as error:
                log.warning("records_away", error=str(error))
                time.sleep(SOON_S)
            else:
                return
        log.error("claims_left_to_the_sweeper", worker=self.worker.id, claims=len(self._held))

    def _last_end(self, claim: HeldClaim) -> tuple[ClaimEnd, str]:
        cut = self._cuts.get(claim.pid)
        if cut is not None or (claim.target, claim.send_no) in self._said or self._stop_at is not None:
            return self._end_of(claim)
        return "worker_died", f"the main process {self.worker.pid} of its worker is gone"


def main() -> None:
    """Keep the claims of the worker that started this process."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)  # it ends when its worker has ended, and not before
    orders = Orders(sys.stdin.fileno())
    first: list[dict[str, Any]] = []
    while not first and not orders.ended:
        first = orders.read(POLL_S)
    if not first:
        return
    start, *others = first
    settings = load_settings()
    logs.configure(start["level"], settings.log_format, settings.log_levels)
    box = Path(start["box"]) if start.get("box") else None
    if box is not None:
        black_box.stay(box)
    worker = Worker(
        id=start["worker"],
        name=start["name"],
        host=socket.gethostname(),
        pid=int(start["pid"]),
        keeper_pid=os.getpid(),
        queue=start["queue"],
        concurrency=int(start["concurrency"]),
    )
    # One wait for the database must not use up the time in which a lease has to be renewed.
    wait_s = max(1.0, min(settings.database_wait_s, settings.lease_s / 6))
    jobs = JobStore(open_engine(settings.records_url, wait_s, answer_s=2 * wait_s), JobRecorder())
    measures = KeeperMetrics(settings, start.get("metrics"))
    keeper = Keeper(jobs, settings, worker, orders, tell, start["limits"], measures, box)
    for order in others:
        keeper.take(order)
    log.info("keeper_started", worker=worker.id, main=worker.pid)
    keeper.run()
    measures.close()
    tracing.close()
