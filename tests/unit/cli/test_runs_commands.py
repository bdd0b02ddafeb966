"""``underbutler runs``: what a person types, what is answered, and what is said of input that is wrong."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib.font_manager  # noqa: F401 - on a new machine it starts `fc-list`: let it be before any test
import numpy as np
import pytest
from PIL import Image

from tests.support.catalog.commands import night_folder, night_place, underbutler_command  # noqa: F401 - fixtures
from tests.support.catalog.night import EVENING, FIRST_EXPOSURE, image_of
from tests.support.catalog.rows import run_of
from tests.support.command_line import Said
from underbutler.catalog import Broker, export_run
from underbutler.cli.runs.fields import read_frame, read_points
from underbutler.cli.runs.figure import figure_of_frame, figure_of_points


@pytest.fixture
def two_alike(tmp_path: Path) -> str:
    """Return a folder of two runs whose uids begin alike; the newer one is open."""
    export_run(run_of("abcdef01-first", time=1000.0, scan_id=7, task="makeBias"), tmp_path / "alike")
    export_run(run_of("abcdef01-second", time=2000.0, plan_name="count", ended=False), tmp_path / "alike", "msgpack")
    return str(tmp_path / "alike")


def rows(said: Said) -> list[list[str]]:
    """Return the words of a table, without its heading; cells are two blanks apart."""
    return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in said.out.splitlines()[1:]]


def test_runs_are_listed_newest_first_with_how_they_ended(underbutler: Any, place: str, folder: Path) -> None:
    uids = list(Broker(place))
    expected = [
        [uids[0][-8:], "4", "makeFlat", "demo", "2026-11-20 20:15:00Z", "running", "primary 1 of 2"],
        [uids[1][-8:], "3", "processCcd", "demo", "2026-11-20 20:10:00Z", "22.4 s", "failed", "done 5 failed 1"],
        [uids[2][-8:], "1", "makeBias", "demo", "2026-11-20 20:00:00Z", "1.5 s", "done", "done 1"],
    ]
    assert rows(underbutler("runs", "--catalog", place)) == expected
    assert rows(underbutler("runs", "--catalog", folder / "records.db")) == expected, "the path of its file will do"
    cut = underbutler("runs", "--catalog", place, "-n", 1)
    assert rows(cut) == expected[:1]
    assert "3 in all" in cut.err
    answered = underbutler("runs", "--catalog", place, "--json").json
    assert [run["uid"] for run in answered] == uids
    assert answered[0]["stop"] is None
    assert answered[1]["stop"]["counts"] == {"done": 5, "failed": 1}
    assert underbutler("runs", "--catalog", place, "--format", "json", "--task", "none").json == []


@pytest.mark.parametrize(
    ("asked", "scans"),
    [
        (["--since", "2026-11-20 20:10"], [4, 3]),
        (["--until", "2026-11-20T20:10:00"], [1]),
        (["--since", str(EVENING + 1), "--until", str(EVENING + 900)], [3]),
        (["--since", "2026-11-21"], []),
        (["--task", "processCcd"], [3]),
        (["--where", '{"exit_status": "success"}'], [1]),
        (["--where", '{"scan_id": {"$gt": 1}}', "--where", '{"scan_id": {"$lt": 4}}'], [3]),
        (["--where", json.dumps({"data_id.exposure": {"$gte": FIRST_EXPOSURE + 1}})], [3]),
    ],
)
def test_runs_are_searched(underbutler: Any, place: str, asked: list[str], scans: list[int]) -> None:
    said = underbutler("runs", "--catalog", place, "--json", *asked)
    assert [run["start"]["scan_id"] for run in said.json] == scans


def test_so_long_ago_is_a_time(underbutler: Any, two_alike: str) -> None:
    assert len(underbutler("runs", "--catalog", two_alike, "--json", "--since", "5000w").json) == 2
    assert underbutler("runs", "--catalog", two_alike, "--json", "--since", "12h").json == []


def test_where_there_is_nothing_it_says_what_to_do(underbutler: Any, place: str) -> None:
    missing = underbutler("runs")
    assert (missing.code, missing.out) == (3, "")
    assert "There are no records at" in missing.err
    assert "underbutler db upgrade" in underbutler("runs").err, "looking makes none"
    assert underbutler("db", "upgrade").code == 0
    empty = underbutler("runs")
    assert (empty.code, empty.out) == (0, "")
    assert "There are no runs" in empty.err
    assert "underbutler submit" in empty.err
    none = underbutler("runs", "--catalog", place, "--task", "procesCcd")
    assert (none.code, none.out) == (0, "")
    assert "None of the 3 runs" in none.err
    assert "Did you mean 'processCcd'?" in none.err
    assert "There are no runs" in underbutler("runs", "show", "-1").err


def test_without_a_catalogue_it_is_that_of_the_settings(
    underbutler: Any, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNDERBUTLER_DATABASE_URL", place)
    assert len(rows(underbutler("runs"))) == 3
    assert underbutler("runs", "show", 3, "--json").json["start"]["scan_id"] == 3


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--where", "{task: 1}"], ["is not JSON", "column 2", "{task: 1}\n   ^", '{"exit_status": "fail"}']),
        (["--where", '{"a": 1'], ["is not JSON", "column 8"]),
        (["--where", "[1]"], ["no mapping"]),
        (["--where", '{"a": {"$near": 1}}'], ["$near"]),
        (["--since", "yesterday"], ["'yesterday' is not a time", "2026-11-19"]),
        (["--since", "2026-12", "--until", "2026-11"], ["later", "Swap"]),
        (["--catalog", "nothing"], ["no folder or file 'nothing'", "sqlite:///"]),
        (["--catalog", "./nothing"], ["nothing", "folder"]),
        (["--catalog", "sqlite:///nothing.db"], ["no database sqlite:////"]),
        (["--catalog", "mongodb://h/x"], ["mongodb", "postgresql"]),
        (["1a2b"], ["no command '1a2b'", "runs show 1a2b"]),
        (["--since", "2026", "show", "x"], ["--since is an option of the list"]),
    ],
)
def test_what_is_asked_wrongly_is_refused_with_the_cure(underbutler: Any, words: list[str], said: list[str]) -> None:
    assert underbutler("db", "upgrade").code == 0
    answer = underbutler("runs", *words)
    assert (answer.code, answer.out) == (2, "")
    for part in said:
        assert part in answer.err
    assert not list(Path().glob("*.db")), "nothing is made by looking"


def test_a_database_without_our_tables_is_refused(underbutler: Any, tmp_path: Path) -> None:
    import sqlite3

    with sqlite3.connect(tmp_path / "other.db") as connection:
        connection.execute("CREATE TABLE other (x)")
    answer = underbutler("runs", "--catalog", "other.db")
    assert answer.code == 2
    assert "db upgrade" in answer.err


def test_a_short_number_is_a_scan_id_before_it_is_a_uid(underbutler: Any, tmp_path: Path) -> None:
    for uid, scan_id in (("3aa", 1), ("3bb", 2), ("abc", 3)):
        export_run(run_of(uid, time=1000.0 + scan_id, scan_id=scan_id, task="makeBias"), tmp_path / "threes")
    place = str(tmp_path / "threes")
    assert underbutler("runs", "show", "3", "--catalog", place, "--json").json["start"]["uid"] == "abc"
    assert underbutler("runs", "show", "3b", "--catalog", place, "--json").json["start"]["uid"] == "3bb"
    assert underbutler("runs", "show", "4", "--catalog", place).code == 2


def test_a_run_is_found_by_uid_prefix_scan_id_or_place(underbutler: Any, two_alike: str) -> None:
    def shown(name: object) -> str:
        return str(underbutler("runs", "show", name, "--catalog", two_alike, "--json").json["uid"])

    assert (
        shown("abcdef01-first") == shown("abcdef01-f") == shown("01-first") == shown(7) == shown(-2) == "abcdef01-first"
    )
    assert shown(-1) == "abcdef01-second"
    assert {row[0] for row in rows(underbutler("runs", "--catalog", two_alike))} == {"01-first", "1-second"}
    several = underbutler("runs", "show", "abc", "--catalog", two_alike)
    assert several.code == 2
    assert "abcdef01-first" in several.err
    assert "abcdef01-second" in several.err
    unknown = underbutler("runs", "show", "abdcef01-first", "--catalog", two_alike)
    assert unknown.code == 2
    assert "Did you mean 'abcdef01-first'?" in unknown.err
    assert "(makeBias)" in unknown.err
    assert "(count)" in unknown.err
    assert "has 2" in underbutler("runs", "show", -3, "--catalog", two_alike).err
    assert underbutler("runs", "show", " ", "--catalog", two_alike).code == 2
    assert "Did you mean '--json'" in underbutler("runs", "show", 7, "--jsn").err


def test_a_run_is_shown_with_its_facts_streams_and_fields(underbutler: Any, place: str) -> None:
    said = underbutler("runs", "--catalog", place, "show", 3)
    lines = said.out.splitlines()
    facts = {line[:16].strip(): line[16:].strip() for line in lines[: lines.index("")]}
    uid = list(Broker(place))[1]
    assert facts["uid"] == uid
    assert facts["overrides"] == "detect.threshold=3.0"
    assert facts["data IDs"].startswith("detector 0 1; exposure 2026112000015 2026112000016 2026112000017; instrument")
    assert facts["exit status"] == "failed: 5 done, 1 failed"
    assert facts["ended"] == "2026-11-20 20:10:22Z, 22.4 s later"
    assert "primary  5 events" in lines
    assert "problems  1 event" in lines
    fields = [line.split() for line in lines]
    assert ["calexp", "float32", "48×48", "external,", "ANNEX_FITS"] in fields
    assert ["seconds", "number", "s", "in", "events"] in fields
    assert f"runs plot {uid[-8:]} fwhm" in said.err
    streams = underbutler("runs", "show", 3, "--catalog", place, "--json").json["streams"]
    assert streams["primary"]["events"] == 5
    assert streams["primary"]["fields"]["calexp"]["spec"] == "ANNEX_FITS"
    assert streams["primary"]["fields"]["calexp"]["shape"] == [48, 48]
    assert streams["problems"]["fields"]["reason"]["spec"] is None


def test_an_open_run_is_shown_as_it_is_now(underbutler: Any, place: str) -> None:
    out = underbutler("runs", "show", -1, "--catalog", place).out
    assert "still running" in out
    assert "primary  1 event\n" in out


def test_a_field_is_plotted_to_a_picture(underbutler: Any, place: str, tmp_path: Path) -> None:
    uid = list(Broker(place))[1]
    said = underbutler("runs", "plot", 3, "fwhm", "--catalog", place)
    assert said.out == f"processCcd-{uid[-8:]}-fwhm.png\n"
    with Image.open(tmp_path / said.out.strip()) as picture:
        picture.load()
        assert picture.size == (1200, 720)
    assert underbutler("runs", "plot", 3, "calexp", "--index", -1, "--catalog", place, "-o", "im.png").out == "im.png\n"
    assert underbutler("runs", "plot", 3, "seconds", "--against", "time", "--catalog", place, "-o", "a.pdf").code == 0
    assert (tmp_path / "a.pdf").read_bytes().startswith(b"%PDF")
    assert not list(tmp_path.glob("*.part")) + list(tmp_path.glob(".*.part"))


def test_numbers_are_plotted_by_exposure_and_detector(place: str) -> None:
    points = read_points(Broker(place)[3].primary, "fwhm", None)
    (axes,) = figure_of_points(points, "title", "uid").axes
    assert axes.get_xlabel() == "exposure"
    assert axes.get_ylabel() == "FWHM (pixel)"
    labels = [label.get_text() for label in axes.get_xticklabels()]
    assert labels == ["2026112000015", "2026112000016", "2026112000017"]
    series = {line.get_label(): line for line in axes.lines}
    np.testing.assert_allclose(series["detector 0"].get_ydata(), [3.0, 3.1, 3.2])
    np.testing.assert_allclose(series["detector 1"].get_ydata(), [3.01, 3.11])
    np.testing.assert_allclose(series["detector 1"].get_xdata(), [0, 1])
    assert "median 3.1" in series


def test_numbers_stand_against_any_field_or_time(place: str) -> None:
    stream = Broker(place)[3].primary
    (axes,) = figure_of_points(read_points(stream, "n_sources", "seconds"), "title", "uid").axes
    assert axes.get_xlabel() == "seconds (s)"
    np.testing.assert_allclose(axes.lines[0].get_xdata(), [1.625, 1.875, 2.125])
    np.testing.assert_allclose(axes.lines[0].get_ydata(), [240, 235, 230])
    (axes,) = figure_of_points(read_points(stream, "seconds", "time"), "title", "uid").axes
    assert axes.get_xlabel() == "time (UTC)"
    (axes,) = figure_of_points(read_points(stream, "seconds", "detector"), "title", "uid").axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0", "1"]
    (axes,) = figure_of_points(read_points(stream, "seconds", "instrument"), "title", "uid").axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ["SIMCAM"]


def test_an_image_is_shown_with_its_first_row_below(place: str) -> None:
    frame = read_frame(Broker(place)[3].primary, "calexp", 3)
    assert frame is not None
    assert frame.data_id == {"exposure": FIRST_EXPOSURE + 1, "detector": 1, "instrument": "SIMCAM"}
    axes, bar = figure_of_frame(frame, "title", "uid").axes
    assert axes.get_title(loc="left") == "calexp: SIMCAM exposure 2026112000016, detector 1"
    assert axes.images[0].origin == "lower"
    np.testing.assert_array_equal(axes.images[0].get_array(), image_of(FIRST_EXPOSURE + 2, 48))
    assert (axes.get_xlabel(), axes.get_ylabel(), bar.get_ylabel()) == ("x (pixel)", "y (pixel)", "calexp")


def test_values_that_are_not_finite_are_left_out_and_said(underbutler: Any, tmp_path: Path) -> None:
    documents = run_of("nan", events=3)
    documents[3][1]["data"] = {"x": float("nan")}
    export_run(documents, tmp_path / "nan", "msgpack")
    said = underbutler("runs", "plot", "nan", "x", "--catalog", tmp_path / "nan")
    assert said.code == 0
    assert "1 of 3 events have no finite value" in said.err


def test_rows_are_plotted_as_lines_and_pictures_keep_their_top(tmp_path: Path) -> None:
    documents = run_of("arrays", events=2)
    documents[1][1]["data_keys"] = {
        "x": {"dtype": "array", "shape": [3], "source": "test", "units": "ct"},
        "png": {"dtype": "array", "dtype_numpy": "|u1", "shape": [2, 2, 3], "source": "test"},
    }
    for number, (_, event) in enumerate(documents[2:4]):
        event["data"] = {"x": [number, 1, 2], "png": np.full((2, 2, 3), number, "uint8").tolist()}
        event["timestamps"] = {"x": 0.0, "png": 0.0}
    export_run(documents, tmp_path / "arrays")
    stream = Broker(tmp_path / "arrays")[-1].primary
    (axes,) = figure_of_points(read_points(stream, "x", None), "title", "uid").axes
    assert [list(line.get_ydata()) for line in axes.lines] == [[0, 1, 2], [1, 1, 2]]
    assert axes.get_ylabel() == "x (ct)"
    assert len(figure_of_points(read_points(stream, "x", None, 1), "title", "uid").axes[0].lines) == 1
    frame = read_frame(stream, "png", 1)
    assert frame is not None
    assert figure_of_frame(frame, "title", "uid").axes[0].images[0].origin == "upper"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([3, "fwmh"], "Did you mean 'fwhm'?"),
        ([3, "instrument"], "holds no numbers"),
        ([3, "reason", "--stream", "problems"], "Plot one of"),
        ([3, "fwhm", "--stream", "problem"], "Did you mean 'problems'?"),
        ([3, "fwhm", "--against", "exposur"], "Did you mean 'exposure'?"),
        ([3, "fwhm", "--against", "calexp"], "is an array"),
        ([3, "fwhm", "--index", "2"], "leave --index out"),
        ([3, "calexp", "--index", "5"], "--index is 0 to 4"),
        ([3, "calexp", "--against", "exposure"], "without --against"),
        ([3, "fwhm", "-o", "x.jpg"], "End it in .png"),
        ([3, "fwhm", "-o", "nothing/x.png"], "no folder nothing"),
    ],
)
def test_what_cannot_be_plotted_is_said_and_leaves_no_file(
    underbutler: Any, place: str, tmp_path: Path, words: list[Any], said: str
) -> None:
    answer = underbutler("runs", "plot", *words, "--catalog", place)
    assert (answer.code, answer.out) == (2, "")
    assert said in answer.err
    assert not [path for path in tmp_path.iterdir() if path.is_file()]


@pytest.mark.parametrize(
    ("package", "words", "extra"),
    [("matplotlib", ("plot", 3, "fwhm"), "plot"), ("uvicorn", ("serve",), "api"), ("starlette", ("serve",), "api")],
)
def test_what_is_not_installed_is_named_with_its_extra(
    underbutler: Any, place: str, monkeypatch: pytest.MonkeyPatch, package: str, words: Any, extra: str
) -> None:
    for name in [name for name in sys.modules if name.startswith("underbutler.api.")]:
        monkeypatch.delitem(sys.modules, name)
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, package, None)
    answer = underbutler("runs", *words, "--catalog", place)
    assert answer.code == 2
    assert f"needs {package}" in answer.err
    assert f"pip install 'underbutler[{extra}]'" in answer.err


@pytest.mark.parametrize("form", ["jsonl", "msgpack"])
def test_runs_are_written_to_files_and_brought_in_again(
    underbutler: Any, place: str, tmp_path: Path, form: str
) -> None:
    said = underbutler("runs", "export", 3, -1, "--format", form, "-o", "out", "--catalog", place)
    uids = list(Broker(place))
    assert said.out.splitlines() == [f"out/{uids[1]}.{form}", f"out/{uids[0]}.{form}"]
    assert f"Still open, and written as far as they are: {uids[0][-8:]}" in said.err
    again = underbutler("runs", "export", 1, 3, "--format", form, "-o", "out", "--catalog", place)
    assert again.code == 2
    assert f"out/{uids[1]}.{form} already" in again.err
    assert not (tmp_path / "out" / f"{uids[2]}.{form}").exists(), "what is refused writes nothing"
    first = underbutler("runs", "import", "out", "--catalog", "new/runs.db", "--json")
    assert (first.code, {one["state"] for one in first.json}) == (0, {"imported"})
    second = underbutler("runs", "import", "out", "--catalog", "new/runs.db", "--json")
    assert sorted(one["state"] for one in second.json) == ["imported", "known"], "an open one may have more to say"
    assert "1 there already" in second.err
    brought, original = Broker(f"sqlite:///{tmp_path / 'new' / 'runs.db'}"), Broker(place)
    assert list(brought) == uids[:2]
    for uid in uids[:2]:
        assert list(brought[uid].documents(fill="no")) == list(original[uid].documents(fill="no"))


def test_arrays_are_written_into_files_when_asked(underbutler: Any, place: str, tmp_path: Path) -> None:
    assert underbutler("runs", "export", 3, "--fill", "--format", "msgpack", "-o", "out", "--catalog", place).code == 0
    images = Broker(tmp_path / "out", handler_registry={})[3].primary.read()["calexp"]
    np.testing.assert_array_equal(images[0], image_of(FIRST_EXPOSURE, 48))


def test_an_unreadable_run_is_reported_and_the_rest_imported(underbutler: Any, tmp_path: Path) -> None:
    export_run(run_of("good"), tmp_path / "in")
    broken = run_of("broken")
    del broken[3][1]["data"]
    export_run(broken, tmp_path / "in")
    (tmp_path / "in" / "words.jsonl").write_text("words\n")
    (tmp_path / "in" / "empty.jsonl").write_text("")
    said = underbutler("runs", "import", "in")
    assert said.code == 2
    assert "1 run imported" in said.err
    assert "3 refused" in said.err
    assert "words.jsonl does not hold the documents of a run: line 1 is not JSON" in said.err
    assert "broken.jsonl: " in said.err
    assert "empty.jsonl: " in said.err
    assert [run["uid"] for run in underbutler("runs", "--json").json] == ["good"], "of what is refused nothing stays"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nothing"], "no file or folder nothing"),
        (["."], "no .jsonl or .msgpack files"),
        (["sqlite:///nothing.db"], "no database"),
        ([__file__], "'py'"),
        ([__file__, "--catalog", "."], "is only read"),
    ],
)
def test_what_is_no_source_or_no_database_is_refused(underbutler: Any, words: list[str], said: str) -> None:
    answer = underbutler("runs", "import", *words)
    assert answer.code == 2
    assert said in answer.err


def test_a_catalogue_is_opened_by_its_name(underbutler: Any, place: str, tmp_path: Path) -> None:
    catalogs = tmp_path / "home" / "catalogs"
    catalogs.mkdir(parents=True)
    (catalogs / "night.yml").write_text(
        f"sources:\n  night:\n    driver: underbutler\n    args: {{place: '{place}'}}\n"
    )
    assert len(rows(underbutler("runs", "--catalog", "night"))) == 3
    assert "Did you mean 'night'?" in underbutler("runs", "--catalog", "nigth").err
