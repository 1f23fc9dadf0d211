import numpy as np
import pytest

from workstation.core.geometry import Plane
from workstation.core.scene import resolve
from workstation.core.session import OverlayLevel, Reading
from workstation.core.study import Notice, Series
from workstation.core.volume import Volume
from workstation.render.mapping import SliceMapping
from workstation.render.overlay import (
    BannerMark,
    LineMark,
    TextMark,
    Tone,
    describe_point,
    scale_length,
    slice_marks,
)


@pytest.fixture
def a_reading(a_volume, a_straight_grid):
    reading = Reading()
    reading.open(a_volume(np.zeros(a_straight_grid.shape), a_straight_grid))
    return reading


def marks(reading, plane=Plane.AXIAL, width=400, height=300):
    scene = resolve(reading).slice(plane)
    return slice_marks(scene, SliceMapping.of(scene, width, height))


def texts(reading):
    return [mark.text for mark in marks(reading) if isinstance(mark, TextMark)]


def test_letters_stand_on_their_own_edges(a_reading):
    places = {m.text: (m.x, m.y) for m in marks(a_reading) if isinstance(m, TextMark) and m.large}
    assert places["R"][0] < 20
    assert places["L"][0] > 380
    assert places["A"][1] < 20
    assert places["P"][1] > 280


@pytest.mark.parametrize(
    ("plane", "upright", "level"),
    [
        (Plane.AXIAL, Tone.SAGITTAL, Tone.CORONAL),
        (Plane.CORONAL, Tone.SAGITTAL, Tone.AXIAL),
        (Plane.SAGITTAL, Tone.CORONAL, Tone.AXIAL),
    ],
)
def test_crosshair_lines_have_the_colour_of_the_plane_they_stand_for(
    a_reading, plane, upright, level
):
    lines = [m for m in marks(a_reading, plane) if isinstance(m, LineMark)]
    lines = [m for m in lines if m.tone is not Tone.TEXT]
    assert {m.tone for m in lines if m.x0 == m.x1} == {upright}
    assert {m.tone for m in lines if m.y0 == m.y1} == {level}


def test_crosshair_meets_at_the_cursor(a_reading):
    a_reading.point_at((10.0, -20.0, 0.0))
    upright = next(m for m in marks(a_reading) if isinstance(m, LineMark) and m.x0 == m.x1)
    level = next(m for m in marks(a_reading) if isinstance(m, LineMark) and m.y0 == m.y1)
    per_mm = 300 / 120
    assert upright.x0 == pytest.approx(200 + 10 * per_mm)
    assert level.y0 == pytest.approx(150 - 20 * per_mm)


def test_three_levels_of_text(a_reading):
    everything = len(texts(a_reading))
    a_reading.overlay = OverlayLevel.MINIMAL
    few = len(texts(a_reading))
    a_reading.overlay = OverlayLevel.NONE
    assert everything > few > len(texts(a_reading)) == 0


def test_warnings_stay_when_the_overlays_are_off(a_straight_grid):
    volume = Volume(
        Series("k", "s", (), 60, synthetic=True), np.zeros(a_straight_grid.shape, np.int16),
        a_straight_grid, np.ones(60, bool), calibrated=False,
        notices=(Notice("The gantry was tilted.", badge="resampled (tilt 18.5°)"),),
    )  # fmt: skip
    reading = Reading(other_patient=True, overlay=OverlayLevel.NONE)
    reading.open(volume)
    assert texts(reading) == ["⚠ resampled (tilt 18.5°)", "⚠ px not mm", "SYNTHETIC"]
    assert [m.text for m in marks(reading) if isinstance(m, BannerMark)] == ["OTHER PATIENT"]


def test_a_slice_that_is_not_there_is_said_to_be_missing(a_reading):
    a_reading.volume.available[:] = False
    assert "Not loaded" in texts(a_reading)


def test_the_scale_bar_is_as_long_as_it_says(a_reading):
    bar = next(m for m in marks(a_reading) if isinstance(m, LineMark) and m.width == 2.0)
    length = next(t for t in texts(a_reading) if t.endswith("cm"))
    mm_per_pixel = 120 / 300
    assert (bar.x1 - bar.x0) * mm_per_pixel == pytest.approx(float(length.split()[0]) * 10)


@pytest.mark.parametrize(
    ("mm_per_pixel", "longest", "length"),
    [(0.5, 100, 50), (0.4, 100, 20), (0.01, 100, 1), (5, 90, 200)],
)
def test_scale_lengths_are_round(mm_per_pixel, longest, length):
    assert scale_length(mm_per_pixel, longest) == pytest.approx(length)


def test_the_point_under_the_mouse_is_named_by_the_patients_sides():
    assert describe_point((-12.3, 4.0, 100.04), -812, "HU", True) == (
        "-812 HU",
        "R 12.3  P 4.0  S 100.0 mm",
    )
    assert describe_point((1.0, -4.0, -9.0), None, "HU", False) == ("L 1.0  A 4.0  I 9.0 px",)
