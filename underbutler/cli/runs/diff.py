"""``underbutler runs diff``: what differs between two runs, with how much and in which direction."""

from __future__ import annotations

import json
import math
import uuid
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

import click
from rich.table import Table
from rich.text import Text

from underbutler.errors import UnderbutlerError, UsageError
from underbutler.model.identity import short_id
from underbutler.terminal import stderr_console, stdout_console, steps
from underbutler.wording import counted

from .catalog import RunCommand, answer_form, catalog_option, chosen_catalog, open_catalog, run_named

if TYPE_CHECKING:
    from rich.console import Console

    from underbutler.catalog import BlueskyRun

    from .comparison import NumberChange, RunComparison
    from .pixels import ImageComparison

__all__ = ["diff_runs"]

_SHOWN: Final = 20
"""Targets that ended otherwise, of which the table shows so many."""


def _data_id(ctx: click.Context, param: click.Parameter, words: tuple[str, ...]) -> dict[str, str]:
    for word in words:
        if "=" not in word or not word.partition("=")[0]:
            raise click.BadParameter(f"{word!r} should be KEY=VALUE, e.g. exposure=2026112000007.", ctx, param)
    return {key: value.strip("'\"") for key, _, value in (word.partition("=") for word in words)}


@click.command("diff", cls=RunCommand, short_help="Compare two runs: configuration, versions, targets, numbers.")
@click.argument("a")
@click.argument("b")
@click.option("--target", "chosen", multiple=True, callback=_data_id, metavar="KEY=VALUE", help="Only these targets.")
@click.option("--pixels", is_flag=True, help="Compare their images too, pixel by pixel, out of the Butler.")
@click.option("--type", "dataset_type", metavar="NAME", help="With --pixels: only this dataset type.")
@catalog_option
@answer_form
@click.pass_context
def diff_runs(
    ctx: click.Context,
    a: str,
    b: str,
    chosen: dict[str, str],
    pixels: bool,
    dataset_type: str | None,
    catalog: str | None,
    form: str,
) -> None:
    """Compare run B with run A: what is configured, installed, done and measured otherwise.

    A and B are uids, their first or last characters, scan ids, or -1, -2 … for the newest runs. Numbers are those of
    targets that are done in both, B minus A: how many are higher and lower, the median change, the largest and where.
    --pixels reads the images of both RUN collections, whose repositories have to be known here.

    \b
    Examples:
      underbutler runs diff -2 -1
      underbutler runs diff 1a2b3c4d 5e6f7a8b --target detector=0
      underbutler runs diff -2 -1 --pixels --type calexp --target exposure=2026112000007
      underbutler runs diff -2 -1 --json | jq '.numbers[] | select(.name == "fwhm")'
    """
    from .comparison import compare_runs

    place = chosen_catalog(ctx, catalog)
    opened = open_catalog(place)
    first, second = run_named(opened, a), run_named(opened, b)
    if dataset_type is not None and not pixels:
        raise UsageError("--type names the images that --pixels compares. Give both.")
    found = compare_runs(first, second, chosen=chosen, config_of=_recorded_config if place is None else _unknown)
    images = _images(first, second, dataset_type, chosen) if pixels else []
    if form == "json":
        document = found.to_json() | ({"images": [asdict(one) for one in images]} if pixels else {})
        click.echo(json.dumps(_without_nan(document), indent=2, default=str))
        return
    console = stdout_console()
    _show(console, found, first, second)
    if pixels:
        _show_images(console, images)


def _recorded_config(uid: str) -> Mapping[str, Any] | None:
    """Return the effective configuration of a job of this installation."""
    from underbutler.cli.session import open_records

    try:
        with open_records() as context:
            row = context.jobs.read.job(str(uuid.UUID(uid)))
    except (ValueError, UnderbutlerError):  # another tool's run, or an archived one
        return None
    options = {f"--{name}": value for step in row.steps for name, value in step.options.items()}
    if len(row.steps) == 1:
        return {**dict(row.steps[0].config), **options}
    return {step.label: step.config for step in row.steps} | options


def _unknown(uid: str) -> None:  # noqa: ARG001 - the same signature
    return None


def _images(
    first: BlueskyRun, second: BlueskyRun, dataset_type: str | None, chosen: Mapping[str, str]
) -> list[ImageComparison]:
    from underbutler.butlers import Repositories
    from underbutler.settings import load_settings

    from .pixels import compared_products

    with Repositories(load_settings()) as repositories, ExitStack() as stack, steps("comparing", None) as step:
        sides = []
        for run in (first, second):
            label, name = run.start.get("out") or run.start.get("label"), run.start.get("run")
            if not label or not name:
                raise UsageError(f"Run {short_id(run.uid)} names no RUN collection: leave --pixels out.")
            sides.append((stack.enter_context(repositories.butler(str(label), collections=[str(name)])), str(name)))
        found = []
        for one in compared_products(sides[0], sides[1], dataset_type, chosen):
            found.append(one)
            step()
    if not found:
        stderr_console().print("There are no images that both runs have.", highlight=False)
    return found


def _show(console: Console, found: RunComparison, first: BlueskyRun, second: BlueskyRun) -> None:
    for name, run in (("A", first), ("B", second)):
        console.print(f"{name}  {short_id(run.uid)}  {run.start.get('task') or run.start.get('plan_name') or ''}  "
                      f"{run.start.get('run') or ''}", highlight=False, markup=False, soft_wrap=True)  # fmt: skip
    if found.is_same:
        console.print(f"\nThey do not differ, in {counted(found.in_both, 'target')}.")
        return
    whole = (
        "configuration" if found.configuration_is_whole else "overrides (the whole configuration is not recorded here)"
    )
    for title, changes in (("run", found.facts), (whole, found.configuration), ("versions", found.versions)):
        _section(console, title, ("", "A", "B"), [(one.name, _word(one.a), _word(one.b)) for one in changes])
    ended = [(one.target, one.a or "absent", one.b or "absent") for one in found.targets]
    _section(console, f"targets: {found.in_both} done in both, {len(ended)} otherwise", ("", "A", "B"), ended[:_SHOWN])
    if len(ended) > _SHOWN:
        console.print(f"… and {len(ended) - _SHOWN} more: --json has all.")
    moved = [one for one in found.numbers if one.higher or one.lower or one.only_one]
    same = [one.name for one in found.numbers if one not in moved]
    headings = ("", "unit", "targets", "A", "B", "B-A", "%", "higher", "lower", "largest", "at")
    _section(console, "numbers: medians", headings, [_row(one) for one in moved])
    if same:
        console.print(f"the same: {', '.join(same)}", highlight=False, soft_wrap=True)


def _row(one: NumberChange) -> tuple[str, ...]:
    percent = "" if one.median_relative is None else f"{100 * one.median_relative:+.2f}"
    numbers = [_number(value) for value in (one.median_a, one.median_b)]
    return (
        one.name, one.units, str(one.targets), *numbers, _signed(one.median_change), percent, str(one.higher),
        str(one.lower), _signed(one.largest_change), one.largest_at,
    )  # fmt: skip


def _show_images(console: Console, images: Sequence[ImageComparison]) -> None:
    headings = ("", "target", "differing", "%", "max", "rms", "mean B-A", "unit", "mask: in A alone, in B alone")
    rows = []
    for one in images:
        if one.remark:
            rows.append((one.dataset_type, one.target, *[""] * 6, one.remark))
            continue
        mask = ", ".join(f"{name} {only_a} {only_b}" for name, (only_a, only_b) in one.mask.items())
        share = f"{100 * one.fraction:.3f}"
        numbers = (_number(one.largest), _number(one.rms), _signed(one.mean))
        rows.append((one.dataset_type, one.target, str(one.differing), share, *numbers, one.unit, mask))
    _section(console, "images", headings, rows)


def _section(console: Console, title: str, headings: Sequence[str], rows: Sequence[tuple[str, ...]]) -> None:
    if not rows:
        return
    table = Table(box=None, header_style="bold", pad_edge=False, title=title, title_justify="left")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    console.print()
    console.print(table)


def _word(value: Any) -> str:
    return "absent" if value is None else value if isinstance(value, str) else json.dumps(value, default=str)


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.6g}"


def _signed(value: float) -> str:
    return "" if math.isnan(value) else f"{value:+.4g}"


def _without_nan(value: Any) -> Any:
    """Return a document without what JSON does not have."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {key: _without_nan(item) for key, item in value.items()}
    return [_without_nan(item) for item in value] if isinstance(value, list | tuple) else value
