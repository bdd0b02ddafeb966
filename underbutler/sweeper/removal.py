"""What an ended job leaves in Butler and annex, removed because somebody asked for it. The sweeper never does it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from underbutler.butlers.pruning import prune_datasets
from underbutler.model.naming import parse_s3_url
from underbutler.pipe.precall import remove_run
from underbutler.s3 import translate_s3_errors
from underbutler.telemetry.logs import get_logger

if TYPE_CHECKING:
    import uuid

    from underbutler.context import ServiceContext
    from underbutler.records import Delivery, JobRow

__all__ = ["has_own_run", "remove_datasets", "remove_objects"]

log = get_logger(__name__)

PAGE: Final = 200


def remove_objects(context: ServiceContext, job: JobRow, progress: Callable[[int], object] | None = None) -> int:
    """Remove a job's objects from the annex and return how many; their notices stay told.

    Raises
    ------
    AnnexUnavailableError
        If the store does not answer.
    """
    removed = 0
    for page in _pages(context, job.id):
        for made in page:
            if made.url is None:
                continue
            bucket, key = parse_s3_url(made.url)
            with translate_s3_errors(context.s3, bucket=bucket, key=key):
                context.s3.delete_object(Bucket=bucket, Key=key)
            removed += 1
        if progress is not None:
            progress(removed)
    log.info("objects_removed", job=str(job.id), objects=removed)
    return removed


def has_own_run(context: ServiceContext, job: JobRow) -> bool:
    """Tell whether a job's RUN collection belongs to no other job."""
    return not context.jobs.deliveries.shares_run(job.id)


def remove_datasets(context: ServiceContext, job: JobRow, *, unlink: bool = False) -> int | None:
    """Remove a job's datasets from the Butler: its RUN collection; of a RUN that others write to only what is its own.

    Parameters
    ----------
    context, job
        What is open, and the ended job.
    unlink
        Whether its RUN is taken out of the CHAINED collections that hold it.

    Returns
    -------
    removed
        How many datasets; None when the whole RUN was removed.

    Raises
    ------
    UsageError
        If the repository is not known any more, or a CHAINED collection holds the RUN and it is not to be unlinked.
    TransientError
        If its database is away.
    """
    with context.repositories.butler(job.out, writeable=True) as butler:
        if has_own_run(context, job):
            remove_run(butler, job.run, unlink=unlink)
            log.info("run_removed", job=str(job.id), run=job.run)
            return None
        made = context.jobs.read.products(job.id)
        refs = [ref for product in made if (ref := butler.get_dataset(product.dataset_id)) is not None]
        prune_datasets(butler, refs)
        log.info("datasets_removed", job=str(job.id), run=job.run, datasets=len(refs))
        return len(refs)


def _pages(context: ServiceContext, job: uuid.UUID) -> Iterator[list[Delivery]]:
    after = None
    while page := context.jobs.deliveries.page(job=job, after=after, limit=PAGE):
        yield page
        after = page[-1].dataset_id
