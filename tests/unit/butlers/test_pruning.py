"""What races of the Butler's own transactions leave behind never stands in the way of the next put."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.dataset_pieces import PIECES, leave
from underbutler.butlers import CcdImage, Repositories
from underbutler.butlers.pruning import prune_datasets
from underbutler.model.dataref import DataRef

RUN = "u/ann/reduce/1"


def image(value: float) -> CcdImage:
    return CcdImage(np.full((2, 3), value), np.zeros((2, 3), np.uint8), np.ones((2, 3)))


@pytest.mark.parametrize("pieces", PIECES)
def test_a_put_makes_whole_whatever_is_left_of_a_dataset(pieces: str, stocked: Repositories) -> None:
    data_id = {"instrument": "CAM", "exposure": 1, "detector": 0}
    with stocked.open(DataRef("tiny", data_id, collections=("CAM/raw", "CAM/calib"), run=RUN)) as bound:
        identity = bound.put(image(1), "calexp")
        leave(bound.getButler(), identity, pieces)
        for value in (2.0, 3.0, 4.0):
            assert bound.put(image(value), "calexp") == identity
            assert bound.get("calexp").image[0, 0] == value
        butler = bound.getButler()
        ref = butler.get_dataset(identity)
        assert ref is not None
        prune_datasets(butler, [ref])
        assert butler.get_dataset(identity) is None
