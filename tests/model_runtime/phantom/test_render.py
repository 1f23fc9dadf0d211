"""The scanner: planes, masks, noise and what the model's own grid gets."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from model_runtime.api import HuWindow, Region
from model_runtime.phantom.case import Case, Finding, sample_case
from model_runtime.phantom.render import acquire, masks, render, render_for_model
from model_runtime.phantom.scanner import noise, through_slices
from model_runtime.resample import resampling

EFFUSION = Finding("pleural effusion", "left", degree="moderate")
NODULE = Finding("nodule", "right upper lobe", 25)
WINDOW = HuWindow(-1100, 700)


def patient(*findings, plane="axial", thickness=2.0, region=Region.CHEST):
    return Case(5, region, "male", 60, "portal venous", 1.0, 1.0, 1.0, findings, plane, thickness)


@pytest.mark.parametrize("plane", ["axial", "coronal", "sagittal"])
def test_every_plane_shows_the_same_places(plane):
    """What is brightest and what is air lies at the same LPS mm as in the volume."""
    case = patient(EFFUSION, plane=plane)
    volume, to_lps = render(case, (40, 64, 64))
    shape = {"axial": (40, 64, 64), "coronal": (64, 40, 64), "sagittal": (64, 40, 64)}[plane]
    slices, matrix = acquire(case, shape)
    assert slices.shape == shape
    rng = np.random.default_rng(0)
    inner = rng.uniform(-0.6, 0.6, (400, 3)) * (120, 80, 130)
    ones = np.ones((400, 1))
    x, y, z = np.rint(np.hstack([inner, ones]) @ np.linalg.inv(to_lps).T)[:, :3].T.astype(int)
    c, r, s = np.rint(np.hstack([inner, ones]) @ np.linalg.inv(matrix).T)[:, :3].T.astype(int)
    values = volume[z, y, x], slices[s, r, c]
    assert np.corrcoef(*values)[0, 1] > 0.85


def test_the_directions_of_each_plane():
    axes = {
        "axial": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
        "coronal": ((1, 0, 0), (0, 0, -1), (0, 1, 0)),
        "sagittal": ((0, 1, 0), (0, 0, -1), (-1, 0, 0)),
    }
    for plane, directions in axes.items():
        _, matrix = acquire(patient(plane=plane), (8, 16, 16))
        steps = matrix[:3, :3] / np.linalg.norm(matrix[:3, :3], axis=0)
        np.testing.assert_allclose(steps.T, directions, atol=1e-12)
        assert np.linalg.det(matrix[:3, :3]) > 0


def test_thick_slices_blur_across_the_plane_only():
    spacing = (2.0, 2.0, 2.0)
    hu = np.zeros((40, 40, 40), np.float32)
    hu[20:, 20:, 20:] = 1000
    for axis, plane in enumerate(("axial", "coronal", "sagittal")):
        case = replace(patient(plane=plane, thickness=10.0), blur=0.5)
        edges = [np.abs(np.diff(through_slices(hu, spacing, case), axis=n)).max() for n in range(3)]
        assert edges[axis] < 400
        assert min(edges[:axis] + edges[axis + 1 :]) > 600


def test_a_smooth_kernel_blurs_more_than_a_sharp_one():
    hu = np.zeros((8, 40, 40), np.float32)
    hu[:, :, 20:] = 1000
    steep = [
        np.diff(through_slices(hu, (2.0, 1.0, 1.0), replace(patient(), blur=blur)), axis=2).max()
        for blur in (0.5, 1.7)
    ]
    assert steep[0] > 2 * steep[1]


def test_noise_has_the_strength_of_the_case_and_grows_with_the_path():
    spacing = (1.0, 1.0, 1.0)
    for strength in (8.0, 28.0):
        air = np.full((12, 64, 64), -1000, np.float32)
        drawn = noise(air, spacing, replace(patient(), noise=strength), np.random.default_rng(1))
        assert drawn.std() == pytest.approx(strength, rel=0.1)
        assert np.corrcoef(drawn[:, :, 1:].ravel(), drawn[:, :, :-1].ravel())[0, 1] > 0.3
    wide = np.full((12, 64, 64), -1000, np.float32)
    wide[6:] = 3000
    spacing = (1.0, 1.0, 2.0)
    drawn = noise(wide, spacing, replace(patient(), noise=8.0), np.random.default_rng(1))
    assert drawn[6:].std() > 1.2 * drawn[:6].std()


def test_masks_lie_where_the_finding_changes_the_picture():
    case = patient(EFFUSION, NODULE)
    shown = masks(case, (32, 64, 64), body_only=True)
    assert shown.shape == (2, 32, 64, 64)
    assert shown.dtype == np.bool_
    voxels, matrix = render(case, (32, 64, 64), body_only=True)
    for mask, right in zip(shown, (False, True), strict=True):
        z, y, x = np.nonzero(mask)
        centre = matrix @ (x.mean(), y.mean(), z.mean(), 1)
        assert (centre[0] < -10) == right
        assert -200 < np.median(voxels[mask]) < 110
    sizes = shown.sum((1, 2, 3)) * abs(np.linalg.det(matrix[:3, :3]))
    assert sizes[1] == pytest.approx(4 / 3 * np.pi * 12.5**3, rel=0.5)
    assert not (shown[0] & shown[1]).any()


def test_without_findings_there_are_no_masks():
    assert masks(patient(), (8, 16, 16)).shape == (0, 8, 16, 16)


def preprocessed(case, window, shape):
    scanned, _ = render(case, tuple(3 * count for count in shape), body_only=True)
    steps = resampling(scanned, window, shape, True)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


@pytest.mark.parametrize("region", list(Region))
def test_the_model_grid_is_what_preprocessing_makes_of_a_scan(region):
    window = {Region.HEAD: HuWindow(0, 80), Region.ABDOMEN: HuWindow(-160, 240)}.get(region, WINDOW)
    case = next(c for c in map(sample_case, range(80)) if c.region is region)
    expected = preprocessed(case, window, (24, 32, 32))
    errors = []
    for finer in (1, 2):
        drawn = render_for_model(case, (24, 32, 32), window, finer)
        assert drawn.dtype == np.float32
        assert drawn.min() >= 0
        assert drawn.max() <= 1
        errors.append(float(np.abs(drawn - expected).mean()))
    assert errors[1] < 0.025
    assert errors[1] < errors[0] < 0.1
