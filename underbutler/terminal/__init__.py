"""How people see jobs in a terminal: tables and progress.

Answers go to stdout; progress and everything else that is said goes to stderr.
"""

from __future__ import annotations

from .annex_table import findings_table
from .claim_logs import LEVELS, attempt_text, log_lines, target_text
from .claims import ClaimsView
from .consoles import stderr_console, stdout_console
from .looks import estimate_text, look_text
from .problems import Problem, problems_of, problems_text
from .progress import follow_job, steps
from .quarantine import each_view, groups_view, held_view, parked_view
from .raws import raw_lines, raws_table
from .runs import fields_table, run_facts, runs_table
from .schedules import coming_table, firings_table, schedules_table
from .tables import files_table, jobs_table, notice_line, notices_table, steps_table, targets_table
from .times import span_text, when_text

__all__ = [
    "LEVELS",
    "ClaimsView",
    "Problem",
    "attempt_text",
    "coming_table",
    "each_view",
    "estimate_text",
    "fields_table",
    "files_table",
    "findings_table",
    "firings_table",
    "follow_job",
    "groups_view",
    "held_view",
    "jobs_table",
    "log_lines",
    "look_text",
    "notice_line",
    "notices_table",
    "parked_view",
    "problems_of",
    "problems_text",
    "raw_lines",
    "raws_table",
    "run_facts",
    "runs_table",
    "schedules_table",
    "span_text",
    "stderr_console",
    "stdout_console",
    "steps",
    "steps_table",
    "target_text",
    "targets_table",
    "when_text",
]
