"""SQL is the truth: jobs, targets, claims, intents, products, notices."""

from .datasets.deliveries import Announcement, Delivery, TargetFate
from .housekeeping.quarantine import QuarantineGroup
from .reading.announced import Announced
from .reading.estimates import PastTargets
from .reading.failures import FailedTarget
from .reading.overview import Overview, WaitingGroup
from .store import JobStore
from .targets.ending import ClaimEnd, GiveBackEnd
from .values.access import AuditRow, CredentialRow, Deed, EventRow, KeyRow, ListQuery, NewCredential, NewPending
from .values.jobs import (
    Claim,
    Intent,
    NewJob,
    NewStep,
    NewTarget,
    Outcome,
    Outgoing,
    Product,
    StandDown,
    StandDownReason,
    Upload,
)
from .values.rows import ClaimRow, HeldClaim, JobRow, ProductRow, StepRow, TargetRow, UploadRow
from .values.schedules import FiringRow, FiringState, NewFiring, NewSchedule, ScheduleRow
from .values.service import BeatRow, BreakerRow, Parked, ParkedRow, Remembered, Submission, TokenRow, Worker, WorkerRow

__all__ = [
    "Announced",
    "Announcement",
    "AuditRow",
    "BeatRow",
    "BreakerRow",
    "Claim",
    "ClaimEnd",
    "ClaimRow",
    "CredentialRow",
    "Deed",
    "Delivery",
    "EventRow",
    "FailedTarget",
    "FiringRow",
    "FiringState",
    "GiveBackEnd",
    "HeldClaim",
    "Intent",
    "JobRow",
    "JobStore",
    "KeyRow",
    "ListQuery",
    "NewCredential",
    "NewFiring",
    "NewJob",
    "NewPending",
    "NewSchedule",
    "NewStep",
    "NewTarget",
    "Outcome",
    "Outgoing",
    "Overview",
    "Parked",
    "ParkedRow",
    "PastTargets",
    "Product",
    "ProductRow",
    "QuarantineGroup",
    "Remembered",
    "ScheduleRow",
    "StandDown",
    "StandDownReason",
    "StepRow",
    "Submission",
    "TargetFate",
    "TargetRow",
    "TokenRow",
    "Upload",
    "UploadRow",
    "WaitingGroup",
    "Worker",
    "WorkerRow",
]
