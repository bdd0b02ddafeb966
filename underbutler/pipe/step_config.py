"""The config of a step: defaults, the task's own overrides, then those of the request, each with its fault if it fails.

A Python file is executed only for who runs a task on his own machine; no request holds one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from underbutler.errors import UsageError

from .config.job_config import config_digest, config_json
from .config.overrides import apply_text, apply_value, validated
from .job_command import Origin

if TYPE_CHECKING:
    from .faults import Faults
    from .job_command import LocalOptions
    from .request import Override

__all__ = ["StepConfig", "configure"]


@dataclass(frozen=True, slots=True)
class StepConfig:
    """The effective config of a step.

    Parameters
    ----------
    config
        Validated and frozen.
    document, digest
        It as JSON, and the digest of that.
    overrides
        What was applied, in its one spelling, ``[path, value]``; ``[path, value, instrument]`` of an instrument's map.
    """

    config: Any
    document: dict[str, Any]
    digest: str
    overrides: tuple[list[Any], ...]


def configure(
    config: Any,
    own: Callable[[Any], None] | None,
    overrides: Sequence[Override],
    local: LocalOptions,
    faults: Faults,
    where: str,
    defaults: Sequence[Override] = (),
) -> StepConfig | None:
    """Apply all overrides to a config, validate and freeze it.

    Parameters
    ----------
    config
        The task's defaults; it is changed.
    own
        Called first with the config: the task's ``applyOverrides``.
    overrides
        Those of the request.
    local
        Where each was written, and Python files between them.
    faults
        Is told of each override that fails, and of a config that is not valid.
    where
        Name of the field that holds the overrides.
    defaults
        What the map of the instrument says, applied before `overrides`.

    Returns
    -------
    configured
        None if there was a fault.
    """
    before = len(faults.found)
    with faults.of(where):
        if own is not None:
            own(config)
    applied: list[list[Any]] = []
    for default in defaults:
        with faults.of(where), _of_instrument(default.origin):
            applied += _applied(config, default, Origin(f"[defaults] of {default.origin}"))
    for index, override in enumerate(overrides):
        with faults.of(where):
            _run_scripts(config, local, index)
        origin = local.origins[index] if index < len(local.origins) else Origin("config")
        with faults.of(f"{where}[{index}]"), _named(origin):
            applied += _applied(config, override, origin)
    with faults.of(where):
        _run_scripts(config, local, len(overrides))
    if len(faults.found) > before:
        return None
    with faults.of(where):
        validated(config)
        document = config_json(config)
        return StepConfig(config, document, config_digest(document), tuple(applied))
    return None


def _applied(config: Any, override: Override, origin: Origin) -> list[list[Any]]:
    if override.is_text:
        done = [apply_text(config, override.path, str(override.value), origin.words)]
    else:
        done = apply_value(config, override.path, override.value, origin.words)
    return [[*pair, override.origin] for pair in done] if override.origin else done


@contextmanager
def _of_instrument(name: str) -> Iterator[None]:
    """Name the instrument in errors of what stands in its map."""
    try:
        yield
    except UsageError as error:
        raise UsageError(f"In [defaults] of the map of {name}: {error}", **error.fields) from error


@contextmanager
def _named(origin: Origin) -> Iterator[None]:
    """Name the file in errors of what stands in one."""
    try:
        yield
    except UsageError as error:
        if origin.file is None:
            raise
        raise UsageError(f"In {origin.file}: {error}", **error.fields) from error


def _run_scripts(config: Any, local: LocalOptions, index: int) -> None:
    for at, path in local.scripts:
        if at == index:
            _run_python(config, path)


def _run_python(config: Any, path: Path) -> None:
    try:
        config.load(str(path))
    except Exception as error:
        raise UsageError(
            f"The config file {path} does not run: {type(error).__name__}: {error}", path=str(path)
        ) from error
