"""Solids keep their volume on every grid, and parts cover each other in their order."""

from __future__ import annotations

import numpy as np
import pytest

from model_runtime.phantom.canvas import Canvas
from model_runtime.phantom.scene import Ball, Column, Half, Rod, Scene, Texture

FINE, COARSE = (1.0, 1.0, 1.0), (9.0, 3.5, 5.0)


def drawn(scene, spacing, size=80.0, shift=(0.0, 0.0, 0.0), findings=0):
    shape = tuple(int(size / step) for step in spacing)
    canvas = Canvas(shape, spacing, shift, findings)
    canvas.draw(scene)
    return canvas


def volume(solid, spacing):
    """Drawn mm³, the mean over grids that lie differently."""
    scene = Scene()
    scene.add(solid, hu=0.0)
    shifts = np.random.default_rng(3).uniform(-5, 5, (10, 3))
    filled = [(drawn(scene, spacing, shift=tuple(s)).hu / 1000 + 1).sum() for s in shifts]
    return float(np.mean(filled)) * float(np.prod(spacing))


@pytest.mark.parametrize("spacing", [FINE, (5.0, 5.0, 5.0), COARSE])
@pytest.mark.parametrize(
    ("solid", "expected"),
    [
        (Ball((0, 0, 0), (2, 2, 2)), 4 / 3 * np.pi * 8),
        (Ball((0, 0, 0), (10, 10, 10)), 4 / 3 * np.pi * 1000),
        (Ball((3, 1, 0), (25, 8, 14)), 4 / 3 * np.pi * 25 * 8 * 14),
        (Rod((0, -15, -33), (0, 10, 33), (1.2, 1.2)), np.pi * 1.44 * np.hypot(25, 66)),
        (Rod((0, -15, -20), (5, 10, 20), (6, 6)), np.pi * (36 * 2250**0.5 + 4 / 3 * 216)),
        (Column((0, 0), (12, 6), (-1.5, 1.0)), np.pi * 12 * 6 * 2.5),
    ],
)
def test_a_solid_keeps_its_volume_thick_or_thin(solid, expected, spacing):
    assert volume(solid, spacing) == pytest.approx(expected, rel=0.08)


def test_a_boxy_ball_is_between_ellipsoid_and_box():
    round_, boxy = (volume(Ball((0, 0, 0), (20, 15, 10), p), FINE) for p in (2.0, 6.0))
    assert round_ < boxy < 8 * 20 * 15 * 10
    assert boxy > 0.85 * 8 * 20 * 15 * 10


def test_a_flat_surface_has_the_partial_volume_of_its_voxels():
    scene = Scene()
    scene.add(Half((0.0, 0.0, 1.0), 1.0), hu=0.0)
    hu = drawn(scene, (10.0, 4.0, 4.0)).hu[:, 5, 5]
    # Voxels reach from -10 to 0 and from 0 to 10 around the middle: 1 of 10 mm is not filled.
    np.testing.assert_allclose(hu[3:6], [-1000, -100, 0], atol=0.5)


def test_a_solid_only_fills_its_own_box():
    scene = Scene()
    scene.add(Ball((10, -20, 5), (6, 7, 8)), hu=500.0)
    canvas = drawn(scene, FINE)
    z, y, x = np.nonzero(canvas.hu > -500)
    low = (canvas.index_to_lps @ (x.min(), y.min(), z.min(), 1))[:3]
    high = (canvas.index_to_lps @ (x.max(), y.max(), z.max(), 1))[:3]
    np.testing.assert_allclose(low, (4, -27, -3), atol=1)
    np.testing.assert_allclose(high, (16, -13, 13), atol=1)
    assert canvas.hu.max() == pytest.approx(500)


def test_a_part_is_cut_by_what_it_lies_in_and_out_of():
    scene = Scene()
    ball = Ball((0, 0, 0), (20, 20, 20))
    scene.add(ball, Half((1.0, 0.0, 0.0), 0.0), outside=(Ball((0, 0, 0), (10, 10, 10)),), hu=0.0)
    canvas = drawn(scene, FINE)
    filled = canvas.hu / 1000 + 1
    assert filled[:, :, :39].max() < 0.01
    assert filled[36:44, 36:44, 40:46].max() < 0.01
    expected = 2 / 3 * np.pi * (20**3 - 10**3)
    assert filled.sum() == pytest.approx(expected, rel=0.03)


def test_a_soft_edge_fades_over_its_width():
    scene = Scene()
    scene.add(Half((1.0, 0.0, 0.0), 0.0), hu=0.0, edge=20.0)
    row = drawn(scene, FINE).hu[40, 40]
    np.testing.assert_allclose(row[[20, 29, 40, 49, 60]], [-1000, -1000, -475, -25, 0], atol=30)


def test_texture_is_the_same_on_two_grids():
    scene = Scene()
    scene.add(Ball((0, 0, 0), (36, 36, 36)), hu=0.0, texture=Texture(50.0, 15.0, 4))
    fine, coarse = drawn(scene, (2.0, 2.0, 2.0)).hu, drawn(scene, (4.0, 4.0, 4.0)).hu
    halved = fine.reshape(20, 2, 20, 2, 20, 2).mean((1, 3, 5))
    inner = (slice(6, 14),) * 3
    assert coarse[inner].std() > 12
    assert (halved[inner] - coarse[inner]).std() < 4


def test_adding_changes_what_is_there():
    scene = Scene()
    scene.ball((0, 0, 0), 30, 40.0)
    scene.add(Ball((0, 0, 0), (10, 10, 10)), hu=25.0, adds=True)
    canvas = drawn(scene, FINE)
    assert canvas.hu[40, 40, 40] == pytest.approx(65)
    assert canvas.hu[40, 40, 60] == pytest.approx(40)


def test_coverage_goes_to_what_is_painted_last():
    scene = Scene()
    with scene.showing(0):
        scene.ball((0, 0, 0), 15, 40.0)
    with scene.showing(1):
        scene.ball((10, 0, 0), 10, 60.0)
    scene.ball((-10, 0, 0), 8, 10.0)
    first, second = drawn(scene, FINE, findings=2).coverage
    assert first[40, 40, 41] < 0.01
    assert second[40, 40, 45] > 0.99
    assert first[40, 40, 30] == pytest.approx(0, abs=1e-6)
    assert second.sum() == pytest.approx(4 / 3 * np.pi * 1000, rel=0.02)
    assert np.all(first + second <= 1 + 1e-5)
    assert np.all(first >= 0)


def test_what_adds_shows_its_finding_and_hides_none():
    scene = Scene()
    with scene.showing(0):
        scene.ball((0, 0, 0), 15, 40.0)
    with scene.showing(1):
        scene.add(Ball((0, 0, 0), (10, 10, 10)), hu=25.0, adds=True)
    first, second = drawn(scene, FINE, findings=2).coverage
    assert first[40, 40, 40] == pytest.approx(1)
    assert second[40, 40, 40] == pytest.approx(1)
