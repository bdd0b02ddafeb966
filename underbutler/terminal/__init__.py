"""How people see jobs in a terminal: tables and progress.

Answers go to stdout; progress and everything else that is said goes to stderr. The modules behind the names load at
first use: a command pays for the tables that it shows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from underbutler.lazy import lazy_names

if TYPE_CHECKING:
    from underbutler.wording import span_text as span_text
    from underbutler.wording import when_text as when_text

    from .annex_table import findings_table as findings_table
    from .claim_logs import LEVELS as LEVELS
    from .claim_logs import attempt_text as attempt_text
    from .claim_logs import log_lines as log_lines
    from .claim_logs import target_text as target_text
    from .claims import ClaimsView as ClaimsView
    from .consoles import stderr_console as stderr_console
    from .consoles import stdout_console as stdout_console
    from .looks import estimate_text as estimate_text
    from .looks import look_text as look_text
    from .progress import follow_job as follow_job
    from .progress import steps as steps
    from .quarantine import each_view as each_view
    from .quarantine import groups_view as groups_view
    from .quarantine import held_view as held_view
    from .quarantine import parked_view as parked_view
    from .raws import raw_lines as raw_lines
    from .raws import raws_table as raws_table
    from .runs import fields_table as fields_table
    from .runs import run_facts as run_facts
    from .runs import runs_table as runs_table
    from .schedules import coming_table as coming_table
    from .schedules import firings_table as firings_table
    from .schedules import schedules_table as schedules_table
    from .tables import files_table as files_table
    from .tables import jobs_table as jobs_table
    from .tables import notice_line as notice_line
    from .tables import notices_table as notices_table
    from .tables import steps_table as steps_table
    from .tables import targets_table as targets_table

_HOME_OF = {
    "ClaimsView": ".claims",
    "LEVELS": ".claim_logs",
    "attempt_text": ".claim_logs",
    "coming_table": ".schedules",
    "each_view": ".quarantine",
    "estimate_text": ".looks",
    "fields_table": ".runs",
    "files_table": ".tables",
    "findings_table": ".annex_table",
    "firings_table": ".schedules",
    "follow_job": ".progress",
    "groups_view": ".quarantine",
    "held_view": ".quarantine",
    "jobs_table": ".tables",
    "log_lines": ".claim_logs",
    "look_text": ".looks",
    "notice_line": ".tables",
    "notices_table": ".tables",
    "parked_view": ".quarantine",
    "raw_lines": ".raws",
    "raws_table": ".raws",
    "run_facts": ".runs",
    "runs_table": ".runs",
    "schedules_table": ".schedules",
    "span_text": "underbutler.wording",
    "stderr_console": ".consoles",
    "stdout_console": ".consoles",
    "steps": ".progress",
    "steps_table": ".tables",
    "target_text": ".claim_logs",
    "targets_table": ".tables",
    "when_text": "underbutler.wording",
}

__all__ = [*_HOME_OF]  # noqa: PLE0604 - names of the table above


__getattr__, __dir__ = lazy_names(__name__, _HOME_OF)
