"""One entry of the schedule: when, and what. A closed schema."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from .durations import Offset, Span

__all__ = ["CHORE", "SUBMISSION", "Definition", "Entry", "Missed", "Site", "SunEvent", "Twilight", "When"]

SUBMISSION = "submission"
CHORE = "chore"
"""The two lanes: what submits, and what keeps house."""

SunEvent = Literal[
    "dawn_astronomical",
    "dawn_nautical",
    "dawn_civil",
    "sunrise",
    "solar_noon",
    "sunset",
    "dusk_civil",
    "dusk_nautical",
    "dusk_astronomical",
]
"""Names that Celery gives to what the sun does."""

Twilight = Literal["sunset", "civil", "nautical", "astronomical"]
"""How far the sun is down at night: 0°34′, 6°, 12°, 18° below the horizon."""


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(
            f"{name!r} is not a time zone. Write one of the IANA's, e.g. America/Santiago or UTC"
        ) from error
    return name


Zone = Annotated[str, AfterValidator(_zone)]
Name = Annotated[str, Field(min_length=1, max_length=80, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]*$")]
Word = Annotated[str, Field(min_length=1, max_length=4000)]
IdValue = int | Word
DataId = dict[Word, IdValue | list[IdValue]]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)


class Site(_Table):
    """Where the telescope stands."""

    name: str = ""
    latitude: float = Field(ge=-90, le=90)
    """Degrees, north is positive."""
    longitude: float = Field(ge=-180, le=180)
    """Degrees, east is positive."""
    time_zone: Zone = "UTC"


class When(_Table):
    """When an entry fires: exactly one of `crontab`, `every`, `sun`, `after_last_exposure`."""

    crontab: Word | None = None
    """Minute, hour, day of month, month, day of week, in the site's time zone; all five must fit."""
    every: Span | None = None
    """Every so many seconds, counted from 1970 UTC: ``10 min`` is at :00, :10, …"""
    sun: SunEvent | None = None
    offset: Offset = 0
    """With `sun`: so much later (or earlier) than the event, in seconds."""
    after_last_exposure: Span | None = None
    """So many seconds after the end of the latest exposure in the repository."""
    instrument: str | None = None
    """With `after_last_exposure`: whose exposures count; default that of the entry's data ID."""
    only_at_night: bool | Twilight = False
    """Only slots at which the sun is down; true: after sunset."""
    time_zone: Zone | None = None
    """Of `crontab`; default the site's."""

    @field_validator("crontab")
    @classmethod
    def _five_fields(cls, value: str | None) -> str | None:
        if value is not None:
            from celery.schedules import ParseException, crontab

            try:
                crontab.from_string(value)
            except (ParseException, ValueError) as error:
                raise ValueError(f"{value!r} is not a crontab: {error}") from error
        return value

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        kinds = ("crontab", "every", "sun", "after_last_exposure")
        given = [kind for kind in kinds if getattr(self, kind) is not None]
        if len(given) != 1:
            raise ValueError(f"takes exactly one of {', '.join(kinds)}; given: {', '.join(given) or 'none'}")
        if self.offset and self.sun is None:
            raise ValueError("takes offset only together with sun")
        if self.after_last_exposure is not None and self.only_at_night:
            raise ValueError("takes only_at_night only with crontab, every or sun")
        if self.instrument and self.after_last_exposure is None:
            raise ValueError("takes instrument only together with after_last_exposure")
        return self

    @property
    def twilight(self) -> Twilight | None:
        """How far the sun must be down, if at all."""
        return "sunset" if self.only_at_night is True else self.only_at_night or None

    @property
    def needs_sun(self) -> bool:
        """Tell whether the sun has to be computed."""
        return self.sun is not None or self.twilight is not None

    @property
    def uses_site(self) -> bool:
        """Tell whether its slots depend on the site."""
        return self.needs_sun or (self.crontab is not None and self.time_zone is None)


class Missed(StrEnum):
    """What becomes of slots that passed while no beat ran."""

    CATCH_UP = "catch_up"
    LATEST = "latest"
    SKIP = "skip"


class Entry(_Table):
    """One ``[[schedule]]``: a submission (`task`, `repo`, …) or a chore."""

    name: Name
    when: When
    missed: Missed = Missed.LATEST
    grace: Span = 60
    """With ``missed = "skip"``: a slot that is at most so late is not missed, in seconds."""

    task: Word | None = None
    repo: Word | None = None
    id: DataId = Field(default_factory=dict)
    """Data IDs as after ``--id``; `day_obs` may be ``today``, ``yesterday`` or a number of days before (-1)."""
    ids: dict[Word, DataId] = Field(default_factory=dict)
    """The same of other id arguments of the task, by name, e.g. ``inputId``."""
    query: Word | None = None
    """A Butler query, as after ``-d``; ``{day_obs}`` stands for the observing day."""
    config: dict[str, Any] = Field(default_factory=dict)
    """Config overrides; tables are nested configs."""
    collections: list[Word] = Field(default_factory=list)
    out: Word | None = None
    run: Word | None = None
    """RUN collection, as after ``-o``; ``{day_obs}`` stands for the observing day. Default: one for each firing."""
    options: list[Word] = Field(default_factory=list)
    """Further words of the command, e.g. the task's own options; ``{day_obs}`` as in `query`."""
    who: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    only_new: bool = False
    """Leave out data IDs that this entry has submitted for this observing day already."""
    lifetime: Span | None = None
    """The job's rows are destroyed so long after it was submitted, in seconds."""

    chore: Literal["sweep", "expire", "verify"] | None = None
    older_than: Span | None = None
    """With ``expire``: rows and logs of jobs that ended so many seconds ago are destroyed."""
    since: Span | None = None
    """With ``verify``: only what ended in so many seconds."""
    deep: bool = False
    """With ``verify``: read every object whole."""
    repair: bool = False
    """With ``verify``: put in order what can be."""

    @model_validator(mode="after")
    def _one_purpose(self) -> Self:
        if (self.task is None) == (self.chore is None):
            raise ValueError("is either a submission (task, repo, …) or a chore: give task or chore")
        of_submissions = self.model_fields_set & _OF_SUBMISSIONS
        of_chores = self.model_fields_set & _OF_CHORES
        if self.chore is None:
            if self.repo is None:
                raise ValueError("submits a task, and needs the label of a repository: repo")
            if of_chores:
                raise ValueError(f"is a submission and takes no {', '.join(sorted(of_chores))}")
            self._check_days()
            return self
        if of_submissions:
            raise ValueError(f"is a chore and takes no {', '.join(sorted(of_submissions))}")
        wrong = of_chores - {"expire": {"older_than"}, "verify": {"since", "deep", "repair"}}.get(self.chore, set())
        if wrong:
            raise ValueError(f"is the chore {self.chore!r} and takes no {', '.join(sorted(wrong))}")
        if self.chore == "expire" and self.older_than is None:
            raise ValueError("is the chore 'expire' and needs older_than, e.g. older_than = \"90 d\"")
        if self.when.after_last_exposure is not None:
            raise ValueError("is a chore: after_last_exposure needs a repository, so a task")
        return self

    def _check_days(self) -> None:
        if self.when.after_last_exposure is not None and not (self.when.instrument or self.id.get("instrument")):
            raise ValueError("needs an instrument, in id or in when: whose exposures count")
        for given in (self.id, *self.ids.values()):
            days = given.get("day_obs", [])
            for day in days if isinstance(days, list) else [days]:
                if not _is_day(day):
                    raise ValueError(f"has day_obs {day!r}: write today, yesterday, -1 (days before), or 20261120")

    @property
    def lane(self) -> str:
        """Which lane does it."""
        return SUBMISSION if self.chore is None else CHORE

    @property
    def what(self) -> str:
        """What it does, for people."""
        return f"{self.task} {self.repo}" if self.chore is None else f"chore {self.chore}"


def _is_day(value: int | str) -> bool:
    if isinstance(value, str):
        return value in ("today", "yesterday")
    return -3660 <= value <= 0 or 18000101 <= value <= 99991231


_OF_CHORES = frozenset({"older_than", "since", "deep", "repair"})
_OF_SUBMISSIONS = frozenset(
    {"repo", "id", "ids", "query", "config", "collections", "out", "run", "options", "who", "only_new", "lifetime"}
)


class Definition(Entry):
    """An entry with its site: what the records keep, and what a firing carries."""

    site: Site | None = None

    @model_validator(mode="after")
    def _has_a_site(self) -> Self:
        if self.when.needs_sun and self.site is None:
            raise ValueError("needs the sun, so a table [site] with latitude, longitude and time_zone")
        return self
