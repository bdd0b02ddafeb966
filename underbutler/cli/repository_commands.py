"""``underbutler repo`` and ``underbutler ingest``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from underbutler.errors import UsageError
from underbutler.settings import load_settings
from underbutler.terminal import stderr_console, steps

from .main import json_option
from .session import answer_json

__all__ = ["ingest", "repo"]

MAP_TYPE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def repo() -> None:
    """Create and list Butler repositories."""


@repo.command()
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--label", required=True, help="Name under which everybody knows the repository.")
@click.option(
    "--instrument-map",
    "maps",
    multiple=True,
    type=MAP_TYPE,
    help="TOML header map of an instrument to register; may be given several times. Default: those that ship.",
)
@click.option("--no-bucket", is_flag=True, help="Do not make the instruments' buckets in the annex.")
def create(directory: Path, label: str, maps: tuple[Path, ...], no_bucket: bool) -> None:
    """Create a repository in DIRECTORY (SQLite registry, files beside it) and enter its label into the index.

    Instruments are registered from header maps, and their buckets are made in the annex.

    \b
    Examples:
      underbutler repo create ./repo --label demo
      underbutler repo create ./repo --label kast --instrument-map kast.toml
    """
    from underbutler.butlers import create_repository, load_instrument_map, shipped_maps

    settings = load_settings()
    settings.home.mkdir(parents=True, exist_ok=True)
    instrument_maps = [load_instrument_map(path) for path in maps] or shipped_maps()
    create_repository(directory, label, settings, instrument_maps)
    instruments = [instrument.name for instrument in instrument_maps]
    say = stderr_console().print
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
        stderr_console().print(f"The index {settings.index_uri} has no label. Make one: `underbutler repo create`.")


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
    stderr_console().print("Added." if changed else "Nothing to add: it has them already.")


@click.command(short_help="Ingest raw frames into a repository.", context_settings={"ignore_unknown_options": True})
@click.argument("label")
@click.argument("files", nargs=-1, type=click.UNPROCESSED)
@click.option(
    "--instrument-map",
    "map_file",
    type=MAP_TYPE,
    help="TOML file that says how the headers are read. Default: the map that matches each header.",
)
@click.option("--replace", is_flag=True, help="Let a file take the place of another one of its exposure and detector.")
@click.option(
    "--watch",
    "folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="Ingest what comes into this folder, and below it, until Ctrl-C.",
)
@click.option("--then", "task", metavar="TASK", help="With --watch: submit each frame to this task, once.")
@click.option(
    "--still",
    "still_s",
    type=click.FloatRange(min=0, min_open=True),
    default=2.0,
    show_default=True,
    metavar="SECONDS",
    help="With --watch: take a file when it has not changed for so long.",
)
@click.option(
    "--poll",
    is_flag=True,
    help="With --watch: look through the folder every 2 s instead of being told of changes. Default on network file "
    "systems.",
)
@json_option()
@click.pass_context
def ingest(
    ctx: click.Context,
    label: str,
    files: tuple[str, ...],
    map_file: Path | None,
    replace: bool,
    folder: Path | None,
    task: str | None,
    still_s: float,
    poll: bool,
    form: str,
) -> None:
    """Ingest raw FILES into the repository LABEL; a file that was ingested before is skipped and reported.

    An exposure is one, whatever file it comes in: .fits, .fits.gz or .fits.fz. A file of a known exposure whose pixels
    or keywords are others is refused, with what differs.

    With --watch no FILES are named: what comes into the folder is taken when it is whole. Options of the task of --then
    follow its name, those that are also options of this command after `--`.

    \b
    Examples:
      underbutler ingest demo night/*.fits
      underbutler ingest demo frame.fits --instrument-map kast.toml
      underbutler ingest demo corrected.fits --replace
      underbutler ingest demo --watch /data/tonight
      underbutler ingest demo --watch /data/tonight --then processCcd -c doDark=true
    """
    if folder is not None:
        if replace:
            raise UsageError("--replace goes with the FILES that are meant, not with --watch.")
        from .hot_folder import watch_folder

        watch_folder(folder, label, then=task, words=files, map_file=map_file, still_s=still_s, poll=poll)
        return
    if task is not None:
        raise UsageError(f"--then {task} needs --watch DIR. For frames that are there: underbutler submit {task}.")
    _refuse_no_files(ctx, files)
    from underbutler.butlers import Repositories, ingest_files, load_instrument_map

    with Repositories(load_settings()) as repositories, steps("ingesting", len(files)) as step:
        report = ingest_files(
            repositories,
            label,
            files,
            instrument_map=None if map_file is None else load_instrument_map(map_file),
            progress=lambda _: step(),
            replace=replace,
        )
    if map_file is not None:
        _make_buckets(sorted({str(one.data_id["instrument"]) for one in report.ingested if one.data_id}))
    if form == "json":
        answer_json([asdict(outcome) for outcome in report.outcomes])
    else:
        say = stderr_console().print
        for one in report.outcomes:
            if one.note or one.status != "ingested":
                say(f"{one.status}: {one.file}: {one.note}", soft_wrap=True, highlight=False, markup=False)
        click.echo(f"{len(report.ingested)} ingested, {len(report.skipped)} skipped, {len(report.failed)} failed")
    if report.failed:
        ctx.exit(2)


def _refuse_no_files(ctx: click.Context, files: tuple[str, ...]) -> None:
    """Refuse what click would, if the words were not passed on to a task."""
    option = next((word for word in files if word.startswith("-") and not Path(word).exists()), None)
    if option is not None:
        raise click.NoSuchOption(option, ctx=ctx)
    if not files:
        raise click.MissingParameter(ctx=ctx, param_hint="FILES...", param_type="argument")


def _make_buckets(instruments: list[str]) -> None:
    """Make the instruments' buckets; an annex that is away is said and no reason to fail: `up` makes them too."""
    from underbutler.annex import bucket_for, ensure_bucket, make_client
    from underbutler.errors import AnnexUnavailableError

    settings = load_settings()
    client = make_client(settings)
    for instrument in instruments:
        try:
            ensure_bucket(client, bucket_for(settings, instrument))
        except AnnexUnavailableError as error:
            stderr_console().print(f"No bucket was made: {error}", style="yellow", highlight=False, soft_wrap=True)
            return
