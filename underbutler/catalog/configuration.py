"""How the objects of a stream were configured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol, Self, TypeVar

from underbutler.errors import UnknownNameError

__all__ = ["Configuration", "ConfiguredStream"]


class ConfiguredStream(Protocol):
    """A stream whose objects have configurations."""

    @property
    def descriptors(self) -> Sequence[Mapping[str, Any]]:
        """Its descriptors."""

    def configure_new(self, **kwargs: Any) -> Self:
        """Return another that differs in some parameters."""


StreamT = TypeVar("StreamT", bound=ConfiguredStream)


class Configuration(Mapping[str, StreamT]):
    """The configuration of a stream's objects, also as attributes.

    Parameters
    ----------
    stream
        The stream.
    sub_dict
        ``data`` or ``timestamps``.
    """

    def __init__(self, stream: StreamT, sub_dict: str) -> None:
        self._stream, self._sub_dict = stream, sub_dict

    def __getitem__(self, device: str) -> StreamT:
        names = list(self)
        if device not in names:
            raise UnknownNameError.of("configured object", device, names)
        return self._stream.configure_new(sub_dict=self._sub_dict, configuration_for=device, include=None, exclude=None)

    def __getattr__(self, device: str) -> StreamT:
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
