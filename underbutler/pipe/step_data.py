"""The data of a step: id arguments filled from their expressions, or a target list that the request holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from underbutler.butlers.bound import bind
from underbutler.butlers.data_ids import Range, cast_data_id, find_data_ids
from underbutler.errors import MessageError, UnknownNameError, UsageError
from underbutler.model.dataref import DataRef, human_data_id
from underbutler.model.message import decode_element, decode_value, has_kwargs

from .binding import moved_element, references
from .ids.id_values import parse_words

if TYPE_CHECKING:
    from .datasets import DatasetSpec
    from .faults import Faults
    from .ids.id_argument import IdArgument, TaskParser
    from .job_command import JobCommand
    from .request import JobRequest, RequestStep, RequestTarget

__all__ = ["Given", "fill_containers", "require_data", "target_list", "words_of_ids"]

Given = dict[str, list[dict[str, tuple[str | Range, ...]]]]
"""By name of an id argument: what each of its expressions says."""


def words_of_ids(parser: TaskParser, step: RequestStep, faults: Faults, where: str) -> Given:
    """Return what the id arguments of a step say, by name; an argument that says nothing is there too."""
    given: Given = {name: [] for name in parser.id_arguments}
    for name, expressions in step.ids.items():
        field = f"{where}.ids.{name}"
        if name not in parser.id_arguments:
            faults.add(field, UnknownNameError.of(f"id argument of {parser.name}", name, parser.id_arguments))
            continue
        for index, words in enumerate(expressions):
            with faults.of(f"{field}[{index}]"):
                given[name].append(parse_words(words, parser.id_arguments[name].option))
    return given


def require_data(parser: TaskParser, request: JobRequest, given: Given, faults: Faults, where: str) -> None:
    """Note each id argument that has to name data and does not."""
    step = request.steps[0]
    for name, argument in parser.id_arguments.items():
        if argument.required and not given[name] and not step.ids.get(name) and not step.where:
            error = UsageError(
                f"No data is named: give {argument.option} KEY=VALUE …, or -d QUERY. Example: {parser.prog} "
                f"{request.repo} {argument.option} instrument=NAME detector=0^1.",
                option=argument.option,
            )
            faults.add(f"{where}.ids.{name}", error)


def fill_containers(
    command: JobCommand,
    arguments: Mapping[str, IdArgument],
    declared: Mapping[str, DatasetSpec],
    faults: Faults,
    where: str,
) -> None:
    """Fill the id containers: first data IDs, then references.

    Parameters
    ----------
    command
        The command, with its containers and its butler.
    arguments
        The id arguments by name.
    declared
        The task's outputs.
    faults
        Is told of what does not exist or does not cast.
    where
        Name of the step's field.
    """
    parsed, query = command.parsed_cmd, command.step.where
    queried = _queried(command, arguments, declared) if query else set()
    for name, container in command.containers.items():
        selects = query if name in queried else ""
        with faults.of(f"{where}.ids.{name}" if container.given else f"{where}.where"):
            if not arguments[name].with_references:
                container.named(command.butler, may_be_many=command.request.allow_many)
            elif container.given or selects:
                container.search(parsed, declared, selects, command.log)
                container.makeDataRefList(parsed)
            else:
                with suppress(UnknownNameError):  # a dataset type that nobody asks for need not exist
                    container.setDimensions(command.butler, declared)


def target_list(
    command: JobCommand, arguments: Mapping[str, IdArgument], declared: Mapping[str, DatasetSpec], faults: Faults
) -> tuple[Any, ...]:
    """Return the targets that the request names, and fill the id containers with their references."""
    step, where = command.step, "steps[0].targets"
    for name, container in command.containers.items():
        if arguments[name].with_references:
            with suppress(UnknownNameError):  # no reference of a dataset type that is not registered can be here
                container.setDimensions(command.butler, declared)
    elements: list[Any] = []
    for index, target in enumerate(step.targets or ()):
        with faults.of(f"{where}[{index}]"):
            if target.args is not None:
                element = _edited(decode_element(list(target.args)), target, index, step.task)
                elements.append(moved_element(element, step.targets_run, command.run) if step.targets_run else element)
            else:
                elements.append((_reference(command, arguments, target), decode_value(dict(target.kwargs or {}))))
    _check_exist(command, elements, declared, faults)
    refs = list(references(elements))
    for name, container in command.containers.items():
        if container.dimensions is not None and arguments[name].with_references:
            _hold(command, container, [ref for ref in refs if ref.dataset_type == container.datasetType])
    return tuple(elements)


def _queried(command: JobCommand, arguments: Mapping[str, IdArgument], declared: Mapping[str, DatasetSpec]) -> set[str]:
    """Return the id arguments that ``where`` selects: inputs; or outputs, if there is no input."""
    searched = {name: one for name, one in command.containers.items() if arguments[name].with_references}
    inputs = {name for name, container in searched.items() if container.datasetType not in declared}
    return inputs or set(searched)


def _edited(element: Any, target: RequestTarget, index: int, task: str) -> Any:
    """Return a recorded element, with other keyword arguments if the request says so."""
    if target.kwargs is None:
        return element
    if not has_kwargs(element):
        raise UsageError(
            f"Target {index} of {task} is one element of its runner's own kind and has no keyword arguments to edit. "
            "Replay it as it is, or submit anew.",
            index=index,
        )
    try:
        return element[0], decode_value(dict(target.kwargs))
    except MessageError as error:
        raise UsageError(f"The edited keyword arguments do not decode: {error}") from error


def _reference(command: JobCommand, arguments: Mapping[str, IdArgument], target: RequestTarget) -> DataRef:
    """Return the reference of a target that is named by its data ID: of the task's first id argument."""
    name = next((name for name, argument in arguments.items() if argument.with_references), None)
    container = None if name is None else command.containers[name]
    if container is None or container.dimensions is None:
        raise UsageError(f"{command.step.task} takes no data IDs: name its targets by args.")
    universe = command.butler.dimensions
    data_id = cast_data_id(universe, target.data_id or {})
    wrong = sorted(set(container.dimensions) ^ set(data_id))
    if wrong:
        raise UsageError(
            f"The data ID {human_data_id(data_id)} of a target should have exactly the dimensions "
            f"{', '.join(container.dimensions)}.",
            dimensions=wrong,
        )
    return DataRef(
        command.repo,
        data_id,
        collections=command.collections,
        run=command.run,
        dataset_type=container.datasetType,
        out=command.out,
        universe=(universe.namespace, universe.version),
    )


def _check_exist(
    command: JobCommand, elements: Sequence[Any], declared: Mapping[str, DatasetSpec], faults: Faults
) -> None:
    """Note the targets that are named by a data ID for which nothing exists; one query asks for all of them."""
    named = {
        index: element[0]
        for index, (element, target) in enumerate(zip(elements, command.step.targets or (), strict=False))
        if target.data_id is not None
    }
    if not named or faults:
        return
    first = next(iter(named.values()))
    given = {key: list(dict.fromkeys(ref.data_id[key] for ref in named.values())) for key in first.data_id}
    searched = None if first.dataset_type in declared else first.dataset_type
    found = find_data_ids(command.butler, list(given), given, dataset_type=searched, collections=command.collections)
    existing = {tuple(sorted(data_id.items())) for data_id in found}
    for index, ref in named.items():
        if tuple(sorted(ref.data_id.items())) not in existing:
            text = f"No {first.dataset_type} in {', '.join(command.collections)} of {command.repo!r} for {ref}."
            faults.add(f"steps[0].targets[{index}].data_id", UsageError(text))


def _hold(command: JobCommand, container: Any, refs: Sequence[DataRef]) -> None:
    for ref in refs:
        first = container.refList[0] if container.refList else None
        container.refList.append(bind(ref, command.butler) if first is None else first.beside(ref))
        container.idList.append(ref.dataId)
