"""The contact sheet of a night: every frame in its order, plots with units, and axes that do not magnify noise."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from underbutler.cli.night_command import night
from underbutler.errors import UsageError
from underbutler.pictures.contact_sheet import contact_sheet, limits
from underbutler.pictures.night import ReducedFrame, evenly

BEGIN = datetime(2026, 11, 20, 20, 0, tzinfo=UTC)


def frames(number: int, *, scale: float | None = 0.4) -> list[ReducedFrame]:
    return [
        ReducedFrame(
            exposure=n,
            detector=n % 2,
            begin=BEGIN + timedelta(minutes=2 * n),
            target="field 1",
            filter_name="r",
            seconds=60.0,
            fwhm_px=None if n == 1 else 3.0,
            fwhm_arcsec=None if n == 1 or scale is None else 3.0 * scale,
            sky_e=130.0 + n,
            n_sources=200,
            thumbnail=np.full((24, 32), 0.5, np.float32),
        )
        for n in range(number)
    ]


@pytest.mark.parametrize(("scale", "unit"), [(0.4, "arcsec"), (None, "px")])
def test_frames_and_plots_with_units_are_drawn(scale: float | None, unit: str) -> None:
    """Ten frames, one without stars: ten thumbnails and three plots."""
    figure = contact_sheet(frames(10, scale=scale), "a night")
    labels = [axes.get_ylabel() for axes in figure.axes]
    assert labels[10:] == [f"FWHM ({unit})", "sky (e-/px)", "sources"]
    captions = [axes.get_xlabel() for axes in figure.axes[:10]]
    assert captions[0].startswith("20:00:00 field 1\nr 60 s  det 0\n")
    assert "sky 139" in captions[9]
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=40)
    assert Image.open(stream).width == 480


def test_a_night_of_which_nothing_is_measured_has_no_plots() -> None:
    bare = [ReducedFrame(exposure=1, detector=0, begin=BEGIN)]
    assert len(contact_sheet(bare, "a night").axes) == 1


def test_no_frame_is_refused() -> None:
    with pytest.raises(UsageError, match="no frame"):
        contact_sheet([], "a night")


@pytest.mark.parametrize(
    ("values", "ends"),
    [([100.0, 100.1, 99.9], (95.0, 105.0)), ([1.0, 3.0], (0.9, 3.1)), ([0.0], (-0.5, 0.5)), ([5.0], (4.75, 5.25))],
)
def test_an_axis_spans_a_tenth_of_the_median(values: list[float], ends: tuple[float, float]) -> None:
    assert limits(values) == pytest.approx(ends)


def test_too_many_frames_are_thinned_evenly() -> None:
    assert list(evenly(list(range(9)), 3)) == [0, 4, 8]  # type: ignore[arg-type]
    assert len(list(evenly(list(range(5)), 240))) == 5  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("words", "text"),
    [(["soon"], "not an observing day"), (["20261120", "demo", "-o", "x.gif"], "not a kind of picture")],
)
def test_a_hopeless_command_is_refused_at_once(words: list[str], text: str) -> None:
    result = CliRunner().invoke(night, words)
    assert isinstance(result.exception, UsageError)
    assert text in str(result.exception)
