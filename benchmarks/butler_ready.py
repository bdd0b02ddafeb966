"""A butler that is ready for a target: from the process's LabeledButlerFactory, against a fresh ``Butler(...)``.

Both are made and closed, on a registry in SQLite and on one in PostgreSQL. A target's butler is writeable and has a RUN
and collections; "and one get" also reads a small dataset, because what is made lazily is paid there. The target is for
the first of these.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from _place import own_folder, settings_in, started
from _rounds import Row, Series, interleaved, parse, print_machine, print_table, timed, verdict

if TYPE_CHECKING:
    from underbutler.butlers import Repositories

TARGET = 8.0
RUN = "u/bench/ready"
NAME = "benchNote"


def main() -> None:
    """Measure and print."""
    from underbutler.butlers import Repositories

    quick = parse(__doc__).quick
    rounds, budget_s, warm_up = (1, 10.0, 0) if quick else (60, 40.0, 2)
    print_machine("before")
    with own_folder() as folder, ExitStack() as running:
        settings = settings_in(folder)
        registries: dict[str, str | None] = {"SQLite": None}
        postgres = started(running, "PostgreSQL", "services", "postgres_server")
        if postgres is not None:
            registries["PostgreSQL"] = str(postgres)
        repositories = running.enter_context(Repositories(settings))
        variants: dict[str, Callable[[], float]] = {}
        for registry, url in registries.items():
            uri = make_repository(folder / registry, registry, repositories, url)
            variants |= {f"{registry}: {name}": timed(action) for name, action in actions(repositories, registry, uri)}
        measured = interleaved(variants, rounds=rounds, budget_s=budget_s, warm_up=warm_up)
    series = {name: Series(tuple(values)) for name, values in measured.items()}
    rows = {name: Row(one, series.get(base_of(name) or "")) for name, one in series.items()}
    print_table("Butler ready and closed", rows, note="ratio: to the fresh one of the same kind")
    for registry in registries:
        base, own = series[f"{registry}: fresh Butler"], series[f"{registry}: factory"]
        ratio = base.median / own.median
        verdict(f"≥ {TARGET:g}× less time on {registry}", f"{ratio:.1f}×", met=ratio >= TARGET, quick=quick)
    print_machine("after")


def base_of(name: str) -> str | None:
    """Return the variant that another is compared with, if any."""
    base = name.replace("factory", "fresh Butler").removesuffix(", once more")
    return None if base == name else base


def actions(repositories: Repositories, label: str, uri: str) -> list[tuple[str, Callable[[], object]]]:
    """Return what is measured on one repository."""
    from lsst.daf.butler import Butler

    def fresh() -> None:
        Butler.from_config(uri, writeable=True, run=RUN, collections=[RUN]).close()

    def fresh_and_get() -> None:
        with closing(Butler.from_config(uri, writeable=True, run=RUN, collections=[RUN])) as butler:
            butler.get(NAME, instrument="SIMCAM")

    def fresh_bare() -> None:
        Butler.from_config(uri).close()

    def factory() -> None:
        with repositories.butler(label, writeable=True, run=RUN, collections=[RUN]):
            pass

    def factory_and_get() -> None:
        with repositories.butler(label, writeable=True, run=RUN, collections=[RUN]) as butler:
            butler.get(NAME, instrument="SIMCAM")

    def factory_bare() -> None:
        with repositories.butler(label):
            pass

    return [
        ("fresh Butler", fresh),
        ("fresh Butler, once more", fresh),  # what the machine alone makes of a ratio
        ("factory", factory),
        ("fresh Butler and one get", fresh_and_get),
        ("factory and one get", factory_and_get),
        ("fresh Butler, reads only, bare", fresh_bare),
        ("factory, reads only, bare", factory_bare),
    ]


def make_repository(root: Path, label: str, repositories: Repositories, registry_url: str | None) -> str:
    """Make a repository with one small dataset and return its URI."""
    from underbutler.butlers import create_repository

    uri = create_repository(root, label, repositories.settings, registry_url=registry_url)
    with repositories.butler(label, writeable=True, run=RUN) as butler:
        butler.registry.registerDatasetType(note_type(butler))
        butler.registry.registerRun(RUN)
        butler.put({"words": "small"}, NAME, instrument="SIMCAM")
    return uri


def note_type(butler: Any) -> Any:
    """Return the type of the small dataset."""
    from lsst.daf.butler import DatasetType

    return DatasetType(NAME, ("instrument",), "StructuredDataDict", universe=butler.dimensions)


if __name__ == "__main__":
    main()
