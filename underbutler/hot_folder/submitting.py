"""Frames that came in are submitted, each once: what was is asked of the records, so that it survives any death."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from underbutler.errors import UsageError
from underbutler.model.identity import short_id
from underbutler.telemetry.logs import get_logger

if TYPE_CHECKING:
    from celery import Celery

    from underbutler.context import ServiceContext
    from underbutler.model.dataref import DataIdValue
    from underbutler.records import JobRow

__all__ = ["TAG", "Submitting", "check_words"]

log = get_logger(__name__)

TAG: Final = "hot_folder"
"""Tag of the jobs: its text is the folder."""
BATCH: Final = 500
"""So many frames are one job at most."""
RECENT_S: Final = 3 * 86_400.0
"""What came into the repository longer ago is not submitted any more: the rows of its job may have been destroyed."""

_FRAME: Final = ("instrument", "exposure", "detector")
Key = tuple["DataIdValue", ...]


@dataclass(frozen=True, slots=True)
class Submitted:
    """One job that a folder's frames became.

    Parameters
    ----------
    job
        The job; None if none of the frames is one of the task's.
    frames
        How many frames were given.
    notes
        What is to be said: what would fail, what was not sent.
    """

    job: JobRow | None
    frames: int
    notes: tuple[str, ...] = ()


def check_words(task: str, label: str, words: Sequence[str]) -> None:
    """Refuse what is wrong with the words for the task, as far as no frame is needed to tell.

    Raises
    ------
    RequestError
        With every fault.
    UsageError
        If the task takes no data IDs of frames, or the words name data.
    """
    from underbutler.pipe import load_task
    from underbutler.pipe.faults import request_error
    from underbutler.pipe.understanding import faults_of_words

    parser = load_task(task)._makeArgumentParser()
    if "id" not in parser.id_arguments or parser.id_arguments["id"].dataset_type != "raw":
        raise UsageError(f"{task} does not take raw frames by --id: a folder's frames cannot be given to it.")
    request = parser.read([label, *words, "--id", "instrument=ANY", "exposure=0", "detector=0"], task=task).request
    if len(request.steps[0].ids.get("id", ())) > 1 or request.steps[0].where:
        raise UsageError("The frames that come in are the data of --then: leave out --id and --data-query.")
    faults = faults_of_words(request)
    if faults:
        raise request_error(faults)


class Submitting:
    """Submits the frames of one folder to one task.

    Parameters
    ----------
    context
        Records and butlers.
    app
        A Celery app that can send.
    task, label, words
        What is submitted: the task, the repository's label, and the task's own words.
    folder
        Name of the folder: tag of the jobs.
    """

    def __init__(
        self, context: ServiceContext, app: Celery, *, task: str, label: str, words: Sequence[str], folder: str
    ) -> None:
        self._context, self._app = context, app
        self._task, self._label, self._words, self._folder = task, label, tuple(words), folder
        self._waiting: dict[Key, tuple[Mapping[str, DataIdValue], bool]] = {}
        self._known: set[Key] | None = None
        self.left_aside = 0
        """Frames that were in the repository for too long to know whether they were submitted."""

    def __len__(self) -> int:
        return len(self._waiting)

    def offer(self, data_id: Mapping[str, DataIdValue], *, is_new: bool) -> None:
        """Let a frame be submitted with the next ones, unless a job of this folder has it. Nothing is asked here.

        Parameters
        ----------
        data_id
            Its instrument, exposure and detector.
        is_new
            Whether it came into the repository now. Of one that was there a killed process may have died in between.
        """
        self._waiting[_key(data_id)] = (dict(data_id), is_new)

    def submit(self) -> Submitted | None:
        """Submit what waits, as one job; None if nothing does.

        Raises
        ------
        UsageError
            If it cannot succeed as written. Then these frames are given up until the next start.
        TransientError
            If a service is away: then they still wait.
        """
        batch = self._next()
        if not batch:
            return None
        try:
            done = self._made(batch)
        except UsageError:
            self._forget(batch)
            raise
        self._forget(batch)
        return done

    def _next(self) -> dict[Key, Mapping[str, DataIdValue]]:
        """Return the next frames that no job of this folder has."""
        batch: dict[Key, Mapping[str, DataIdValue]] = {}
        if self._waiting and self._known is None:
            self._known = self._submitted()
        for key, (data_id, is_new) in list(self._waiting.items()):
            if key in (self._known or ()):
                del self._waiting[key]
            elif not is_new and not self._is_recent(data_id):
                self.left_aside += 1
                self._forget([key])
            else:
                batch[key] = data_id
                if len(batch) == BATCH:
                    break
        return batch

    def _forget(self, batch: Iterable[Key]) -> None:
        for key in batch:
            del self._waiting[key]
        if self._known is not None:
            self._known.update(batch)

    def _made(self, batch: Mapping[Key, Mapping[str, DataIdValue]]) -> Submitted:
        from underbutler.submission.preparing import look_before, prepare
        from underbutler.submission.submit import submit

        context, notes = self._context, list[str]()
        with prepare(
            self._task,
            [self._label, *_words_of(batch.values()), *self._words],
            repositories=context.repositories,
            user=context.settings.user,
            allow_empty=True,
            tags={TAG: self._folder},
        ) as prepared:
            if not prepared.targets:
                return Submitted(None, len(batch))
            if not prepared.command.local.no_check:
                # Nobody is here to ask: what would fail is told, and nothing is kept for it.
                notes += [f"would fail: {finding}" for finding in look_before(prepared).refusals]
            row = submit(
                prepared,
                jobs=context.jobs,
                app=self._app,
                settings=context.settings,
                on_unsent=lambda sent, why: notes.append(f"{sent} messages were sent, the rest will be: {why}"),
            )
        log.info("hot_folder_submitted", job=str(row.id), targets=row.n_targets, folder=self._folder)
        return Submitted(row, len(batch), tuple(f"job {short_id(row.id)}: {note}" for note in notes))

    def _submitted(self) -> set[Key]:
        found = self._context.jobs.read.submitted_data_ids(self._task, self._label, (TAG, self._folder))
        return {_key(data_id) for data_id in found if set(_FRAME) <= set(data_id)}

    def _is_recent(self, data_id: Mapping[str, DataIdValue]) -> bool:
        from astropy.time import Time

        with self._context.repositories.butler(self._label) as butler, butler.query() as query:
            where = "instrument = i AND exposure = e AND detector = d AND raw.ingest_date > t"
            since = Time(Time.now().unix_tai - RECENT_S, format="unix_tai", scale="tai")
            bind = dict(zip("ied", _key(data_id), strict=True)) | {"t": since}
            return bool(query.datasets("raw", [f"{data_id['instrument']}/raw"]).where(where, bind=bind).any())


def _key(data_id: Mapping[str, DataIdValue]) -> Key:
    return tuple(data_id[name] for name in _FRAME)


def _words_of(data_ids: Any) -> list[str]:
    """Return data IDs as words of a command line: one ``--id`` for each detector."""
    exposures: dict[tuple[Any, Any], list[str]] = defaultdict(list)
    for data_id in data_ids:
        exposures[data_id["instrument"], data_id["detector"]].append(str(data_id["exposure"]))
    words: list[str] = []
    for (instrument, detector), listed in exposures.items():
        words += ["--id", f"instrument={instrument}", f"detector={detector}", f"exposure={'^'.join(listed)}"]
    return words
