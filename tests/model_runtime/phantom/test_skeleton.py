"""Bones: densities, and fractures and lytic lesions that are where and as large as told."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from model_runtime.api import Region
from model_runtime.phantom.canvas import Canvas
from model_runtime.phantom.case import SEVERITIES, SIDES, Case, Finding
from model_runtime.phantom.scene import Scene
from model_runtime.phantom.skeleton import (
    CORTEX_HU,
    DISC_HU,
    LOSS,
    MARROW_HU,
    pelvis,
    ribs,
    spine,
    sternum,
)

_STEP, _RADII, _PLACE = 26.0, (20.0, 16.0), "mid thoracic spine"
_LEVEL = 0.0
_MM = 1.5


def _case(*findings: Finding) -> Case:
    return Case(3, Region.CHEST, "female", 70, "arterial", 1.0, 1.0, 1.0, findings)


def _drawn(
    scene: Scene, shape: tuple[int, int, int], findings: int = 0
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    canvas = Canvas(shape, (_MM, _MM, _MM), findings=findings)
    canvas.hu[:] = 40
    canvas.draw(scene)
    return canvas.hu, canvas.coverage


def _spine(*findings: Finding) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Draw five vertebrae of which the middle one lies at z = 0."""
    scene = Scene()
    spine(scene, _case(*findings), (0.0, 0.0), (-65.0, 65.0), {_PLACE: _LEVEL + 3})
    return _drawn(scene, (81, 81, 61), len(findings))


def _bone(hu: NDArray[np.float32], y: float) -> float:
    """Return the mm of bone of the middle vertebra at a depth, in the middle plane."""
    column = hu[:, round(40 + y / _MM), 30]
    near = np.abs((np.arange(81) - 40) * _MM) < 0.5 * _STEP
    return float((column[near] > 130).sum() * _MM)


def test_vertebrae_are_dense_shells_with_discs_between() -> None:
    hu, _ = _spine()
    assert hu[40, 40, 30] == pytest.approx(MARROW_HU, abs=2)
    assert hu[round(40 + 0.5 * _STEP / _MM), 40, 30] == pytest.approx(DISC_HU, abs=2)
    rim = hu[40, 40 - round(_RADII[1] / _MM) - 1 : 40 - round(_RADII[1] / _MM) + 3, 30]
    assert rim.max() > 0.85 * CORTEX_HU
    canal = hu[40, round(40 + (_RADII[1] + 8) / _MM), 30]
    assert canal == pytest.approx(38, abs=2)


@pytest.mark.parametrize("degree", SEVERITIES)
def test_a_fractured_vertebra_has_lost_its_height_in_front(degree: str) -> None:
    whole, _ = _spine()
    broken, shown = _spine(Finding("vertebral fracture", _PLACE, degree=degree))
    front, back = (_bone(broken, y) / _bone(whole, y) for y in (-12.0, 12.0))
    assert front == pytest.approx(1 - LOSS[degree], abs=0.12)
    assert front < back
    heights = np.argwhere(shown[0] > 0.5)[:, 0]
    assert np.abs(heights - 40).max() * _MM < 0.6 * _STEP


def test_a_fracture_leaves_the_other_vertebrae_as_they_are() -> None:
    whole, _ = _spine()
    broken, _ = _spine(Finding("vertebral fracture", _PLACE, degree="severe"))
    far = np.abs((np.arange(81) - 40) * _MM) > 0.6 * _STEP
    np.testing.assert_array_equal(whole[far], broken[far])


@pytest.mark.parametrize("size", [15, 20, 30])
@pytest.mark.parametrize("at", [-0.2, 0.2])
def test_a_lytic_lesion_is_soft_and_breaks_the_cortex(size: int, at: float) -> None:
    finding = Finding("lytic bone lesion", _PLACE, size, at=(at, 0.0, 0.0))
    whole, _ = _spine()
    hu, shown = _spine(finding)
    mask = shown[0] > 0.5
    assert np.cbrt(6 * mask.sum() * _MM**3 / np.pi) == pytest.approx(size, rel=0.2)
    assert np.median(hu[mask]) == pytest.approx(45, abs=3)
    assert ((np.argwhere(mask)[:, 2].mean() - 30) > 0) == (at > 0)
    assert whole[mask].max() > 350
    assert (whole[mask] > 150).mean() > 0.3


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("size", [15, 30])
def test_an_iliac_lesion_is_a_hole_in_the_wing_of_its_side(side: str, size: int) -> None:
    finding = Finding("lytic bone lesion", f"{side} iliac bone", size)
    drawn = []
    for findings in ((), (finding,)):
        scene = Scene()
        pelvis(scene, _case(*findings), (150.0, 100.0), 38.0, 60.0)
        drawn.append(_drawn(scene, (120, 140, 200), len(findings)))
    (whole, _), (hu, shown) = drawn
    mask = shown[0] > 0.5
    assert np.cbrt(6 * mask.sum() * _MM**3 / np.pi) == pytest.approx(size, rel=0.2)
    assert (np.argwhere(mask)[:, 2].mean() < 100) == (side == "right")
    assert ((whole[mask] > 150) & (hu[mask] < 100)).mean() > 0.25


def test_the_pelvis_is_alike_on_both_sides() -> None:
    scene = Scene()
    pelvis(scene, _case(), (150.0, 100.0), 38.0, 60.0)
    hu, _ = _drawn(scene, (100, 120, 200))
    np.testing.assert_allclose(hu, hu[:, :, ::-1], atol=1.0)
    assert (hu > 300).sum() * _MM**3 / 1000 > 150


def test_ribs_are_unbroken_and_sink_to_the_front() -> None:
    from scipy.ndimage import label

    scene = Scene()
    ribs(scene, (90.0, 70.0), [10.0], drop=38.0)
    hu, _ = _drawn(scene, (70, 120, 150))
    bone = hu > 200
    assert label(bone, np.ones((3, 3, 3)))[1] == 2
    heights, depths = np.argwhere(bone)[:, 0], np.argwhere(bone)[:, 1]
    assert heights[depths > 90].mean() - heights[depths < 40].mean() > 15 / _MM


def test_the_breast_bone_has_a_loose_core() -> None:
    scene = Scene()
    sternum(scene, 0.0, (-50.0, 50.0))
    hu, _ = _drawn(scene, (80, 30, 60))
    assert hu[40, 14:16, 29:31].mean() == pytest.approx(MARROW_HU, abs=40)
    assert hu.max() > 0.7 * CORTEX_HU
