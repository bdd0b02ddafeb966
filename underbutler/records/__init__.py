"""SQL is the truth: jobs, targets, claims, intents, products, notices. May import sql, model and what is below."""

from .deliveries import Announcement, Delivery, TargetFate
from .ending import ClaimEnd, GiveBackEnd
from .overview import Overview, QuarantineGroup, WaitingGroup
from .rows import ClaimRow, HeldClaim, JobRow, ProductRow, TargetRow, UploadRow
from .schedule_values import FiringRow, FiringState, NewFiring, NewSchedule, ScheduleRow
from .service_values import BreakerRow, Parked, ParkedRow, Remembered, Submission, TokenRow, Worker, WorkerRow
from .store import JobStore
from .values import (
    Claim,
    Intent,
    NewJob,
    NewTarget,
    Outcome,
    Outgoing,
    Product,
    StandDown,
    StandDownReason,
    Upload,
)

__all__ = [
    "Announcement",
    "BreakerRow",
    "Claim",
    "ClaimEnd",
    "ClaimRow",
    "Delivery",
    "FiringRow",
    "FiringState",
    "GiveBackEnd",
    "HeldClaim",
    "Intent",
    "JobRow",
    "JobStore",
    "NewFiring",
    "NewJob",
    "NewSchedule",
    "NewTarget",
    "Outcome",
    "Outgoing",
    "Overview",
    "Parked",
    "ParkedRow",
    "Product",
    "ProductRow",
    "QuarantineGroup",
    "Remembered",
    "ScheduleRow",
    "StandDown",
    "StandDownReason",
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
