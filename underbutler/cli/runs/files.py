"""``underbutler runs import`` and ``export``: runs in files, as Bluesky's suitcases write them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from underbutler.cli.session import answer_json
from underbutler.errors import TransientError, UnderbutlerError, UsageError
from underbutler.model.identity import short_id
from underbutler.terminal import stderr_console, stdout_console, steps
from underbutler.wording import counted

from .catalog import (
    RunCommand,
    answer_form,
    catalog_option,
    chosen_catalog,
    open_catalog,
    run_named,
    writable_url,
)

if TYPE_CHECKING:
    from underbutler.catalog import Broker

__all__ = ["export_runs", "import_runs"]

_Documents = Iterable[tuple[str, Mapping[str, Any]]]


@dataclass(frozen=True)
class Imported:
    """What became of one run that should be brought in."""

    path: str
    uid: str | None
    state: Literal["imported", "known", "refused"]
    reason: str = ""


@click.command("import", short_help="Import runs from files, or from another catalogue.")
@click.argument("paths", nargs=-1, required=True, metavar="PATH…")
@catalog_option
@answer_form
@click.pass_context
def import_runs(ctx: click.Context, paths: tuple[str, ...], catalog: str | None, form: str) -> int:
    """Bring runs from files, or of another catalogue, into the database: each of them whole, or not at all.

    A PATH is a .jsonl or .msgpack file as suitcase writes it, a folder of such files, or the URL of a catalogue. A run
    that is there already is compared and left as it is. What is refused is said, and the rest is brought in; the exit
    code is then 2. External files stay where they are.

    \b
    Examples:
      underbutler runs import /data/beamline/2026
      underbutler runs import night.jsonl --catalog runs.db      the file runs.db is made
      underbutler runs import https://other.site/runs
    """
    from underbutler.catalog import Broker, CatalogStore

    sources = list(_sources(paths))
    url = writable_url(chosen_catalog(ctx, catalog))
    store, broker = CatalogStore.open(url), Broker(url)
    done: list[Imported] = []
    with steps("importing", len(sources)) as step:
        for path, documents in sources:
            done.append(_import(store, broker, path, documents))
            step()
    if form == "json":
        answer_json([asdict(one) for one in done])
    _sum_up(done, broker.place)
    return 2 if any(one.state == "refused" for one in done) else 0


def _import(store: Any, broker: Broker, path: str, documents: _Documents) -> Imported:
    uid: str | None = None
    try:
        stream = iter(documents)
        first = next(stream, None)
        uid = None if first is None else first[1].get("uid")
        known = uid is not None and _is_whole(broker, uid)
        store.import_run(_chained(first, stream))
    except TransientError:
        raise
    except (UnderbutlerError, OSError) as error:
        return Imported(path, uid, "refused", str(error))
    return Imported(path, uid, "known" if known else "imported")


def _is_whole(broker: Broker, uid: str) -> bool:
    """Tell whether a run is there, and has ended: nothing can be added to it."""
    header = next(iter(broker.search({"uid": uid}).headers(limit=1)), None)
    return header is not None and header.stop is not None


def _chained(first: Any, rest: Iterator[Any]) -> Iterator[Any]:
    if first is not None:
        yield first
    yield from rest


def _sum_up(done: Sequence[Imported], place: str) -> None:
    say = stderr_console().print
    for one in done:
        if one.state == "refused":
            told = one.reason if one.path in one.reason else f"{one.path}: {one.reason}"
            say(f"refused  {told}", style="red", markup=False, highlight=False, soft_wrap=True)
    counts = {state: sum(one.state == state for one in done) for state in ("imported", "known", "refused")}
    words = [f"{counted(counts['imported'], 'run')} imported into {place}"]
    words += [f"{counts['known']} there already"] if counts["known"] else []
    words += [f"{counts['refused']} refused"] if counts["refused"] else []
    say(", ".join(words) + ".", highlight=False, soft_wrap=True)


def _sources(paths: Iterable[str]) -> Iterator[tuple[str, _Documents]]:
    """Yield the documents of each run that the paths name, to be read later; a path that names nothing is refused."""
    from underbutler.catalog import read_documents
    from underbutler.catalog.files.file_forms import FORMS
    from underbutler.catalog.files.folders import RunFolders

    for given in paths:
        if "://" in given:
            for uid, run in open_catalog(given).items():
                yield f"{given} {uid}", run.documents(fill="no")
            continue
        path = Path(given).expanduser()
        if not path.exists():
            raise UsageError(f"There is no file or folder {given}.", path=given)
        files = sorted(RunFolders([str(path.absolute())]).files()) if path.is_dir() else [str(path)]
        if not files:
            forms = " or ".join(form.suffix for form in FORMS.values())
            raise UsageError(f"There are no {forms} files in {given}, nor in the folders in it.", path=given)
        for file in files:
            yield file, _documents_of(read_documents, file)


def _documents_of(read: Any, file: str) -> _Documents:
    """Open a file only when its turn has come: there may be more than a process may have open."""
    yield from read(file)


@click.command("export", cls=RunCommand, short_help="Export runs to files that Bluesky's tools read.")
@click.argument("uids", nargs=-1, required=True, metavar="UID…")
@click.option(
    "--format",
    "form",
    type=click.Choice(["jsonl", "msgpack"]),
    default="jsonl",
    show_default=True,
    help="Format of the files.",
)
@click.option(
    "-o",
    "--output",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Folder; it is made.",
)
@click.option("--fill", is_flag=True, help="Write external arrays into the files, for a reader without our handlers.")
@catalog_option
@click.pass_context
def export_runs(
    ctx: click.Context,
    uids: tuple[str, ...],
    form: Literal["jsonl", "msgpack"],
    folder: Path,
    fill: bool,
    catalog: str | None,
) -> None:
    """Write runs to files `{uid}.jsonl` or `{uid}.msgpack`, which databroker and other tools of Bluesky read.

    UID is a uid, its first or last characters, a scan id, or -1, -2 … for the newest runs. A file appears when it is
    whole; one that is there is not replaced. The paths of the files go to stdout.

    \b
    Examples:
      underbutler runs export 1a2b3c4d -o runs/
      underbutler runs export -1 -2 --format msgpack -o runs/
      underbutler runs --since 1d --json | jq -r '.[].uid' | xargs underbutler runs export -o runs/
    """
    from underbutler.catalog import export_run

    source = open_catalog(chosen_catalog(ctx, catalog))
    found = {run.uid: run for run in (run_named(source, uid) for uid in uids)}
    still_open = [short_id(uid) for uid, run in found.items() if run.stop is None]
    for uid in found:
        _refuse_existing(folder / f"{uid}.{form}")
    written: list[Path] = []
    try:
        with steps("exporting", len(found)) as step:
            for run in found.values():
                written.append(export_run(run.documents(fill="yes" if fill else "no"), folder, form))
                step()
    finally:
        for path in written:
            stdout_console().print(str(path), highlight=False, markup=False, soft_wrap=True)
    if still_open:
        stderr_console().print(f"Still open, and written as far as they are: {', '.join(still_open)}.", highlight=False)


def _refuse_existing(path: Path) -> None:
    from underbutler.errors import ConflictError

    if path.exists():
        raise ConflictError(f"There is a file {path} already. Remove it, or export to another folder.", path=str(path))
