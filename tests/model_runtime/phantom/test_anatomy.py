"""The phantom's truth is in its voxels: the right HU, on the right side."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from model_runtime.api import Region
from model_runtime.phantom.case import Case, Finding, sample_case
from model_runtime.phantom.render import render

SHAPE = (48, 96, 96)


def patient(region, *findings):
    phase = "non-contrast" if region is Region.HEAD else "portal venous"
    return Case(7, region, "female", 60, phase, 1.0, 1.0, 1.0, findings)


def changed(region, finding):
    """HU with and without a finding, and the LPS mm (x, y, z) of each voxel's column."""
    present, matrix = render(patient(region, finding), SHAPE, body_only=True)
    absent, _ = render(patient(region), SHAPE, body_only=True)
    return present.astype(int), absent.astype(int), matrix


def centre_of(difference, matrix, threshold):
    z, y, x = np.nonzero(np.abs(difference) > threshold)
    assert len(z) > 5, "the finding is not visible"
    return (matrix @ (x.mean(), y.mean(), z.mean(), 1))[:3]


def test_equal_seeds_give_equal_voxels():
    first, matrix = render(sample_case(11), SHAPE)
    second, same = render(sample_case(11), SHAPE)
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(matrix, same)
    assert sample_case(11) == sample_case(11)
    assert sample_case(11) != sample_case(12)


def test_one_case_on_two_grids_is_the_same_anatomy():
    case = patient(Region.CHEST, Finding("mass", "left upper lobe", 60))
    fine, fine_matrix = render(case, (60, 150, 150))
    coarse, coarse_matrix = render(case, (30, 75, 75))
    halved = fine.reshape(30, 2, 75, 2, 75, 2).mean((1, 3, 5))
    inner = (fine_matrix @ (0.5, 0.5, 0.5, 1))[:3]
    np.testing.assert_allclose(inner, coarse_matrix[:3, 3], atol=1e-4)
    assert np.abs(halved - coarse).mean() < 40


def test_the_matrix_is_lps_with_the_head_up():
    _, matrix = render(sample_case(3), SHAPE)
    assert np.all(np.diag(matrix) > 0)
    np.testing.assert_array_equal(matrix[:3, :3], np.diag(np.diag(matrix)[:3]))


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize(
    ("region", "finding"),
    [
        (Region.CHEST, Finding("pleural effusion", "{}", degree="moderate")),
        (Region.CHEST, Finding("pneumothorax", "{}", degree="moderate")),
        (Region.CHEST, Finding("nodule", "{} lower lobe", 25)),
        (Region.CHEST, Finding("mass", "{} upper lobe", 50)),
        (Region.CHEST, Finding("consolidation", "{} lower lobe")),
        (Region.CHEST, Finding("ground glass", "{} upper lobe")),
        (Region.ABDOMEN, Finding("renal cyst", "{}", 35)),
        (Region.ABDOMEN, Finding("renal stone", "{}", 15)),
        (Region.ABDOMEN, Finding("hydronephrosis", "{}", degree="severe")),
        (Region.HEAD, Finding("intracerebral haemorrhage", "{} frontal", 40)),
        (Region.HEAD, Finding("infarct", "{} parietal")),
        (Region.HEAD, Finding("subdural haematoma", "{}", 15)),
    ],
)
def test_a_sided_finding_lies_on_its_side(side, region, finding):
    sided = replace(finding, place=finding.place.format(side))
    present, absent, matrix = changed(region, sided)
    threshold = 8 if region is Region.HEAD else 50
    x = centre_of(present - absent, matrix, threshold)[0]
    assert x > 10 if side == "left" else x < -10


def test_the_liver_is_on_the_right_and_the_heart_on_the_left():
    abdomen, matrix = render(patient(Region.ABDOMEN), SHAPE, body_only=True)
    z, y, x = np.nonzero((abdomen > 95) & (abdomen < 130))
    assert (matrix @ (np.median(x), np.median(y), np.median(z), 1))[0] < -20
    large, normal, matrix = changed(Region.CHEST, Finding("cardiomegaly", degree="moderate"))
    assert centre_of(large - normal, matrix, 100)[0] > 5


@pytest.mark.parametrize(
    ("region", "finding", "low", "high"),
    [
        (Region.CHEST, Finding("pleural effusion", "right", degree="large"), 0, 25),
        (Region.CHEST, Finding("pneumothorax", "right", degree="large"), -1020, -980),
        (Region.CHEST, Finding("mass", "right lower lobe", 55), 20, 90),
        (Region.CHEST, Finding("ground glass", "left upper lobe"), -800, -400),
        (Region.ABDOMEN, Finding("hepatic cyst", "right hepatic lobe", 45), -10, 20),
        (Region.ABDOMEN, Finding("renal cyst", "left", 45), -15, 25),
        (Region.ABDOMEN, Finding("ascites", degree="large"), -5, 25),
        (Region.HEAD, Finding("intracerebral haemorrhage", "left frontal", 45), 45, 80),
        (Region.HEAD, Finding("hydrocephalus", degree="severe"), -5, 15),
    ],
)
def test_a_finding_has_its_own_hounsfield_units(region, finding, low, high):
    present, absent, _ = changed(region, finding)
    inside = np.abs(present - absent) > (15 if region is Region.HEAD else 60)
    assert low < np.median(present[inside]) < high


def test_the_degree_of_an_effusion_is_its_volume():
    counts = []
    for degree in ("small", "moderate", "large"):
        finding = Finding("pleural effusion", "left", degree=degree)
        present, absent, _ = changed(Region.CHEST, finding)
        counts.append(np.count_nonzero(np.abs(present - absent) > 100))
    assert 0 < 1.3 * counts[0] < counts[1] < counts[2] / 1.3


def test_contrast_brightens_the_aorta_by_phase():
    hu = {}
    for phase in ("non-contrast", "portal venous", "arterial"):
        case = replace(patient(Region.CHEST), phase=phase)
        voxels, _ = render(case, SHAPE, body_only=True)
        hu[phase] = np.count_nonzero((voxels > 120) & (voxels < 330))
    assert hu["non-contrast"] < hu["portal venous"]
    assert hu["non-contrast"] < hu["arterial"]
