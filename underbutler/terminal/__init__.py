"""How people see jobs in a terminal: tables and progress. May import records, model and what is below.

Answers go to stdout; progress and everything else that is said goes to stderr.
"""

from __future__ import annotations

from .consoles import answers, sayings
from .progress import follow_job, steps
from .tables import jobs_table, notice_line, notices_table, targets_table

__all__ = ["answers", "follow_job", "jobs_table", "notice_line", "notices_table", "sayings", "steps", "targets_table"]
