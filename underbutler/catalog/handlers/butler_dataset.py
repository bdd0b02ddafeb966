"""Datasets of the Butler as arrays, by UUID, through the label of a repository.

Where the annex has no copy: small tables, metadata, what was delivered before there was an annex.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias
from uuid import UUID

import numpy as np
import numpy.typing as npt

from underbutler.errors import LostDatasetError, suggest
from underbutler.settings import Settings, load_settings

from .parquet_table import UnknownColumnError, arrow_to_array, chosen_columns, single_column, with_gaps
from .png_picture import PNG_SIGNATURE, BrokenPictureError, decode_png
from .resource_file import HandlerArgumentError, UnreadableFileError, check_argument, refuse_unknown
from .specs import BUTLER

if TYPE_CHECKING:
    from lsst.daf.butler import Butler, DatasetRef

    from underbutler.butlers import Repositories

__all__ = ["ButlerDataset", "close_repositories", "to_array"]

AnyArray: TypeAlias = npt.NDArray[Any]

_SCHEME = "butler://"
_NUMPY_MAKES_ARRAYS_OF = (bool, int, float, complex, str, list, tuple, np.generic)
_USUAL_COMPONENT = {"CcdImage": "image"}
"""Of a storage class that is more than one array: what is read when nobody says."""


class ButlerDataset:
    """Handler of spec ``BUTLER``.

    Parameters
    ----------
    path
        ``butler://label``, ``butler://label/uuid``, or a label alone. With ``butler://label`` as the root of the
        resource, `root_map` leads to another repository.
    dataset
        UUID of the dataset, unless the path or a datum says it.
    component
        Which component is read, unless a datum says another. Of a ``CcdImage`` it is the image, if nobody says.
    settings
        Those that name the index of repositories; the process's if None.
    **unknown
        What a resource says that this handler does not know.

    Raises
    ------
    HandlerArgumentError
        If an argument is not known, or not of its kind.
    """

    spec = BUTLER

    def __init__(
        self,
        path: str,
        *,
        dataset: str | None = None,
        component: str | None = None,
        settings: Settings | None = None,
        **unknown: Any,
    ) -> None:
        refuse_unknown(self.spec, "resource_kwargs", unknown, ("component", "dataset"))
        check_argument(self.spec, "settings", settings, Settings, "an object of this process: no document holds it")
        check_argument(self.spec, "component", component, str, "a name")
        self.label, _, in_path = path.removeprefix(_SCHEME).partition("/")
        if not self.label:
            raise HandlerArgumentError(
                f"{path!r} names no repository. Write butler://label or butler://label/uuid.", path=path
            )
        self._dataset = _uuid(in_path or dataset)
        self._component = component
        self._settings = settings

    def __call__(
        self,
        *,
        dataset: str | None = None,
        component: str | None = None,
        column: str | None = None,
        columns: Sequence[str] | None = None,
        **unknown: Any,
    ) -> AnyArray:
        """Return a dataset as an array.

        Parameters
        ----------
        dataset
            Its UUID.
        component
            Which component, e.g. ``mask``.
        column
            Of a table: the one column that is wanted as a plain array.
        columns
            Of a table: the columns that are wanted as a structured array.
        **unknown
            What a datum says that this handler does not know.

        Raises
        ------
        HandlerArgumentError
            If no UUID is said, or the dataset has no such component or column.
        LostDatasetError
            If the repository has no such dataset, or its file is gone.
        TransientError
            If the registry does not answer.
        UnreadableFileError
            If the dataset is nothing that an array holds.
        """
        refuse_unknown(self.spec, "datum_kwargs", unknown, ("column", "columns", "component", "dataset"))
        single = single_column(self.spec, column, columns)
        wanted = [single] if single is not None else chosen_columns(self.spec, columns)
        uuid = self._wanted(dataset)
        with self._found(uuid) as (butler, ref):
            part = self._part(ref, component)
            array = self._converted(_read(butler, self.label, part), part, ref)
        if wanted is None:
            return array
        return self._of_columns(array, wanted, single, uuid)

    def get_file_list(self, datum_kwargs: Iterable[Mapping[str, Any]] = ()) -> list[str]:
        """Return the URIs of the artifacts of the datasets that the datums name; local ones as paths."""
        wanted = {_uuid(one.get("dataset")) or self._dataset for one in datum_kwargs} or {self._dataset}
        files: list[str] = []
        for uuid in sorted(self._wanted(one) for one in wanted):
            with self._found(uuid) as (butler, ref):
                primary, parts = butler.getURIs(ref)
                uris = [primary] if primary else list(parts.values())
            files += [uri.ospath if uri.isLocal else uri.geturl() for uri in uris]
        return files

    def __repr__(self) -> str:
        return f"{type(self).__name__}('{_SCHEME}{self.label}{f'/{self._dataset}' if self._dataset else ''}')"

    def _wanted(self, dataset: str | UUID | None) -> UUID:
        uuid = _uuid(dataset) or self._dataset
        if uuid is None:
            raise HandlerArgumentError(
                f"No dataset is named of repository {self.label!r} is wanted. Give its UUID: datum_kwargs "
                "{'dataset': …}, or butler://label/uuid.",
                repo=self.label,
            )
        return uuid

    @contextmanager
    def _found(self, uuid: UUID) -> Iterator[tuple[Butler, DatasetRef]]:
        from underbutler.butlers.translation import translate_butler_errors

        repositories = _repositories(self._settings or load_settings())
        with repositories.butler(self.label) as butler:
            with translate_butler_errors(self.label):
                ref = butler.get_dataset(uuid)
            if ref is None:
                raise LostDatasetError(
                    f"The repository {self.label!r} ({repositories.uri(self.label)}) has no dataset {uuid}. It was "
                    "removed, or is in another repository: map the root butler://… with root_map.",
                    repo=self.label,
                    dataset=str(uuid),
                )
            yield butler, ref

    def _part(self, ref: DatasetRef, component: str | None) -> DatasetRef:
        storage = ref.datasetType.storageClass
        wanted = component or self._component or _USUAL_COMPONENT.get(storage.name)
        if wanted is None:
            return ref
        known = sorted(storage.allComponents())
        if wanted not in known:
            raise HandlerArgumentError(
                f"Dataset {ref.id} ({ref.datasetType.name}) of repository {self.label!r} has no component {wanted!r}."
                f"{suggest(wanted, known)} It has {', '.join(known) or 'none'}.",
                component=wanted,
                known=known,
            )
        return ref.makeComponentRef(wanted)

    def _converted(self, value: Any, ref: DatasetRef, whole: DatasetRef) -> AnyArray:
        name = f"Dataset {ref.id} ({ref.datasetType.name}) of repository {self.label!r}"
        try:
            return to_array(value, name)
        except BrokenPictureError as error:
            raise UnreadableFileError(f"{name} is not a readable PNG file: {error}") from error
        except TypeError as error:
            known = sorted(whole.datasetType.storageClass.allComponents())
            parts = f" Choose component=…, one of {', '.join(known)}." if known else ""
            raise UnreadableFileError(
                f"{name} is of storage class {ref.datasetType.storageClass.name}, which no array holds.{parts}",
                dataset=str(ref.id),
            ) from error

    def _of_columns(self, array: AnyArray, wanted: list[str], single: str | None, uuid: UUID) -> AnyArray:
        known = list(array.dtype.names or ())
        for name in wanted:
            if name not in known:
                raise UnknownColumnError(
                    f"Dataset {uuid} of repository {self.label!r} has no column {name!r}.{suggest(name, known)} It has "
                    f"{', '.join(known) or 'no columns'}.",
                    column=name,
                    known=known,
                )
        if single is not None:
            return array[single]
        chosen = np.empty(array.shape, [(name, array.dtype[name]) for name in wanted])
        for name in wanted:
            chosen[name] = array[name]
        return chosen


def to_array(value: Any, name: str) -> AnyArray:
    """Return what the Butler gave as an array.

    Arrays stay; a table becomes a structured array as `ParquetTable` gives it; frames give their pixels, pictures are
    decoded, numbers and lists of numbers become arrays.

    Parameters
    ----------
    value
        What `Butler.get` returned.
    name
        Whose it is, for errors.

    Raises
    ------
    TypeError
        If no array holds it.
    BrokenPictureError
        If it is a picture that is not whole.
    """
    if isinstance(value, bytes) and value.startswith(PNG_SIGNATURE):
        return decode_png(value)
    if hasattr(value, "to_records"):  # pandas.DataFrame
        import pyarrow as pa

        value = pa.Table.from_pandas(value, preserve_index=False)
    if hasattr(value, "combine_chunks") and hasattr(value, "column_names"):  # pyarrow.Table
        return arrow_to_array(value, name)
    array: AnyArray = _numpy_of(value)
    if isinstance(array, np.ma.MaskedArray):
        array = _filled(array, name)
    if array.dtype.kind not in "biufcUSmMV":
        raise TypeError(f"{name} holds {type(value).__name__}")
    return array


def close_repositories() -> None:
    """Close the repositories that handlers of this process have opened; they are opened again when they are read."""
    for repositories in _opened:
        repositories.close()
    _opened.clear()
    _repositories.cache_clear()


_opened: list[Repositories] = []


@lru_cache(maxsize=8)
def _repositories(settings: Settings) -> Repositories:
    from underbutler.butlers import Repositories

    _opened.append(Repositories(settings))
    return _opened[-1]


def _read(butler: Butler, label: str, ref: DatasetRef) -> Any:
    from underbutler.butlers.lookup import Lookup

    return Lookup(butler, label).read(ref)


def _uuid(text: str | UUID | None) -> UUID | None:
    if text is None or isinstance(text, UUID):
        return text
    try:
        return UUID(text)
    except (ValueError, AttributeError, TypeError) as error:
        raise HandlerArgumentError(
            f"{text!r} is not a UUID of a dataset. They look like 8f1a3e6c-0b57-5f0e-9d5b-6c7d1f2a3b4c.", dataset=text
        ) from error


def _numpy_of(value: Any) -> Any:
    """Return the array that is in a value, or that numpy makes of it; one of objects if there is none."""
    if isinstance(value, np.ndarray):
        return value
    if hasattr(value, "as_array"):  # astropy.table.Table
        return value.as_array()
    pixels = getattr(value, "data", None)
    if isinstance(pixels, np.ndarray):  # astropy.nddata.CCDData
        return pixels
    return np.asarray(value, None if isinstance(value, _NUMPY_MAKES_ARRAYS_OF) else object)


def _filled(array: np.ma.MaskedArray[Any, Any], name: str, column: str = "") -> AnyArray:
    """Return an array with gaps where it is masked, as a parquet table has them."""
    if array.dtype.names is None:
        if array.dtype.kind in "biu":
            return with_gaps(np.asarray(array.data), np.ma.getmaskarray(array), column, name)
        return np.asarray(array.filled("" if array.dtype.kind in "US" else np.nan))
    columns = {one: _filled(array[one], name, one) for one in array.dtype.names}
    plain = np.empty(array.shape, [(one, values.dtype, values.shape[1:]) for one, values in columns.items()])
    for one, values in columns.items():
        plain[one] = values
    return plain
