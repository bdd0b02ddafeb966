"""A repository of made datasets under the sweeper's eyes."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any

from tests.support.sweeper_site import Site
from underbutler.model.job import TargetState
from underbutler.records import Claim, Intent, Outcome, Product

RUN = "u/ann/processCcd/1"


@dataclass
class Repository:
    """A repository, and datasets in it that claims have written."""

    site: Site
    label: str
    refs: dict[uuid.UUID, Any] = field(default_factory=dict)

    def put(self, claim: Claim, number: int, *, intended: bool = True) -> uuid.UUID:
        """Write a dataset as a claim does: the intent first."""
        from lsst.daf.butler import DatasetRef, DatasetType

        with self.site.context.repositories.butler(self.label, writeable=True, run=RUN) as butler:
            kind = DatasetType(f"kind{number}", butler.dimensions.conform(["instrument"]), "StructuredDataDict")
            butler.registry.registerDatasetType(kind)
            data_id = butler.registry.expandDataId(instrument="STE3")
            ref = DatasetRef(kind, data_id, run=RUN)
            if intended:
                intent = Intent(dataset_id=ref.id, dataset_type=kind.name, run=RUN, data_id={"instrument": "STE3"})
                self.site.jobs.intents.record(claim, [intent])
            butler.put({"number": number}, ref)
        self.refs[ref.id] = ref
        return ref.id

    def has(self, dataset: uuid.UUID) -> bool:
        """Tell whether a dataset is in registry and datastore."""
        with self.site.context.repositories.butler(self.label) as butler:
            known = butler.get_dataset(dataset) is not None
            assert known == butler.stored(self.refs[dataset]), "registry and datastore say the same"
        return known

    def remove(self, dataset: uuid.UUID) -> None:
        """Remove a dataset behind everybody's back."""
        with self.site.context.repositories.butler(self.label, writeable=True) as butler:
            butler.pruneDatasets([self.refs[dataset]], disassociate=True, unstore=True, purge=True)


def made(dataset: uuid.UUID) -> Product:
    return Product(dataset_id=dataset, dataset_type="kind", data_id={"instrument": "STE3"})


def done_with(*datasets: uuid.UUID, state: TargetState = TargetState.DONE) -> Outcome:
    return Outcome(state=state, products=[made(dataset) for dataset in datasets])
