"""SQL is the truth: jobs, targets, claims, intents, products, notices. May import sql, model and what is below."""

from .ending import ClaimEnd, GiveBackEnd
from .rows import ClaimRow, HeldClaim, JobRow, ProductRow, TargetRow, UploadRow
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
    "BreakerRow",
    "Claim",
    "ClaimEnd",
    "ClaimRow",
    "GiveBackEnd",
    "HeldClaim",
    "Intent",
    "JobRow",
    "JobStore",
    "NewJob",
    "NewTarget",
    "Outcome",
    "Outgoing",
    "Parked",
    "ParkedRow",
    "Product",
    "ProductRow",
    "Remembered",
    "StandDown",
    "StandDownReason",
    "Submission",
    "TargetRow",
    "TokenRow",
    "Upload",
    "UploadRow",
    "Worker",
    "WorkerRow",
]
