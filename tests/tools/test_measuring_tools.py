"""Measurements on grids of any orientation and spacing: exact, or said to be approximate."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workstation.core.geometry import Geometry, Plane, PlaneAxes
from workstation.core.measurement import Measurement, SlicePlane, result_lines, summary
from workstation.core.scene import resolve
from workstation.core.session import OverlayLevel, Reading
from workstation.core.study import Notice, Series
from workstation.core.volume import Volume
from workstation.tools import measure, tools

SHAPE = (9, 14, 17)
ANGLES = st.tuples(*[st.floats(-math.pi, math.pi)] * 3)
SPACINGS = st.tuples(*[st.floats(0.3, 7.0)] * 3)
PLANES = st.sampled_from(list(Plane))
FRACTIONS = st.tuples(*[st.floats(0, 1)] * 4)


def turned(x, y, z):
    """Three unit vectors at right angles."""
    sx, cx, sy, cy, sz, cz = (f(v) for v in (x, y, z) for f in (math.sin, math.cos))
    one = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    two = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    three = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return tuple(tuple(map(float, axis)) for axis in (three @ two @ one).T)


def a_volume(spacing=(0.7, 0.7, 3.0), direction=None, **more):
    geometry = Geometry(SHAPE, (-11.0, 7.0, 30.0), spacing, direction or turned(0, 0, 0))
    voxels = np.random.default_rng(5).integers(-1000, 2000, SHAPE).astype(np.int16)
    series = Series("s", "study", (), SHAPE[0], modality="CT")
    return Volume(series, voxels, geometry, np.ones(SHAPE[0], bool), **more)


def on_slice(volume, plane, fractions, slice_fraction=0.4):
    """Two LPS points on a slice of a plane, the slice's grid index, and their in-plane indices."""
    axes = PlaneAxes.of(volume.geometry, plane)
    sizes = np.array(volume.geometry.shape[::-1])
    through, right, down = axes.through[0], axes.right[0], axes.down[0]
    index = np.zeros((2, 3))
    index[:, through] = round(slice_fraction * (sizes[through] - 1))
    index[:, right] = np.array(fractions[:2]) * (sizes[right] - 1)
    index[:, down] = np.array(fractions[2:]) * (sizes[down] - 1)
    points = tuple(tuple(map(float, point)) for point in volume.geometry.to_lps(index))
    return points, index, (through, right, down)


def a_measurement(tool, plane, points):
    return Measurement("m", tool, "s", plane, tuple(points))


def numbers(result):
    return {value.name: value.number for value in result.values}


@settings(deadline=None, max_examples=150)
@given(ANGLES, SPACINGS, PLANES, FRACTIONS)
def test_a_length_is_that_of_the_grid_in_mm(angles, spacing, plane, fractions):
    volume = a_volume(spacing, turned(*angles))
    points, index, _ = on_slice(volume, plane, fractions)
    (value,) = measure(a_measurement("length", plane, points), volume).values
    steps = (index[1] - index[0]) * np.array(spacing)
    assert value.number == pytest.approx(float(np.linalg.norm(steps)), abs=1e-9)
    assert value.unit == "mm"


@settings(deadline=None, max_examples=150)
@given(ANGLES, SPACINGS, PLANES, st.floats(0, math.pi), st.floats(0, 2 * math.pi),
       st.floats(2, 9))  # fmt: skip
def test_an_angle_is_one_in_mm_not_in_pixels(angles, spacing, plane, angle, turn, arm):
    volume = a_volume(spacing, turned(*angles))
    (middle, _), _, _ = on_slice(volume, plane, (0.5, 0.5, 0.5, 0.5))
    where = SlicePlane.of(volume, plane, (middle,))
    flat = where.flat([middle])[0]
    ends = [flat + arm * np.array([math.cos(t), math.sin(t)]) for t in (turn, turn + angle)]
    points = where.lifted([ends[0], flat, ends[1]])
    (value,) = measure(a_measurement("angle", plane, points), volume).values
    assert value.number == pytest.approx(math.degrees(angle), abs=1e-5)
    assert value.unit == "°"


def test_an_angle_without_an_arm_is_none():
    volume = a_volume()
    (one, other), _, _ = on_slice(volume, Plane.AXIAL, (0.1, 0.5, 0.2, 0.6))
    assert measure(a_measurement("angle", Plane.AXIAL, (one, one, other)), volume).values == ()


@settings(deadline=None, max_examples=200)
@given(ANGLES, SPACINGS, PLANES, FRACTIONS, st.floats(0, 1))
def test_an_ellipse_is_the_stored_voxels_of_its_slice(angles, spacing, plane, fractions, depth):
    """Against every voxel of the whole volume, one by one."""
    volume = a_volume(spacing, turned(*angles))
    points, index, (through, right, down) = on_slice(volume, plane, fractions, depth)
    result = measure(a_measurement("ellipse", plane, points), volume)
    k, j, i = np.indices(SHAPE)
    grid = {0: i, 1: j, 2: k}
    half = np.abs(index[1] - index[0]) / 2
    middle = index.mean(axis=0)
    inside = grid[through] == round(index[0, through])
    if half[right] > 1e-6 and half[down] > 1e-6:
        across = ((grid[right] - middle[right]) / half[right]) ** 2
        along = ((grid[down] - middle[down]) / half[down]) ** 2
        sum_of_squares = across + along
        if np.any(inside & (np.abs(sum_of_squares - 1) < 1e-6)):
            return  # on the very edge, where rounding decides
        inside &= sum_of_squares <= 1
    else:
        inside &= False
    found = numbers(result)
    area = math.pi * half[right] * spacing[right] * half[down] * spacing[down]
    assert found["area"] == pytest.approx(area, abs=1e-9)
    if not inside.any():
        assert set(found) == {"area"}
        assert result.remark == "no voxel inside"
        return
    values = volume.voxels[inside].astype(float)
    assert found["voxels"] == len(values)
    assert found["mean"] == pytest.approx(values.mean())
    assert found["SD"] == pytest.approx(values.std())
    assert (found["min"], found["max"]) == (values.min(), values.max())


@settings(deadline=None, max_examples=60)
@given(ANGLES, SPACINGS, PLANES, FRACTIONS)
def test_a_probe_is_one_stored_voxel(angles, spacing, plane, fractions):
    volume = a_volume(spacing, turned(*angles))
    (point, _), index, _ = on_slice(volume, plane, fractions)
    (value,) = measure(a_measurement("probe", plane, (point,)), volume).values
    if np.abs(index[0] % 1 - 0.5).min() < 1e-6:
        return  # between two voxels, where rounding decides
    i, j, k = np.rint(index[0]).astype(int)
    assert (value.number, value.unit) == (volume.voxels[k, j, i], "HU")


def test_long_and_short_axes_are_told_as_drawn_and_whether_they_are_square():
    volume = a_volume((0.5, 1.0, 3.0))

    def axes(*places):
        where = SlicePlane(volume, Plane.AXIAL, 4)
        points = where.lifted(np.array(places, float))
        return measure(a_measurement("long_and_short", Plane.AXIAL, points), volume)

    square = axes((0, 2), (6, 2), (3, 1), (3, 4))
    assert [value.number for value in square.values] == [pytest.approx(6), pytest.approx(3)]
    assert square.remark == ""
    assert axes((0, 2), (6, 2), (2, 1), (4, 4)).remark == "axes at 56°, not 90°"
    assert axes((0, 2), (2, 2), (1, 0), (1, 4)).remark == "the short axis is the longer one"


@pytest.mark.parametrize("plane", list(Plane))
def test_it_is_shown_within_half_a_slice_only_and_in_its_plane(plane):
    volume = a_volume(direction=turned(0.2, -0.1, 0.3))
    points, index, (through, _, _) = on_slice(volume, plane, (0.2, 0.7, 0.3, 0.8))
    step = np.array(volume.geometry.direction[through]) * volume.geometry.spacing[through]
    for offset, shown in ((0, 0), (0.49, 0), (-0.49, 0), (0.51, 1), (-0.51, -1)):
        moved = tuple(tuple(map(float, np.array(p) + offset * step)) for p in points)
        reading = Reading()
        reading.open(volume)
        reading.measurements = (a_measurement("length", plane, moved),)
        drawn = set()
        for at in range(SHAPE[2 - through]):
            reading.point_at(
                tuple(map(float, np.array(points[0]) + (at - index[0, through]) * step))
            )
            scene = resolve(reading, measure)
            drawn |= {each.slice(p).grid_index for each in (scene,) for p in (plane,)
                      if each.slice(p).measurements}  # fmt: skip
            others = [p for p in Plane if p is not plane]
            assert not any(scene.slice(p).measurements for p in others)
        assert drawn == {round(index[0, through]) + shown}


def test_points_of_two_slices_or_none_are_measured_nowhere():
    volume = a_volume()
    (one, _), _, _ = on_slice(volume, Plane.AXIAL, (0.1, 0.2, 0.1, 0.2))
    far = (one[0], one[1], one[2] + 100)
    for points in ((one, (one[0], one[1], one[2] + 6)), (far, far)):
        result = measure(a_measurement("length", Plane.AXIAL, points), volume)
        assert (result.values, result.remark) == ((), "not on a slice of this series")


def test_an_unknown_tool_and_another_series_are_not_drawn_as_something_else():
    volume = a_volume()
    points, _, _ = on_slice(volume, Plane.AXIAL, (0.1, 0.2, 0.1, 0.2))
    unknown = measure(a_measurement("volume_of_the_future", Plane.AXIAL, points), volume)
    assert unknown.values == ()
    assert "cannot measure" in unknown.remark
    reading = Reading()
    reading.open(volume)
    reading.point_at(points[0])
    reading.measurements = (replace(a_measurement("length", Plane.AXIAL, points), series_key="x"),)
    assert resolve(reading, measure).slice(Plane.AXIAL).measurements == ()


def test_overlays_off_take_measurements_away_unless_a_tool_is_in_hand():
    volume = a_volume()
    points, _, _ = on_slice(volume, Plane.AXIAL, (0.1, 0.6, 0.1, 0.6))
    reading = Reading()
    reading.open(volume)
    reading.point_at(points[0])
    reading.measurements = (a_measurement("length", Plane.AXIAL, points),)
    reading.overlay = OverlayLevel.NONE
    assert resolve(reading, measure).slice(Plane.AXIAL).measurements == ()
    reading.tool = "length"
    assert len(resolve(reading, measure).slice(Plane.AXIAL).measurements) == 1


@pytest.mark.parametrize(
    ("more", "unit", "doubt"),
    [
        ({"approximate": True, "notices": (Notice("x", badge="resampled (tilt 18.5°)"),)}, "mm",
         "resampled (tilt 18.5°)"),
        ({"approximate": True}, "mm", "approximate geometry"),
        ({"calibrated": False}, "px", "no pixel spacing"),
    ],
)  # fmt: skip
def test_what_is_approximate_is_said_with_the_reason(more, unit, doubt):
    volume = a_volume(**more)
    points, _, _ = on_slice(volume, Plane.AXIAL, (0.1, 0.8, 0.1, 0.8))
    for key, tool in tools().items():
        spread = [points[0], points[1], points[0], points[1]]
        measurement = a_measurement(key, Plane.AXIAL, spread[: tool.points])
        result = measure(measurement, volume)
        for line, row in zip(result_lines(result, volume), result.rows, strict=False):
            assert line.count("≈") == len(row) > 0
        assert f"≈ because {doubt}" in summary(measurement, result, volume)
        units = {value.unit for value in result.values}
        assert units <= {unit, f"{unit}²", "HU", "°", ""}


def test_exact_geometry_carries_no_sign_of_doubt():
    volume = a_volume(notices=(Notice("x", badge="encoding guessed"),))
    points, _, _ = on_slice(volume, Plane.AXIAL, (0.1, 0.8, 0.1, 0.8))
    measurement = a_measurement("length", Plane.AXIAL, points)
    assert "≈" not in summary(measurement, measure(measurement, volume), volume)


@pytest.mark.parametrize("more", [{"unit": ""}, {"rescaled": False}])
def test_values_that_are_not_known_to_be_hounsfield_units_have_no_unit(more):
    volume = a_volume(**more)
    points, _, _ = on_slice(volume, Plane.AXIAL, (0.1, 0.8, 0.1, 0.8))
    for key in ("ellipse", "probe"):
        measurement = a_measurement(key, Plane.AXIAL, points[: tools()[key].points])
        told = summary(measurement, measure(measurement, volume), volume)
        assert "HU" not in told
        assert "not Hounsfield units" in told


def test_no_statistics_where_a_voxel_is_missing():
    volume = a_volume()
    volume.available[4] = False
    for plane in Plane:
        points, _, _ = on_slice(volume, plane, (0.0, 1.0, 0.0, 1.0), 4 / 8)
        result = measure(a_measurement("ellipse", plane, points), volume)
        assert set(numbers(result)) == {"area"}
        assert result.remark == "voxels are missing inside"
    (point, _), _, _ = on_slice(volume, Plane.AXIAL, (0.5,) * 4, 4 / 8)
    assert measure(a_measurement("probe", Plane.AXIAL, (point,)), volume).values == ()


def test_a_fuller_volume_is_measured_anew():
    partial = a_volume()
    partial.available[3] = False
    points, _, _ = on_slice(partial, Plane.AXIAL, (0.1, 0.9, 0.1, 0.9), 3 / 8)
    measurement = a_measurement("ellipse", Plane.AXIAL, points)
    assert set(numbers(measure(measurement, partial))) == {"area"}
    full = replace(partial, available=np.ones(SHAPE[0], bool))
    assert "mean" in numbers(measure(measurement, full))


def test_each_tool_is_one_file_with_its_own_key_and_picture():
    found = tools()
    assert list(found) == ["length", "angle", "long_and_short", "ellipse", "probe"]
    keys = [key for tool in found.values() for key in tool.shortcuts]
    assert len(keys) == len(set(keys))
    assert all(tool.icon.startswith("<") for tool in found.values())
