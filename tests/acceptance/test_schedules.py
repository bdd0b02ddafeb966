"""What is scheduled is reduced: file, beat, submitting process, worker, Butler; as a person follows it."""

from __future__ import annotations

import uuid

from tests.support.services import eventually
from tests.support.stack.site import Site
from underbutler.model.job import Phase

SCHEDULE = """
[site]
name = "Las Campanas"
latitude = -29.0146
longitude = -70.6926
time_zone = "America/Santiago"

[[schedule]]
name = "new-years-bias"
when.crontab = "0 0 1 1 *"
task = "makeBias"
repo = "demo"
who = "calibration"
[schedule.ids.inputId]
instrument = "SIMCAM"
day_obs = 20261120
detector = 0

[[schedule]]
name = "broken"
when.crontab = "0 0 1 1 *
task = "makeBias"
repo = "demo"
"""


def test_what_is_fired_by_hand_is_reduced_and_its_history_told(site: Site) -> None:
    path = site.settings.schedules_file
    path.write_text(SCHEDULE)
    try:
        eventually(
            lambda: len(site.run("schedule", "list", "--format", "json").json) == 2, 30, "beat to have read the file"
        )
        listed = site.run("schedule", "list")
        assert "new-years-bias" in listed.out
        assert f"{path}:21: schedule 'broken': is not TOML" in listed.err.replace("\n", "")
        fired = site.run("schedule", "run", "new-years-bias")
        assert fired.code == 0, fired.err
        job = uuid.UUID(fired.out.strip())
        (one,) = eventually(
            lambda: [
                row
                for row in site.run("schedule", "history", "new-years-bias", "--format", "json").json
                if row["ended_at"]
            ],
            60,
            "the firing to be done",
        )
        assert (one["state"], one["told"], one["job_id"]) == ("done", "1 target", str(job))
        row = site.completed(site.context.jobs.read.job(job))
        assert (row.phase, row.task, row.user) == (Phase.COMPLETED, "makeBias", "calibration")
    finally:
        path.write_text("")
        eventually(lambda: not site.context.jobs.schedules.entries(), 30, "beat to have read the empty file")
        path.unlink()
