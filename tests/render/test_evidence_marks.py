import numpy as np
import pytest

from model_runtime.api import HeatMap
from workstation.core.geometry import Plane
from workstation.core.scene import resolve
from workstation.core.session import OverlayLevel, Reading
from workstation.render.evidence_marks import MOST_OPAQUE, evidence_blocks, evidence_legend
from workstation.render.mapping import SliceMapping
from workstation.render.overlay import TextMark, Tone, slice_marks


@pytest.fixture
def a_reading(a_volume, a_straight_grid):
    reading = Reading()
    reading.open(a_volume(np.zeros(a_straight_grid.shape), a_straight_grid))
    values = np.zeros((2, 2, 2), dtype=np.float32)
    values[1, 0, 1], values[1, 1, 1] = 1.0, 0.75
    matrix = np.diag([60.0, 60.0, 60.0, 1.0])
    matrix[:3, 3] = -30.0
    reading.evidence = HeatMap(values, matrix)
    reading.point_at((30.0, -30.0, 30.0))
    return reading


def on_axial(reading):
    scene = resolve(reading).slice(Plane.AXIAL)
    return scene, SliceMapping.of(scene, 400, 300)


def test_blocks_lie_where_their_cells_do_and_stronger_is_denser(a_reading):
    scene, mapping = on_axial(a_reading)
    front, back = evidence_blocks(scene, mapping)
    assert (front.opacity, back.opacity) == pytest.approx((MOST_OPAQUE, 0.75 * MOST_OPAQUE))
    right, down = np.array(front.outline).T
    # 120 mm fit 300 pixels; the cell is the slice's left front quarter, to the screen's right.
    assert (right.min(), right.max()) == pytest.approx((200, 350), abs=3)
    assert (down.min(), down.max()) == pytest.approx((0, 150), abs=3)


def test_blocks_follow_the_camera(a_reading):
    scene, mapping = on_axial(a_reading)
    (before, _) = evidence_blocks(scene, mapping)
    camera = a_reading.cameras[Plane.AXIAL]
    a_reading.move_camera(Plane.AXIAL, type(camera)(2.0, (10.0, 0.0)))
    (after, _) = evidence_blocks(*on_axial(a_reading))
    assert np.ptp(np.array(after.outline), axis=0) == pytest.approx(
        2 * np.ptp(np.array(before.outline), axis=0)
    )


def test_the_legend_stays_without_overlays_and_touches_no_other_line(a_reading):
    for level in OverlayLevel:
        a_reading.overlay = level
        scene, mapping = on_axial(a_reading)
        legend = evidence_legend(scene, mapping)
        assert [m.text for m in legend] == [
            "model evidence", "cells 60 × 60 × 60 mm", "not a segmentation",
        ]  # fmt: skip
        assert {m.tone for m in legend} == {Tone.MODEL_TEXT}
        others = [
            m.y for m in slice_marks(scene, mapping)
            if isinstance(m, TextMark) and m.align == (1, -1) and m.y < 150
        ]  # fmt: skip
        assert not others or legend[0].y >= max(others) + 15


def test_a_slice_without_evidence_says_so(a_reading):
    a_reading.point_at((30.0, -30.0, -50.0))
    scene, mapping = on_axial(a_reading)
    assert not evidence_blocks(scene, mapping)
    assert evidence_legend(scene, mapping)[-1].text == "none in this slice"
