"""How people see jobs in a terminal: tables and progress. May import records, model and what is below.

Answers go to stdout; progress and everything else that is said goes to stderr.
"""

from __future__ import annotations

from .annex_table import findings_table
from .claim_logs import LEVELS, attempt_text, log_lines, target_text
from .claims import ClaimsView
from .concerns import Concern, concerns_of, concerns_text
from .consoles import answers, sayings
from .moments import span_text, when_text
from .progress import follow_job, steps
from .quarantine import each_view, groups_view, held_view, parked_view
from .runs import fields_table, run_facts, runs_table
from .schedules import coming_table, firings_table, schedules_table
from .tables import jobs_table, notice_line, notices_table, targets_table

__all__ = [
    "LEVELS",
    "ClaimsView",
    "Concern",
    "answers",
    "attempt_text",
    "coming_table",
    "concerns_of",
    "concerns_text",
    "each_view",
    "fields_table",
    "findings_table",
    "firings_table",
    "follow_job",
    "groups_view",
    "held_view",
    "jobs_table",
    "log_lines",
    "notice_line",
    "notices_table",
    "parked_view",
    "run_facts",
    "runs_table",
    "sayings",
    "schedules_table",
    "span_text",
    "steps",
    "target_text",
    "targets_table",
    "when_text",
]
