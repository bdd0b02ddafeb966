"""Decoding dataset references with PersistenceContextVars, as every message is, against without.

10⁴ references, from their JSON text: 4 dataset types, each data ID shared by 4 of them. Beside it 10⁴ whose data IDs
are all distinct, which can gain little, and a single one. Memory is what the decoded list holds, measured in passes of
its own.
"""

from __future__ import annotations

import gc
import json
import tracemalloc
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from _rounds import Row, Series, interleaved, parse, print_machine, print_table, timed, verdict

if TYPE_CHECKING:
    from lsst.daf.butler import DatasetRef, DatasetType, DimensionUniverse

TARGET = 1.5
N_TYPES = 4
DIMENSIONS = ("instrument", "exposure", "detector")
SHARED, DISTINCT, SINGLE = "4 types share each data ID", "all data IDs distinct", "a single reference"
Decoder = Callable[[], list[Any]]


def main() -> None:
    """Measure and print."""
    from lsst.daf.butler import DimensionUniverse

    quick = parse(__doc__).quick
    count = 100 if quick else 10_000
    print_machine("before")
    universe = DimensionUniverse()
    kinds = {
        SHARED: encoded(universe, count, lambda number: number // N_TYPES),
        DISTINCT: encoded(universe, count, lambda number: number),
        SINGLE: encoded(universe, 1, lambda number: number),
    }
    decoders = {kind: decoders_of(documents, universe) for kind, documents in kinds.items()}
    for kind, (plain, shared) in decoders.items():
        assert plain() == shared(), kind
    print_times(decoders, count, quick=quick)
    print_held(decoders, count, quick=quick)
    print_machine("after")


def print_times(decoders: dict[str, tuple[Decoder, Decoder]], count: int, *, quick: bool) -> None:
    """Print the time of each decoder."""
    variants: dict[str, Callable[[], float]] = {}
    for kind, (plain, shared) in decoders.items():
        times = (20 if quick else 200) if kind == SINGLE else 1
        variants[f"{kind}: without"] = timed(plain, times)
        variants[f"{kind}: without, once more"] = timed(plain, times)  # what the machine alone makes of a ratio
        variants[f"{kind}: with"] = timed(shared, times)
    measured = interleaved(variants, rounds=1 if quick else 11, budget_s=35, warm_up=0 if quick else 1)
    series = {name: Series(tuple(values)) for name, values in measured.items()}
    rows = {
        name: Row(one, None if name.endswith("without") else series[f"{name.partition(':')[0]}: without"])
        for name, one in series.items()
    }
    print_table(f"Decoding {count} references, time", rows, note="ratio: to without")
    ratio = series[f"{SHARED}: without"].median / series[f"{SHARED}: with"].median
    verdict(f"≥ {TARGET:g}× less time, {SHARED}", f"{ratio:.2f}×", met=ratio >= TARGET, quick=quick)


def print_held(decoders: dict[str, tuple[Decoder, Decoder]], count: int, *, quick: bool) -> None:
    """Print memory and numbers of objects of each decoded list."""
    held: dict[str, float] = {}
    print(f"\nDecoding {count} references, what the list holds")
    print(f"{'':44}{'MiB':>12}{'B/reference':>14}{'references':>12}{'data IDs':>10}{'types':>8}")
    for kind, pair in decoders.items():
        for name, decoder in zip(("without", "with"), pair, strict=True):
            size, refs = memory_of(decoder)
            held[f"{kind}: {name}"] = size
            numbers = [len({id(one) for one in column}) for column in columns_of(refs)]
            cells = f"{size / 2**20:12.3f}{size / len(refs):14.0f}{numbers[0]:12}{numbers[1]:10}{numbers[2]:8}"
            print(f"{f'{kind}: {name}':44}{cells}")
    ratio = held[f"{SHARED}: without"] / held[f"{SHARED}: with"]
    verdict(f"≥ {TARGET:g}× less memory, {SHARED}", f"{ratio:.2f}×", met=ratio >= TARGET, quick=quick)


def columns_of(refs: list[DatasetRef]) -> tuple[list[object], list[object], list[object]]:
    """Return what may be one object or many."""
    return [*refs], [ref.dataId for ref in refs], [ref.datasetType for ref in refs]


def memory_of(decoder: Decoder) -> tuple[int, list[Any]]:
    """Return the bytes that a decoded list holds, and the list."""
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    refs = decoder()
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return after - before, refs


def decoders_of(documents: str, universe: DimensionUniverse) -> tuple[Decoder, Decoder]:
    """Return what decodes a JSON text without a persistence context, and with one: the same code inside."""
    from underbutler.butlers.decoding import _decode_each, decode_refs

    return lambda: _decode_each(json.loads(documents), universe), lambda: decode_refs(json.loads(documents), universe)


def encoded(universe: DimensionUniverse, count: int, place: Callable[[int], int]) -> str:
    """Return references as the JSON text that travels; `place` numbers the data ID of each."""
    from lsst.daf.butler import DataCoordinate, DatasetIdGenEnum, DatasetRef

    from underbutler.butlers.decoding import encode_refs

    types = dataset_types(universe)
    mode = DatasetIdGenEnum.DATAID_TYPE_RUN
    refs = []
    for number in range(count):
        exposure, detector = divmod(place(number), 2)
        values = {"instrument": "SIMCAM", "exposure": 20261120000000 + exposure, "detector": detector}
        where = DataCoordinate.standardize(values, universe=universe)
        refs.append(DatasetRef(types[number % N_TYPES], where, run="u/bench/decode", id_generation_mode=mode))
    return json.dumps(encode_refs(refs))


def dataset_types(universe: DimensionUniverse) -> list[DatasetType]:
    """Return four dataset types of one exposure and detector."""
    from lsst.daf.butler import DatasetType, StorageClass

    kind = StorageClass("StructuredDataDict")
    return [DatasetType(f"bench{number}", DIMENSIONS, kind, universe=universe) for number in range(N_TYPES)]


if __name__ == "__main__":
    main()
