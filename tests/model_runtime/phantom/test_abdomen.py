"""The abdomen: densities by phase, sides, and findings that are where and as large as told."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
from numpy.typing import NDArray

from model_runtime.api import Region
from model_runtime.phantom.abdomen_frame import CORTEX, LIVER, SPLEEN, Frame
from model_runtime.phantom.abdomen_organs import LOBES
from model_runtime.phantom.case import (
    AMOUNTS,
    PHASES,
    SEVERITIES,
    SIDES,
    Case,
    Finding,
    sample_case,
)
from model_runtime.phantom.render import half_size, masks, render

_SHAPE = (96, 96, 128)


def _case(*findings: Finding, phase: str = "portal venous", sex: str = "male") -> Case:
    return Case(5, Region.ABDOMEN, sex, 60, phase, 1.0, 1.0, 1.0, findings, noise=0.0)


def _near(
    hu: NDArray[np.int16], lps: NDArray[np.float64], point: tuple[float, float, float]
) -> float:
    """Return the median HU of 27 voxels around a point."""
    x, y, z = np.rint(np.linalg.solve(lps, [*point, 1.0])[:3]).astype(int)
    return float(np.median(hu[z - 1 : z + 2, y - 1 : y + 2, x - 1 : x + 2]))


def _voxel(case: Case) -> float:
    """Return the volume of a voxel in ml where the body fills the grid."""
    return float(np.prod(2 * np.array(half_size(case))) / np.prod(_SHAPE) / 1000)


def _diameter(case: Case) -> float:
    """Return the diameter in mm of a ball as large as the only finding's mask."""
    volume = float(masks(case, _SHAPE, body_only=True)[0].sum()) * _voxel(case) * 1000
    return float(np.cbrt(6 * volume / np.pi))


@pytest.mark.parametrize("phase", PHASES)
def test_tissues_have_the_density_of_their_phase(phase: str) -> None:
    case = _case(phase=phase)
    frame = Frame.of(case)
    hu, lps = render(case, _SHAPE, body_only=True)
    centre, radii = LOBES["right hepatic lobe"]
    random = np.random.default_rng(0)
    spots = [np.add(centre, random.uniform(-0.5, 0.5, 3) * radii) for _ in range(60)]
    liver = np.median([_near(hu, lps, frame.at(*spot)) for spot in spots])
    assert liver == pytest.approx(LIVER[phase], abs=6)
    assert _near(hu, lps, frame.at(103, 36, 92)) == pytest.approx(SPLEEN[phase], abs=8)
    assert _near(hu, lps, frame.at(88, 40, 28)) == pytest.approx(CORTEX[phase], abs=40)
    blood = _near(hu, lps, frame.at(8, 10, 90))
    assert {"non-contrast": 20, "arterial": 250, "portal venous": 140, "delayed": 95}[phase] < blood
    assert blood < {"non-contrast": 60, "arterial": 340, "portal venous": 190}.get(phase, 140)


def test_liver_lies_right_and_spleen_left() -> None:
    case = _case(Finding("steatosis", degree="mild"), Finding("splenomegaly", size=140))
    liver, spleen = masks(case, _SHAPE, body_only=True)
    middle = _SHAPE[2] / 2
    assert np.argwhere(liver)[:, 2].mean() < 0.8 * middle
    assert np.argwhere(spleen)[:, 2].mean() > 1.3 * middle


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("kind", ["renal cyst", "renal stone", "hydronephrosis", "hip prosthesis"])
def test_findings_lie_on_their_side(kind: str, side: str) -> None:
    mask = masks(_case(Finding(kind, side, 20, degree="mild")), _SHAPE, body_only=True)[0]
    across = np.argwhere(mask)[:, 2] - _SHAPE[2] / 2
    assert mask.any()
    assert (across.mean() < 0) == (side == "right")


@pytest.mark.parametrize("size", [20, 35, 50])
@pytest.mark.parametrize(
    ("kind", "place"),
    [
        ("hepatic cyst", "right hepatic lobe"),
        ("hepatic cyst", "left hepatic lobe"),
        ("renal cyst", "right"),
        ("renal cyst", "left"),
    ],
)
def test_cysts_are_as_large_as_told(kind: str, place: str, size: int) -> None:
    assert _diameter(_case(Finding(kind, place, size))) == pytest.approx(size, rel=0.2)


@pytest.mark.parametrize("size", [50, 60, 75])
def test_an_aneurysm_is_as_wide_as_told(size: int) -> None:
    case = _case(Finding("abdominal aortic aneurysm", size=size))
    mask = masks(case, _SHAPE, body_only=True)[0]
    step = 2 * half_size(case)[0] / _SHAPE[2]
    assert step * mask.any((0, 1)).sum() == pytest.approx(size, rel=0.2)


@pytest.mark.parametrize("size", [140, 160, 180])
def test_a_large_spleen_is_as_long_as_told(size: int) -> None:
    case = _case(Finding("splenomegaly", size=size))
    mask = masks(case, _SHAPE, body_only=True)[0]
    step = 2 * half_size(case)[2] / _SHAPE[0]
    assert step * mask.any((1, 2)).sum() == pytest.approx(size, rel=0.2)


@pytest.mark.parametrize("count", [2, 3, 5])
@pytest.mark.parametrize("size", [15, 25, 35])
def test_metastases_are_as_many_and_as_large_as_told(count: int, size: int) -> None:
    from scipy.ndimage import label

    case = _case(Finding("hepatic metastases", size=size, count=count))
    mask = masks(case, _SHAPE, body_only=True)[0]
    regions, number = label(mask)
    assert number == count
    largest = np.bincount(regions.ravel())[1:].max() * _voxel(case) * 1000
    assert np.cbrt(6 * largest / np.pi) == pytest.approx(size, rel=0.2)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_gallstones_can_be_counted(count: int) -> None:
    from scipy.ndimage import label

    mask = masks(_case(Finding("gallstones", count=count)), _SHAPE, body_only=True)[0]
    assert label(mask)[1] == count


@pytest.mark.parametrize(
    ("kind", "place", "degrees", "factor"),
    [
        ("ascites", "", AMOUNTS, 1.5),
        ("hydronephrosis", "left", SEVERITIES, 1.4),
        ("bowel obstruction", "", SEVERITIES, 1.3),
    ],
)
def test_volumes_grow_by_degree(
    kind: str, place: str, degrees: tuple[str, ...], factor: float
) -> None:
    cases = [_case(Finding(kind, place, degree=degree)) for degree in degrees]
    volumes = [masks(case, _SHAPE, body_only=True)[0].sum() * _voxel(case) for case in cases]
    assert volumes[1] > factor * volumes[0] > 0
    assert volumes[2] > factor * volumes[1]


@pytest.mark.parametrize("phase", PHASES)
def test_a_fatty_liver_is_darker_by_degree_and_darker_than_the_spleen(phase: str) -> None:
    liver, shape = [], (48, 48, 64)
    for degree in SEVERITIES:
        case = _case(Finding("steatosis", degree=degree), phase=phase)
        hu, _ = render(case, shape, body_only=True)
        liver.append(float(np.median(hu[masks(case, shape, body_only=True)[0]])))
    assert SPLEEN[phase] - 10 > liver[0] > liver[1] + 15 > liver[2] + 30


def test_gas_in_an_obstructed_bowel_lies_in_front_of_fluid() -> None:
    case = _case(Finding("bowel obstruction", degree="moderate"))
    mask = masks(case, _SHAPE, body_only=True)[0]
    hu, _ = render(case, _SHAPE, body_only=True)
    gas, fluid = np.argwhere(mask & (hu < -500)), np.argwhere(mask & (hu > -20) & (hu < 40))
    assert len(gas) > 0.15 * mask.sum()
    assert len(fluid) > 0.15 * mask.sum()
    assert gas[:, 1].mean() + 5 < fluid[:, 1].mean()


@pytest.mark.parametrize("first", [0, 15, 30, 45])
def test_every_finding_shows_against_the_same_case_without_it(first: int) -> None:
    shape = (48, 64, 64)
    seeds = (sample_case(seed) for seed in range(400))
    abdomens = (case for case in seeds if case.region is Region.ABDOMEN)
    cases = list(islice(abdomens, first, first + 15))
    assert len(cases) == 15
    for case in cases:
        quiet = replace(case, noise=0.0)
        marked = masks(quiet, shape, body_only=True)
        seen = _windowed(quiet, shape)
        for index, finding in enumerate(case.findings):
            assert marked[index].any(), (case.seed, finding)
            others = tuple(other for other in case.findings if other != finding)
            without = _windowed(replace(quiet, findings=others), shape)
            change = np.abs(seen - without)[marked[index]]
            assert np.percentile(change, 75) > 25, (case.seed, case.phase, finding)


def _windowed(case: Case, shape: tuple[int, int, int]) -> NDArray[np.float64]:
    """Render and clip to the window in which the model sees the abdomen."""
    hu = render(case, shape, body_only=True)[0]
    return np.clip(hu, -160, 240).astype(np.float64)
