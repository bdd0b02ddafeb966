"""How people see jobs in a terminal: tables and progress. May import records, model and what is below.

Answers go to stdout; progress and everything else that is said goes to stderr.
"""

from __future__ import annotations

from .annex_table import findings_table
from .concerns import Concern, concerns_of, concerns_text
from .consoles import answers, sayings
from .moments import span_text, when_text
from .progress import follow_job, steps
from .quarantine import groups_view, held_view, parked_view, quarantine_table
from .tables import claims_table, jobs_table, notice_line, notices_table, targets_table

__all__ = [
    "Concern",
    "answers",
    "claims_table",
    "concerns_of",
    "concerns_text",
    "findings_table",
    "follow_job",
    "groups_view",
    "held_view",
    "jobs_table",
    "notice_line",
    "notices_table",
    "parked_view",
    "quarantine_table",
    "sayings",
    "span_text",
    "steps",
    "targets_table",
    "when_text",
]
