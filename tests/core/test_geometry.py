"""Where voxels lie: known answers, and round trips for any grid."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workstation.core.geometry import Geometry, Plane, PlaneAxes, orientation_letters


def _rotation(a: float, b: float, c: float) -> np.ndarray:
    def turn(angle: float, first: int, second: int) -> np.ndarray:
        matrix = np.eye(3)
        matrix[first, first] = matrix[second, second] = np.cos(angle)
        matrix[first, second], matrix[second, first] = -np.sin(angle), np.sin(angle)
        return matrix

    return turn(a, 0, 1) @ turn(b, 0, 2) @ turn(c, 1, 2)


angles = st.floats(-np.pi, np.pi)
sizes = st.floats(0.1, 10)
places = st.floats(-1000, 1000)


@given(
    st.tuples(angles, angles, angles),
    st.tuples(sizes, sizes, sizes),
    st.tuples(places, places, places),
)
def test_index_to_mm_and_back(
    turns: tuple[float, float, float],
    spacing: tuple[float, float, float],
    origin: tuple[float, float, float],
) -> None:
    axes = _rotation(*turns).T
    geometry = Geometry((7, 8, 9), origin, spacing, tuple(tuple(map(float, axis)) for axis in axes))
    index = np.array([[0, 0, 0], [3.5, 2, 1], [8, 7, 6]])
    assert np.allclose(geometry.to_index(geometry.to_lps(index)), index, atol=1e-6)
    again = Geometry.from_matrix(geometry.shape, geometry.index_to_lps)
    assert np.allclose(again.index_to_lps, geometry.index_to_lps, atol=1e-9)
    assert geometry.is_orthonormal


@given(st.tuples(angles, angles, angles))
def test_every_plane_uses_each_grid_axis_once(turns: tuple[float, float, float]) -> None:
    axes = _rotation(*turns).T
    geometry = Geometry((7, 8, 9), direction=tuple(tuple(map(float, axis)) for axis in axes))
    for plane in Plane:
        shown = PlaneAxes.of(geometry, plane)
        assert {shown.right[0], shown.down[0], shown.through[0]} == {0, 1, 2}
        cosines = np.einsum("ij,ij->i", shown.vectors(geometry), np.array(plane.value, float))
        assert (cosines > 0).all() or np.isclose(cosines, 0, atol=1e-6).any()


def test_letters_name_the_side_a_direction_points_to() -> None:
    assert orientation_letters((1, 0, 0)) == "L"
    assert orientation_letters((-1, 0, 0)) == "R"
    assert orientation_letters((0, -1, 0)) == "A"
    assert orientation_letters((0, 0, 1)) == "S"
    assert orientation_letters((0, 0.94, 0.34)) == "PS"


def test_feet_first_grid_shows_the_head_on_top() -> None:
    """Slices stored from head to feet: the coronal plane turns them, the index follows."""
    geometry = Geometry((5, 6, 7), (0, 0, 40), (1, 1, 10), ((1, 0, 0), (0, 1, 0), (0, 0, -1)))
    axes = PlaneAxes.of(geometry, Plane.CORONAL)
    assert axes.down == (2, 1)
    axial = PlaneAxes.of(geometry, Plane.AXIAL)
    assert axial.through == (2, -1)
    assert axial.slice_index(geometry, (0, 0, 40)) == 4
    assert axial.grid_index(geometry, 4) == 0
    assert axial.slice_index(geometry, (0, 0, -500)) == 0


@pytest.mark.parametrize(
    ("direction", "plane"),
    [
        (((1, 0, 0), (0, 1, 0), (0, 0, 1)), Plane.AXIAL),
        (((1, 0, 0), (0, 0, -1), (0, 1, 0)), Plane.CORONAL),
        (((0, 1, 0), (0, 0, -1), (-1, 0, 0)), Plane.SAGITTAL),
    ],
)
def test_acquired_plane(direction: tuple, plane: Plane) -> None:
    assert Geometry((3, 3, 3), direction=direction).nearest_plane is plane


def test_step_is_that_of_the_nearest_axis() -> None:
    geometry = Geometry((5, 6, 7), spacing=(0.5, 0.7, 3.0))
    assert geometry.step((0, 0, 1)) == 3.0
    assert geometry.step((-1, 0, 0)) == 0.5


def test_contains_only_the_grid() -> None:
    geometry = Geometry((2, 3, 4))
    assert geometry.contains((3.4, 2.4, 1.4))
    assert not geometry.contains((3.6, 0, 0))
    assert not geometry.contains((-0.6, 0, 0))
