"""Two images of the same target compared, pixel by pixel."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from underbutler.errors import UnknownNameError
from underbutler.model.dataref import human_data_id

if TYPE_CHECKING:
    from lsst.daf.butler import Butler, DatasetRef

__all__ = ["ImageComparison", "compare_images", "compared_products"]

_IMAGES: Final = ("CcdImage", "NumpyArray")
"""Storage classes whose datasets are compared when no dataset type is named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageComparison:
    """How image B differs from image A of the same data ID.

    Parameters
    ----------
    dataset_type, target
        What was compared.
    pixels
        Number of pixels; None if the shapes differ.
    differing, fraction
        Pixels whose values differ, or that are NaN in one alone; and their share.
    largest, rms, mean
        Of B - A, of the pixels that are finite in both: largest magnitude, root mean square, mean. In `unit`.
    unit
        Of the image.
    mask
        By plane of the mask: pixels in which it is set in A alone, and in B alone. Planes that are the same are left
        out.
    remark
        Why it was not compared; empty if it was.
    """

    dataset_type: str
    target: str
    pixels: int | None = None
    differing: int = 0
    fraction: float = 0.0
    largest: float = 0.0
    rms: float = 0.0
    mean: float = 0.0
    unit: str = ""
    mask: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    remark: str = ""


def compare_images(a: Any, b: Any, dataset_type: str = "", target: str = "") -> ImageComparison:
    """Compare two images, with their masks if they have any."""
    import numpy as np

    first, second = (np.asarray(getattr(one, "image", one), dtype=float) for one in (a, b))
    named: dict[str, Any] = {"dataset_type": dataset_type, "target": target}
    if first.shape != second.shape:
        return ImageComparison(**named, remark=f"shapes differ: {first.shape} in A, {second.shape} in B")
    differing = (first != second) & ~(np.isnan(first) & np.isnan(second))
    finite = np.isfinite(first) & np.isfinite(second)
    change = second[finite] - first[finite]
    return ImageComparison(
        **named,
        pixels=first.size,
        differing=int(differing.sum()),
        fraction=float(differing.mean()) if first.size else 0.0,
        largest=float(np.abs(change).max(initial=0.0)),
        rms=float(np.sqrt(np.mean(change**2))) if change.size else 0.0,
        mean=float(change.mean()) if change.size else 0.0,
        unit=str(getattr(a, "unit", "")),
        mask=dict(_mask_changes(a, b)),
    )


def compared_products(
    a: tuple[Butler, str], b: tuple[Butler, str], dataset_type: str | None, chosen: Mapping[str, str]
) -> Iterator[ImageComparison]:
    """Compare the images of every target that two RUN collections both hold.

    Parameters
    ----------
    a, b
        A butler, and the RUN collection.
    dataset_type
        Only this one; None takes every type of images.
    chosen
        Only targets whose data ID has these values, as texts.

    Raises
    ------
    UnknownNameError
        If neither RUN holds the dataset type.
    """
    first, second = (_images(butler, run) for butler, run in (a, b))
    names = [name for name in first if name in second]
    if dataset_type is not None:
        if dataset_type not in names:
            raise UnknownNameError.of("dataset type of images that both runs have", dataset_type, names)
        names = [dataset_type]
    for name in names:
        others = {ref.dataId: ref for ref in second[name]}
        for ref in first[name]:
            other = others.get(ref.dataId)
            data_id = dict(ref.dataId.required)
            if other is None or any(str(data_id.get(key)) != value for key, value in chosen.items()):
                continue
            yield compare_images(a[0].get(ref), b[0].get(other), name, human_data_id(data_id))


def _images(butler: Butler, run: str) -> dict[str, Sequence[DatasetRef]]:
    found: dict[str, list[DatasetRef]] = {}
    for ref in butler.query_all_datasets(run, find_first=False, limit=None):
        if ref.datasetType.storageClass_name in _IMAGES:
            found.setdefault(ref.datasetType.name, []).append(ref)
    return {name: sorted(refs, key=lambda ref: tuple(ref.dataId.required_values)) for name, refs in found.items()}


def _mask_changes(a: Any, b: Any) -> Iterator[tuple[str, tuple[int, int]]]:
    planes = [getattr(one, "mask_planes", None) or {} for one in (a, b)]
    for name in dict.fromkeys([*planes[0], *planes[1]]):
        set_a, set_b = (
            (one.mask >> of[name]) & 1 == 1 if name in of else one.mask < 0
            for one, of in zip((a, b), planes, strict=True)
        )
        only = int((set_a & ~set_b).sum()), int((set_b & ~set_a).sum())
        if any(only):
            yield name, only


def _plane(mask: Any, bit: int | None) -> Any:
    """Return where a bit of a mask is set: nowhere, if there is none."""
    return (mask & 0) != 0 if bit is None else (mask >> bit) & 1 == 1
