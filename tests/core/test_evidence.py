"""Evidence lies where its cells are, whatever way the volume was scanned."""

from __future__ import annotations

import numpy as np
import pytest

from model_runtime.api import HeatMap
from workstation.core.evidence import LEAST, evidence_on_slice, strongest_place
from workstation.core.geometry import Geometry, Plane
from workstation.core.scene import resolve
from workstation.core.session import Reading
from workstation.core.study import Series
from workstation.core.volume import Volume

C, S = np.cos(np.radians(17)), np.sin(np.radians(17))
SCANS = {
    "head first supine": ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
    "feet first": ((-1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, -1.0)),
    "prone": ((-1.0, 0.0, 0.0), (0.0, -1.0, 0.0), (0.0, 0.0, 1.0)),
    "left-handed": ((-1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
    "sagittal": ((0.0, 1.0, 0.0), (0.0, 0.0, -1.0), (-1.0, 0.0, 0.0)),
    "coronal": ((1.0, 0.0, 0.0), (0.0, 0.0, -1.0), (0.0, 1.0, 0.0)),
    "tilted": ((1.0, 0.0, 0.0), (0.0, C, S), (0.0, -S, C)),
    "turned": ((C, S, 0.0), (-S, C, 0.0), (0.0, 0.0, 1.0)),
}
CELLS = np.diag([33.0, 29.0, 47.0, 1.0])
CELLS[:3, 3] = (-50.0, -41.0, -60.0)


def a_volume(direction, shape=(40, 44, 52), spacing=(2.0, 2.5, 3.0)):
    grid = Geometry(shape, spacing=spacing, direction=direction)
    x, y, z = (-float(value) for value in grid.centre)
    grid = Geometry(shape, (x + 7.0, y - 5.0, z + 3.0), spacing, direction)
    voxels = np.zeros(shape, dtype=np.int16)
    return Volume(Series("key", "study", (), shape[0]), voxels, grid, np.ones(shape[0], bool))


def a_map(*hot, shape=(3, 4, 4)):
    values = np.zeros(shape, dtype=np.float32)
    for cell, value in hot:
        values[cell] = value
    return HeatMap(values, CELLS)


def inside(outline, point):
    """Signed distance in mm to the nearest edge of a convex polygon, positive inside."""
    corners = np.array(outline)
    edges = np.roll(corners, -1, axis=0) - corners
    long = np.hypot(*edges.T) > 1e-9
    edges, to_point = edges[long], (np.array(point) - corners)[long]
    away = cross(edges, to_point) / np.hypot(*edges.T)
    turn = cross(edges, np.roll(edges, -1, axis=0)).sum()
    return float((np.sign(turn) * away).min())


def cross(one, other):
    return one[:, 0] * other[:, 1] - one[:, 1] * other[:, 0]


@pytest.mark.parametrize("scan", SCANS)
@pytest.mark.parametrize("plane", list(Plane))
@pytest.mark.parametrize("cell", [(1, 2, 1), (0, 1, 3), (2, 0, 2)])
def test_one_hot_cell_covers_exactly_the_points_that_lie_in_it(scan, plane, cell):
    reading = Reading()
    reading.open(a_volume(SCANS[scan]))
    reading.evidence = a_map((cell, 1.0))
    reading.point_at(strongest_place(reading.evidence, reading.volume.geometry))
    scene = resolve(reading).slice(plane)
    (block,) = scene.evidence.blocks
    vectors = scene.axes.vectors(reading.volume.geometry)
    to_cells = np.linalg.inv(CELLS)
    seen = {True: 0, False: 0}
    for right in np.linspace(-0.499, 0.499, 25) * scene.extent[0]:
        for down in np.linspace(-0.499, 0.499, 25) * scene.extent[1]:
            lps = np.array(scene.centre) + right * vectors[0] + down * vectors[1]
            index = (to_cells @ np.append(lps, 1))[:3]
            off = np.abs(index - np.array(cell[::-1]))
            distance = inside(block.outline, (right, down))
            if np.abs(off - 0.5).min() > 1e-6 and abs(distance) > 1e-6:
                assert (off < 0.5).all() == (distance > 0)
                seen[bool((off < 0.5).all())] += 1
    assert min(seen.values()) > 8


def test_of_two_cells_that_share_a_face_a_slice_in_the_face_shows_one():
    heat = a_map(((0, 1, 1), 1.0), ((1, 1, 1), 1.0))
    face = (-17.0, -12.0, -60.0 + 47.0 / 2)
    shown = evidence_on_slice(heat, face, np.eye(3), (200.0, 200.0))
    assert len(shown.blocks) == 1
    below = evidence_on_slice(heat, (face[0], face[1], -80.0), np.eye(3), (200.0, 200.0))
    assert below.blocks == shown.blocks


def test_only_the_strongest_cells_are_drawn_each_with_its_own_strength():
    heat = a_map(((1, 1, 1), 1.0), ((1, 1, 2), LEAST + 0.1), ((1, 2, 1), LEAST - 0.1))
    shown = evidence_on_slice(heat, (0.0, 0.0, -13.0), np.eye(3), (400.0, 400.0))
    assert [round(block.strength, 3) for block in shown.blocks] == [1.0, LEAST + 0.1]


def test_blocks_end_where_the_slice_ends():
    heat = a_map(((1, 1, 1), 1.0))
    shown = evidence_on_slice(heat, (-17.0, -12.0, -13.0), np.eye(3), (20.0, 400.0))
    (block,) = shown.blocks
    across, down = np.ptp(np.array(block.outline), axis=0)
    assert (across, down) == pytest.approx((20.0, 29.0))


def test_the_legend_tells_the_cells_size_and_what_it_is_not():
    heat = a_map(((1, 1, 1), 1.0))
    here = evidence_on_slice(heat, (-17.0, -12.0, -13.0), np.eye(3), (200.0, 200.0))
    assert here.legend == ("model evidence", "cells 33 × 29 × 47 mm", "not a segmentation")
    far = evidence_on_slice(heat, (-17.0, -12.0, 500.0), np.eye(3), (200.0, 200.0))
    assert not far.blocks
    assert far.legend[-1] == "none in this slice"


def test_a_map_of_zeros_shows_nothing():
    shown = evidence_on_slice(a_map(), (-17.0, -12.0, -13.0), np.eye(3), (200.0, 200.0))
    assert not shown.blocks


def test_the_strongest_place_is_the_middle_of_what_lies_in_the_volume():
    grid = Geometry((100, 100, 100), (-50.0, -50.0, -60.0))
    heat = a_map(((0, 1, 1), 1.0))
    # The cell reaches from −83.5 to −36.5 mm, the volume begins at −60.
    assert strongest_place(heat, grid) == pytest.approx((-17.0, -12.0, (-60.0 - 36.5) / 2))


def test_evidence_goes_with_the_volume_and_is_part_of_the_scene():
    reading, other = Reading(), Reading()
    for each in (reading, other):
        each.open(a_volume(SCANS["prone"]))
    reading.evidence = other.evidence = a_map(((1, 1, 1), 1.0))
    assert resolve(reading) == resolve(other)
    reading.refresh(reading.volume)
    assert reading.evidence is not None
    reading.open(a_volume(SCANS["tilted"]))
    assert reading.evidence is None
    assert resolve(reading).slice(Plane.AXIAL).evidence is None
