"""SQL is the truth: jobs, targets, claims, intents, products, notices. May import sql, model and what is below."""

from .store import JobStore
from .values import (
    Claim,
    ClaimRow,
    Intent,
    JobRow,
    NewJob,
    NewTarget,
    Outcome,
    Outgoing,
    Product,
    ProductRow,
    StandDown,
    StandDownReason,
    TargetRow,
)

__all__ = [
    "Claim",
    "ClaimRow",
    "Intent",
    "JobRow",
    "JobStore",
    "NewJob",
    "NewTarget",
    "Outcome",
    "Outgoing",
    "Product",
    "ProductRow",
    "StandDown",
    "StandDownReason",
    "TargetRow",
]
