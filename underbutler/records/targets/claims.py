"""A claim's life as its holder sees it: granted, renewed, in delivery, complete or given back."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, get_args

from underbutler.chain import json_text
from underbutler.errors import UsageError
from underbutler.model.fingerprint import fingerprint_of
from underbutler.model.job import CLAIM_ENDS, TargetState, may_follow
from underbutler.records.values.jobs import Claim, Outcome, Product, Upload
from underbutler.records.writing.counting import close, counted
from underbutler.records.writing.fence import accept_repeated, fence, kept, of_claim, row_uuid
from underbutler.records.writing.integrity import conflicts
from underbutler.records.writing.products import FOREIGN_PRODUCT, product_rows
from underbutler.records.writing.recorder import EndedTarget
from underbutler.records.writing.store_part import RecordedPart
from underbutler.redaction import redacted
from underbutler.sql import write

from .claim_chains import BEGIN_DELIVERY, COMPLETE, GRANT, RENEW, notice_rows, upload_rows
from .ending import GiveBackEnd, end_locked, lock_claimed, state_after
from .standing_down import stand_down

__all__ = ["Claims"]


class Claims(RecordedPart):
    """Claims as their holders see them; as keepers and sweepers see them, they are in `Leases`.

    Every change is guarded by the claim number and the target's state: a claim that was overtaken changes nothing.
    """

    def grant(
        self,
        *,
        target: uuid.UUID,
        digest: str,
        send_no: int,
        worker: str,
        pid: int,
        lease_s: float,
        pid_started: float | None = None,
    ) -> Claim:
        """Grant a claim on a target for one try. What runs is never taken over.

        A target is eligible when

        1. the records know it, and the message's digest is its digest (the message is not an old copy);
        2. it is queued, or a delivery that was left: its state is ``queued`` or ``delivering``;
        3. nobody holds it: it has no lease, not even one that has run out: a keeper or a sweeper ends such
           a claim first, and counts the death;
        4. it need not wait: its `not_before` is past;
        5. nobody has asked to cancel it;
        6. no circuit breaker of the job's input or output repository is open.

        All of it is asked of one row in the statement that writes the claim, so that of many that ask one is served.
        The number of sending decides nothing: any copy of the message may be the one that arrives.

        Parameters
        ----------
        target, digest, send_no
            As in the message's header.
        worker, pid, pid_started
            Who claims, and when that process began, seconds since 1970 UTC.
        lease_s
            The claim is judged dead after so long unless it is renewed, in seconds.

        Raises
        ------
        StandDown
            If the target is not eligible, with the reason.
        """
        parameters = {
            "target": target,
            "digest": digest,
            "send_no": send_no,
            "worker": worker,
            "pid": pid,
            "pid_started": pid_started,
            "lease_s": float(lease_s),
        }
        row = GRANT.run(self._engine, parameters)
        if row is None:
            raise stand_down(self._engine, target, digest)
        return Claim(
            target=row_uuid(row.pop("id")),
            job=row_uuid(row.pop("job_id")),
            worker=worker,
            pid=pid,
            send_no=send_no,
            delivering=bool(row.pop("delivering")),
            **row,
        )

    def renew(self, claim: Claim, lease_s: float) -> bool:
        """Let the lease end `lease_s` seconds from now; False when the claim no longer holds."""
        return RENEW.run(self._engine, fence(claim) | {"lease_s": float(lease_s)}) is not None

    def begin_delivery(
        self,
        claim: Claim,
        products: Sequence[Product],
        *,
        scalars: Mapping[str, Any] | None = None,
        seconds: float | None = None,
        uploads: Sequence[Upload] = (),
    ) -> None:
        """Go from running to delivering: the science is done and in the Butler, the large products are on their way.

        Parameters
        ----------
        claim
            Whose.
        products
            Everything that it made.
        scalars, seconds
            What the science measured, and how long it took; kept for whichever claim completes the target.
        uploads
            Keys of the annex that are going to be written.

        Raises
        ------
        FencedOutError
            If the claim no longer holds.
        ConflictError
            If a product is recorded as another target's.
        """
        parameters = fence(claim) | {
            "scalars": json_text(None if scalars is None else redacted(dict(scalars))),
            "seconds": seconds,
            "products": product_rows(products, self._engine),
            "uploads": upload_rows(uploads, self._engine),
        }
        with conflicts(FOREIGN_PRODUCT):
            row = BEGIN_DELIVERY.run(self._engine, parameters)
        if row is None:
            accept_repeated(self._engine, claim, None, TargetState.DELIVERING)

    def complete(self, claim: Claim, outcome: Outcome) -> None:
        """Bring a target to its end, in one transaction: state, claim, products, notices, and with the last the job.

        A repetition after a lost answer is accepted.

        Raises
        ------
        FencedOutError
            If the claim no longer holds, or the state may not follow; then nothing changes.
        ConflictError
            If a product is recorded as another target's; then nothing changes.
        UsageError
            If the outcome's state is not a last state.
        """
        state = TargetState(outcome.state)
        if not state.ended:
            raise UsageError(f"{state.value!r} is not a last state of a target.", state=state.value)
        claim_end = outcome.claim_end or ("failed" if state is TargetState.HELD else state.value)
        if claim_end not in CLAIM_ENDS:
            raise UsageError(f"A claim does not end as {claim_end!r}; known: {', '.join(CLAIM_ENDS)}.", end=claim_end)
        delivering = TargetState.DELIVERING if may_follow(TargetState.DELIVERING, state) else TargetState.RUNNING
        fingerprint = fingerprint_of(outcome.error_type or "Held", outcome.error_text or outcome.reason or "")
        parameters = {
            **fence(claim),
            **of_claim(claim_end, outcome.reason, outcome.log, outcome.metadata),
            "died": int(claim_end == "died"),
            "transient": int(claim_end == "transient"),
            "state": state.value,
            "other_before": delivering.value,
            "exit_status": outcome.exit_status,
            "error_type": kept(outcome.error_type),
            "error_text": kept(outcome.error_text),
            "fingerprint": fingerprint if state is TargetState.HELD else None,
            "seconds": outcome.seconds,
            "scalars": json_text(None if outcome.scalars is None else redacted(dict(outcome.scalars))),
            **counted({state: 1}),
            "products": product_rows(outcome.products, self._engine),
            "notices": notice_rows(outcome.notices, self._engine),
        }
        with conflicts(FOREIGN_PRODUCT), write(self._engine) as connection:
            row = COMPLETE.run_within(connection, parameters)
            if row is not None:
                ended = _ended(row, state, outcome)
                self._recorder.ended(connection, [ended])
                if not row["n_open"]:
                    close(connection, self._recorder, ended.job)
                return
        accept_repeated(self._engine, claim, claim_end, state)

    def give_back(
        self,
        claim: Claim,
        *,
        reason: str,
        not_before_in_s: float = 0.0,
        end: GiveBackEnd = "given_back",
        log: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> TargetState:
        """Let a child end its own claim early: the message is to be sent anew.

        A running target is queued again, a delivery is resumed by another claim. If its cancellation was asked for, it
        is aborted.

        Parameters
        ----------
        claim
            The claim that ends.
        reason
            Why, for people.
        not_before_in_s
            Nobody may claim it before, seconds from now.
        end
            ``died`` raises `deaths`, ``transient`` raises `transient_retries`, ``given_back`` raises neither.
        log, metadata
            What the claim said; kept with the claim.

        Returns
        -------
        state
            What the target is now. A repetition after a lost answer is accepted.

        Raises
        ------
        FencedOutError
            If the claim no longer holds.
        """
        if end not in get_args(GiveBackEnd):
            raise UsageError(f"A claim is not given back as {end!r}; say given_back, transient or died.", end=end)
        with write(self._engine) as connection:
            row = lock_claimed(connection, claim.target, claim.claim_no)
            if row is not None:
                # Who gives back is alive: whether the target has killed too often is judged where a dead one is found.
                unbounded = {"deaths": 0, "worker_deaths": 0, "max_deaths": 1, "max_worker_deaths": 1}
                state = state_after(end, row.state, cancel_requested=row.cancel_requested, **unbounded)
                end_locked(
                    connection,
                    self._recorder,
                    row,
                    state,
                    end=end,
                    reason=reason,
                    delay_s=not_before_in_s,
                    log=log,
                    metadata=metadata,
                )
                return state
        return accept_repeated(self._engine, claim, end, *TargetState)


def _ended(row: Mapping[str, Any], state: TargetState, outcome: Outcome) -> EndedTarget:
    return EndedTarget(
        id=row_uuid(row["id"]),
        job=row_uuid(row["job_id"]),
        ordinal=row["ordinal"],
        task=row["task"],
        data_id=_decoded(row["data_id"]),
        label=row["label"],
        out=row["out"],
        state=state,
        at=row["moment"],
        seconds=row["seconds"],
        scalars=outcome.scalars if outcome.scalars is not None else _decoded(row["scalars"]),
        products=outcome.products,
        error_type=outcome.error_type,
        reason=kept(outcome.error_text or outcome.reason),
    )


def _decoded(value: Any) -> Any:
    """Return a JSON column as a textual statement gave it: SQLite gives its text."""
    return json.loads(value) if isinstance(value, str) else value
