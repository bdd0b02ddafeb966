"""The notice: one ``largeFileObjectAvailable`` message, in SAL's field names plus ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from underbutler.errors import MessageError

from .naming import parse_s3_url, routing_key

__all__ = ["FORMAT_VERSION", "SAL_SIZE_LIMIT", "LargeFileObjectAvailable"]

FORMAT_VERSION = 1.0
"""Revision of the file formats that our formatters write; a notice's ``version``."""

SAL_SIZE_LIMIT = 2**31 - 1
"""Largest ``byteSize`` that SAL's 32-bit field holds."""

_SAL_FIELDS = ("url", "generator", "version", "byteSize", "checkSum", "mimeType", "id")


@dataclass(frozen=True, slots=True, kw_only=True)
class LargeFileObjectAvailable:
    """A large file is in the annex, whole and verified.

    Parameters
    ----------
    url
        ``s3://bucket/key``.
    generator
        What made it: ``{task}.{dataset_type}``.
    version
        Revision of the file's format.
    byteSize
        Size in bytes, 64 bit.
    checkSum
        SHA-256 of the whole object, hexadecimal.
    mimeType
        Media type.
    id
        Stable per object: consumers de-duplicate on it.
    job, target, dataset
        Identities in the records, and the dataset's UUID in the Butler.
    data_id
        Data ID of the dataset.
    sent_at
        Seconds since 1970 UTC at which this notice was written.
    """

    url: str
    generator: str
    version: float
    byteSize: int
    checkSum: str
    mimeType: str
    id: str
    job: str = ""
    target: str = ""
    dataset: str = ""
    data_id: Mapping[str, int | str] = field(default_factory=dict)
    sent_at: float = 0.0

    @property
    def bucket(self) -> str:
        """The bucket of the object."""
        return parse_s3_url(self.url)[0]

    @property
    def key(self) -> str:
        """The key of the object."""
        return parse_s3_url(self.url)[1]

    @property
    def routing_key(self) -> str:
        """Topic: ``{instrument}.{task}.{dataset_type}``."""
        task, _, dataset_type = self.generator.partition(".")
        return routing_key(str(self.data_id.get("instrument", "none")), task, dataset_type or "none")

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form that is published."""
        return asdict(self) | {"data_id": dict(self.data_id)}

    @classmethod
    def from_json(cls, document: object) -> LargeFileObjectAvailable:
        """Build a notice from its JSON form; fields that are not known are left out.

        Raises
        ------
        MessageError
            If a field of SAL's is missing or of the wrong kind.
        """
        if not isinstance(document, Mapping):
            raise MessageError(f"A notice is a JSON object, not a {type(document).__name__}.")
        known = cls.__dataclass_fields__
        try:
            notice = cls(**{key: value for key, value in document.items() if key in known})
            parse_s3_url(notice.url)
        except (TypeError, ValueError) as error:
            raise MessageError(f"The notice does not decode: {error}") from error
        for name in _SAL_FIELDS:
            expected = (int, float) if name == "version" else int if name == "byteSize" else str
            if not isinstance(getattr(notice, name), expected):
                raise MessageError(f"The notice's {name} is {getattr(notice, name)!r}.", field=name)
        return notice

    def for_sal(self, clip_size: bool = False) -> dict[str, Any]:
        """Return SAL's seven fields only.

        Parameters
        ----------
        clip_size
            Send 0 for a size that SAL's 32-bit ``byteSize`` cannot hold; without it such a notice raises.

        Raises
        ------
        OverflowError
            If the size does not fit and `clip_size` is not set.
        """
        fields = {name: getattr(self, name) for name in _SAL_FIELDS}
        if self.byteSize > SAL_SIZE_LIMIT:
            if not clip_size:
                raise OverflowError(f"byteSize {self.byteSize} does not fit SAL's 32 bits; pass clip_size=True.")
            fields["byteSize"] = 0
        return fields
