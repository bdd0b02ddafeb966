"""A task whose process dies where a test has armed it: between any two steps of what a worker does around it.

A file ``{exposure}.{step}`` in the folder ``MORTAL_FOLDER`` arms one death of one target; it is gone when that has
happened.
"""

from __future__ import annotations

import functools
import os
import re
import signal
import sys
from pathlib import Path
from typing import Any

import structlog
from lsst.pex.config import Config
from lsst.pipe.base import Struct

from underbutler import CmdLineTask, DatasetSpec

TABLE = DatasetSpec(dimensions=("instrument", "exposure", "detector"), storageClass="StructuredDataDict", large=False)
PICTURE = DatasetSpec(dimensions=("instrument", "exposure", "detector"), storageClass="PngBytes", large=True)
SIZE = 5 * 2**20 + 1000
"""Size of a picture in bytes: it is delivered in two parts."""


class MortalTask(CmdLineTask):
    """Write a table and a picture, always the same of the same exposure."""

    _DefaultName = "mortalWrite"
    ConfigClass = Config
    datasetTypes = {"mortalTable": TABLE, "mortalPicture": PICTURE}

    def runDataRef(self, dataRef):
        """Write both."""
        exposure = dataRef.dataId["exposure"]
        dataRef.put({"exposure": exposure, "pid": os.getpid()}, "mortalTable")
        text = str(exposure).encode()
        dataRef.put(b"\x89PNG\r\n\x1a\n" + (text * (SIZE // len(text) + 1))[:SIZE], "mortalPicture")
        return Struct()


def die_if_armed(step: str) -> None:
    """Die, once, if the target at hand is armed for this step."""
    exposure = re.search(r"exposure=(\d+)", str(structlog.contextvars.get_contextvars().get("data_id")))
    if exposure is None:
        return
    arm = Path(os.environ["MORTAL_FOLDER"], f"{exposure[1]}.{step}")
    try:
        arm.rename(arm.with_suffix(f"{arm.suffix}.died"))
    except FileNotFoundError:
        return
    os.kill(os.getpid(), signal.SIGKILL)


def make_mortal(owner: Any, name: str, step: str = "") -> None:
    """Let a function be a place of death, before it and after it."""
    inner = getattr(owner, name)
    step = step or name

    @functools.wraps(inner)
    def mortal(*args: Any, **kwargs: Any) -> Any:
        die_if_armed(f"before_{step}")
        result = inner(*args, **kwargs)
        die_if_armed(f"after_{step}")
        return result

    setattr(owner, name, mortal)


def make_all_mortal() -> None:
    """Wrap the steps of a worker; a submitter, which loads this task too, lives on."""
    from lsst.daf.butler.datastores.fileDatastore import FileDatastore
    from lsst.daf.butler.direct_butler import DirectButler

    from underbutler.annex.delivery import _PartUpload
    from underbutler.context import ServiceContext
    from underbutler.records.datasets.intents import Intents
    from underbutler.records.datasets.uploads import Uploads
    from underbutler.records.targets.claims import Claims
    from underbutler.records.targets.outbox import Outbox

    make_mortal(Claims, "grant", "claim")
    make_mortal(Intents, "record", "intend")
    make_mortal(Claims, "begin_delivery")
    make_mortal(Uploads, "add", "add_uploads")
    make_mortal(Claims, "complete")
    make_mortal(Outbox, "mark_notices_sent")
    make_mortal(FileDatastore, "put", "file")
    make_mortal(FileDatastore, "emptyTrash", "empty_trash")
    make_mortal(DirectButler, "put")
    make_mortal(DirectButler, "pruneDatasets", "prune")
    make_mortal(_PartUpload, "send", "parts")
    make_mortal(sys.modules["workers.target.delivering"], "deliver")
    make_mortal(ServiceContext, "publish")


if "workers.target.delivering" in sys.modules:
    make_all_mortal()
