"""``underbutler repo`` and ``underbutler ingest``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from underbutler.settings import load_settings

from .main import json_option
from .session import answer_json

if TYPE_CHECKING:
    from underbutler.butlers import InstrumentMap

__all__ = ["ingest", "repo"]

MAP_OPTION: Any = click.option(
    "--instrument-map",
    "maps",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="TOML file that says how an instrument's headers are read; may be given several times.",
)


@click.group()
def repo() -> None:
    """Make and look at Butler repositories."""


@repo.command()
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--label", required=True, help="Name under which everybody knows the repository.")
@MAP_OPTION
@click.option("--no-bucket", is_flag=True, help="Do not make the instruments' buckets in the annex.")
def create(directory: Path, label: str, maps: tuple[Path, ...], no_bucket: bool) -> None:
    """Make a repository in DIRECTORY (SQLite registry, files beside it) and enter its label into the index.

    The instruments that Underbutler knows are registered, and those of every --instrument-map.

    \b
    Examples:
      underbutler repo create ./repo --label demo
      underbutler repo create ./repo --label kast --instrument-map kast.toml
    """
    from underbutler.butlers import create_repository

    settings = load_settings()
    settings.home.mkdir(parents=True, exist_ok=True)
    instruments = create_repository(directory, label, settings, maps=_read_maps(maps))
    say = Console(stderr=True).print
    say(f"Repository {label!r} in {directory}: instruments {', '.join(instruments)}.", soft_wrap=True)
    if not no_bucket:
        _make_buckets(instruments)
    say(f"Next: underbutler ingest {label} FILE...", highlight=False)


@repo.command("list")
@json_option()
def list_repositories(form: str) -> None:
    """List the labels that the index knows.

    \b
    Examples:
      underbutler repo list
    """
    from underbutler.butlers import Repositories

    settings = load_settings()
    repositories = Repositories(settings)
    labels = repositories.labels()
    repositories.close()
    if form == "json":
        answer_json(labels)
    elif labels:
        click.echo("\n".join(labels))
    else:
        Console(stderr=True).print(f"The index {settings.index_uri} has no label. Make one: `underbutler repo create`.")


@repo.command("upgrade-config")
@click.argument("directory", type=click.Path(exists=True, path_type=Path))
def upgrade_config(directory: Path) -> None:
    """Add Underbutler's storage classes and formatters to a repository that exists.

    \b
    Examples:
      underbutler repo upgrade-config ./old-repo
    """
    from underbutler.butlers import upgrade_config as add_to_config

    changed = add_to_config(directory)
    Console(stderr=True).print("Added." if changed else "Nothing to add: it has them already.")


@click.command()
@click.argument("label")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@MAP_OPTION
@json_option()
@click.pass_context
def ingest(ctx: click.Context, label: str, files: tuple[Path, ...], maps: tuple[Path, ...], form: str) -> None:
    """Bring raw FILES into the repository LABEL; a file that is there already is skipped and said.

    \b
    Examples:
      underbutler ingest demo night/*.fits
      underbutler ingest demo frame.fits --instrument-map kast.toml
    """
    from underbutler.butlers import Repositories, ingest_files
    from underbutler.terminal import steps

    repositories = Repositories(load_settings())
    try:
        with steps("ingesting", len(files)) as done:
            report = ingest_files(repositories, label, files, maps=_read_maps(maps), progress=done)
    finally:
        repositories.close()
    if form == "json":
        answer_json(report.to_json())
    else:
        say = Console(stderr=True).print
        for line in report.lines():
            say(line, soft_wrap=True, highlight=False)
        click.echo(f"{len(report.ingested)} ingested, {len(report.skipped)} skipped, {len(report.failed)} failed")
    if report.failed:
        ctx.exit(2)


def _read_maps(paths: tuple[Path, ...]) -> list[InstrumentMap]:
    from underbutler.butlers import InstrumentMap

    return [InstrumentMap.read(path) for path in paths]


def _make_buckets(instruments: list[str]) -> None:
    """Make the instruments' buckets; an annex that is away is said and no reason to fail: `up` makes them too."""
    from underbutler.annex import ensure_bucket, make_client
    from underbutler.errors import AnnexUnavailableError
    from underbutler.model.naming import bucket_of

    settings = load_settings()
    client = make_client(settings)
    for instrument in instruments:
        name = bucket_of(
            instrument,
            s3instance=settings.s3_instance,
            s3category=settings.s3_category,
            layout=settings.annex_layout,
        )
        try:
            ensure_bucket(client, name)
        except AnnexUnavailableError as error:
            Console(stderr=True).print(f"[yellow]No bucket was made:[/yellow] {error}", soft_wrap=True)
            return
