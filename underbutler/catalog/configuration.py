"""How the objects of a stream were configured. May import errors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from underbutler.errors import UnknownNameError

if TYPE_CHECKING:
    from .stream import BlueskyEventStream

__all__ = ["Configuration"]


class Configuration(Mapping[str, "BlueskyEventStream"]):
    """The configuration of a stream's objects, also as attributes.

    Parameters
    ----------
    stream
        The stream.
    sub_dict
        ``data`` or ``timestamps``.
    """

    def __init__(self, stream: BlueskyEventStream, sub_dict: str) -> None:
        self._stream, self._sub_dict = stream, sub_dict

    def __getitem__(self, device: str) -> BlueskyEventStream:
        names = list(self)
        if device not in names:
            raise UnknownNameError.of("configured object", device, names)
        return self._stream.configure_new(sub_dict=self._sub_dict, configuration_for=device, include=None, exclude=None)

    def __getattr__(self, device: str) -> BlueskyEventStream:
        if device.startswith("_"):
            raise AttributeError(device)
        try:
            return self[device]
        except KeyError as error:
            raise AttributeError(str(error)) from error

    def __iter__(self) -> Iterator[str]:
        names: dict[str, None] = {}
        for descriptor in self._stream.descriptors:
            names.update(dict.fromkeys(descriptor.get("configuration", {})))
        return iter(names)

    def __len__(self) -> int:
        return len(list(iter(self)))

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self]

    def __repr__(self) -> str:
        return f"<Configuration of {', '.join(self) or 'nothing'} in {self._stream!r}>"
