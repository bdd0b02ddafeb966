"""Dataset types of an id argument that are known when the command is parsed: from an option, or from the config."""

from __future__ import annotations

import abc
import argparse
from typing import Any

from underbutler.errors import UsageError

__all__ = ["ConfigDatasetType", "DatasetArgument", "DynamicDatasetType"]


class DynamicDatasetType(abc.ABC):
    """A dataset type that is looked up in the parsed command."""

    def addArgument(self, parser: argparse.ArgumentParser, idName: str) -> None:  # noqa: B027 - a hook
        """Add an option to the parser if one is needed; none here."""

    @abc.abstractmethod
    def getDatasetType(self, namespace: argparse.Namespace) -> str:
        """Return the dataset type's name."""


class DatasetArgument(DynamicDatasetType):
    """A dataset type that an option names.

    Parameters
    ----------
    name
        Name of the option; default ``--{id}_dstype``.
    help
        Its help text.
    default
        The dataset type if the option is not given; None makes it required.
    """

    def __init__(
        self,
        name: str | None = None,
        help: str = "dataset type to process",  # noqa: A002 - Gen2's spelling
        default: str | None = None,
    ) -> None:
        self.name = name
        self.help = help
        self.default = default

    def addArgument(self, parser: argparse.ArgumentParser, idName: str) -> None:
        """Add the option."""
        self.name = self.name or f"--{idName}_dstype"
        parser.add_argument(self.name, default=self.default, help=self.help, required=self.default is None)

    def getDatasetType(self, namespace: argparse.Namespace) -> str:
        """Return what the option names."""
        assert self.name is not None, "addArgument comes first"
        return str(getattr(namespace, self.name.lstrip("-").replace("-", "_")))


class ConfigDatasetType(DynamicDatasetType):
    """A dataset type that a config field names.

    Parameters
    ----------
    name
        Path of the config field.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def getDatasetType(self, namespace: argparse.Namespace) -> str:
        """Return the field's value.

        Raises
        ------
        UsageError
            If the field does not exist or is empty.
        """
        value: Any = namespace.config
        for step in self.name.split("."):
            value = getattr(value, step, None)
        if not isinstance(value, str) or not value:
            raise UsageError(f"The config field {self.name!r} should name a dataset type; it is {value!r}.")
        return value
