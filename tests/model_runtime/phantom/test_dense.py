"""Scenes drawn in torch are those drawn in numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from model_runtime.api import Region
from model_runtime.phantom.canvas import Canvas
from model_runtime.phantom.case import sample_case
from model_runtime.phantom.dense import draw, draw_cases
from model_runtime.phantom.render import build_scene, half_size
from model_runtime.phantom.scene import Ball, Column, Half, Rod, Scene, Texture

SHAPE = (8, 16, 18)
TOLERANCE = 0.1
"""HU; far less than the noise."""


def both(scene, shape, spacing, findings):
    canvas = Canvas(shape, spacing, findings=findings)
    canvas.draw(scene)
    return canvas, draw(scene, shape, spacing, findings)


@pytest.mark.parametrize("region", list(Region))
def test_a_case_is_the_same_in_torch(region):
    case = next(c for c in map(sample_case, range(50, 100)) if c.region is region and c.findings)
    x, y, z = (2 * half for half in half_size(case))
    spacing = (z / SHAPE[0], y / SHAPE[1], x / SHAPE[2])
    canvas, dense = both(build_scene(case), SHAPE, spacing, len(case.findings))
    assert canvas.hu.std() > 100
    np.testing.assert_allclose(dense.hu.numpy(), canvas.hu, atol=TOLERANCE)
    assert canvas.coverage.max() > 0
    np.testing.assert_allclose(dense.coverage.numpy(), canvas.coverage, atol=1e-3)


def test_a_batch_holds_its_cases():
    cases = [c for c in map(sample_case, range(60)) if c.region is Region.HEAD][:2]
    first, second = draw_cases(cases, SHAPE)
    np.testing.assert_array_equal(first, draw_cases(cases[:1], SHAPE)[0])
    assert (first - second).abs().max() > 100


def test_every_solid_and_way_of_painting_is_the_same_in_torch():
    scene = Scene()
    scene.add(Ball((0, 0, 0), (70, 60, 50), 4.0), hu=-50.0, texture=Texture(20.0, 18.0, 5))
    scene.add(Column((5, 5), (30, 20), (-20, 30)), outside=(Ball((0, 0, 0), (9, 9, 40)),), hu=40.0)
    with scene.showing(0):
        scene.ball((10, 0, 0), (15, 25, 12), 70.0)
        scene.add(Rod((-30, 0, -30), (30, 10, 30), (3.0, 1.0)), hu=300.0)
    with scene.showing(1):
        scene.add(Ball((15, 0, 0), (15, 15, 15)), hu=30.0, adds=True, edge=12.0)
    scene.add(Ball((0, 30, 0), (40, 40, 40)), Half((0.0, 0.6, 0.8), 10.0), hu=-900.0)
    canvas, dense = both(scene, (16, 32, 32), (8.0, 5.0, 6.0), 2)
    np.testing.assert_allclose(dense.hu.numpy(), canvas.hu, atol=TOLERANCE)
    np.testing.assert_allclose(dense.coverage.numpy(), canvas.coverage, atol=1e-3)
    assert dense.coverage.amax((1, 2, 3)).min() > 0.9


def test_slabs_make_no_difference(monkeypatch):
    scene = Scene()
    scene.ball((0, 0, 0), (30, 40, 20), 50.0)
    scene.tube([(-40, 0, -40), (0, 5, 0), (40, 0, 40)], (5, 4, 2), 200.0)
    whole = draw(scene, (12, 24, 24), (8.0, 5.0, 5.0)).hu
    monkeypatch.setattr("model_runtime.phantom.dense._VALUES_AT_ONCE", 3 * 24 * 24)
    torch.testing.assert_close(draw(scene, (12, 24, 24), (8.0, 5.0, 5.0)).hu, whole)
