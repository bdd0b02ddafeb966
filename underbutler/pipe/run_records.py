"""What is written into a RUN once per job: config, its JSON rendering, package versions, schemas.

Each has an id made of RUN and dataset type, so that of several writers one wins, whatever their timing. The others meet
the conflict, read what is there and compare. What is there is never rewritten, and the Python text of a config is never
read back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from lsst.pipe.base import TaskError

from underbutler.errors import ConflictError, UsageError
from underbutler.retry import RUN_BEING_REGISTERED

if TYPE_CHECKING:
    from lsst.daf.butler import Butler, DatasetRef

__all__ = ["RunConflictError", "agree", "put_once", "refuse_backup"]


PUT_TRIES = 20


class RunConflictError(TaskError, ConflictError):
    """The RUN collection holds the output of another config or of other package versions."""


def put_once(butler: Butler, name: str, value: Any) -> bool:
    """Put a dataset without dimensions into the butler's RUN; return False if it is there already.

    Parameters
    ----------
    butler
        A writeable butler with a RUN.
    name
        Its dataset type.
    value
        What is put.

    Notes
    -----
    The Butler registers a RUN in two transactions. A process that registers it at the same time is told between them
    that it exists, and its first put then fails as a conflict, with nothing there: it is tried again.
    """
    from lsst.daf.butler import DatasetExistence
    from lsst.daf.butler.registry import ConflictingDefinitionError
    from tenacity import stop_after_attempt

    ref = _ref(butler, name)

    def put() -> bool:
        try:
            butler.put(value, ref)
        except ConflictingDefinitionError:
            if DatasetExistence.DATASTORE in butler.exists(ref, full_check=False):
                return False
            raise
        return True

    last = stop_after_attempt(PUT_TRIES)
    return RUN_BEING_REGISTERED.retrying(ConflictingDefinitionError, stop=last)(put)


def agree(
    butler: Butler, name: str, value: Any, compare: Callable[[Any], Iterable[tuple[str, Any, Any]]], what: str
) -> bool:
    """Put a dataset into the butler's RUN, or check that the one that is there agrees; return whether it was put.

    Parameters
    ----------
    butler
        A writeable butler with a RUN.
    name
        Its dataset type, without dimensions.
    value
        What is put.
    compare
        Returns how the stored value (its argument) differs: names with stored and new value.
    what
        What is compared, for the error's text: ``config``.

    Raises
    ------
    RunConflictError
        If it differs, naming each field with both values.
    """
    if put_once(butler, name, value):
        return True
    found = list(compare(butler.get(_ref(butler, name))))
    if found:
        words = "; ".join(f"{field}: {old!r} there, {new!r} here" for field, old, new in found)
        raise RunConflictError(
            f"The RUN collection {butler.run!r} was written with another {what}. {words}. What is written stays: leave "
            "out -o and the job gets a RUN of its own, or name a new one.",
            run=butler.run,
            differences=found,
        )
    return False


def refuse_backup(doBackup: bool) -> None:
    """Refuse Gen2's ``doBackup``.

    Raises
    ------
    UsageError
        If it is set.
    """
    if doBackup:
        raise UsageError(
            "doBackup has no meaning here: nothing in a RUN collection is ever rewritten, so nothing needs a copy. "
            "Leave it out; another config gets another RUN."
        )


def _ref(butler: Butler, name: str) -> DatasetRef:
    from lsst.daf.butler import DataCoordinate, DatasetIdGenEnum, DatasetRef

    return DatasetRef(
        butler.get_dataset_type(name),
        DataCoordinate.make_empty(butler.dimensions),
        run=butler.run,
        id_generation_mode=DatasetIdGenEnum.DATAID_TYPE_RUN,
    )
