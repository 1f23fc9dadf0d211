"""The chest: densities by phase, sides, and findings that are where and as large as told."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
from numpy.typing import NDArray

from model_runtime.api import Region
from model_runtime.phantom.case import (
    AMOUNTS,
    LOBES,
    PHASES,
    SEVERITIES,
    SIDES,
    Case,
    Finding,
    kinds_of,
    sample_case,
)
from model_runtime.phantom.chest_frame import clearance, frame_of, lungs_of
from model_runtime.phantom.chest_heart import LEFT_BLOOD
from model_runtime.phantom.render import half_size, masks, render

_COARSE = (48, 96, 96)
_COARSEST = (32, 64, 64)
_FINE = (90, 128, 160)
# HU by which a finding must differ from the same case without it, at the model's own grid.
_LEAST_CHANGE = {
    "cardiomegaly": 40.0,
    "lymphadenopathy": 40.0,
    "aortic aneurysm": 30.0,
    "vertebral fracture": 60.0,
    "lytic bone lesion": 60.0,
    "emphysema": 60.0,
    # Beside emphysema the lung was nearly air before; there its edge tells.
    "pneumothorax": 45.0,
}


def _case(*findings: Finding, phase: str = "portal venous", sex: str = "male") -> Case:
    return Case(5, Region.CHEST, sex, 60, phase, 1.0, 1.0, 1.0, findings, noise=0.0)


def _near(hu: NDArray[np.int16], lps: NDArray[np.float64], point: tuple[float, ...]) -> float:
    """Return the median HU of 27 voxels around a point."""
    x, y, z = np.rint(np.linalg.solve(lps, [*point, 1.0])[:3]).astype(int)
    return float(np.median(hu[z - 1 : z + 2, y - 1 : y + 2, x - 1 : x + 2]))


def _millilitres(case: Case, shape: tuple[int, int, int] = _COARSE) -> float:
    """Return the volume of the only finding's mask."""
    voxel = float(np.prod(2 * np.array(half_size(case))) / np.prod(shape) / 1000)
    return float(masks(case, shape, body_only=True)[0].sum()) * voxel


def _middle(case: Case, shape: tuple[int, int, int] = _COARSE) -> NDArray[np.float64]:
    """Return the middle (x, y, z) of the only finding's mask in shares of the half body."""
    places = np.argwhere(masks(case, shape, body_only=True)[0])
    middle: NDArray[np.float64] = (places.mean(0) / (np.array(shape) - 1) * 2 - 1)[::-1]
    return middle


@pytest.mark.parametrize("phase", PHASES)
def test_tissues_have_the_density_of_their_phase(phase: str) -> None:
    case = _case(phase=phase)
    frame = frame_of(case)
    hu, lps = render(case, _FINE, body_only=True)
    assert _near(hu, lps, frame.at(32, 39, -15)) == pytest.approx(LEFT_BLOOD[phase], abs=12)
    assert _near(hu, lps, frame.at(0, 5, 90)) < -800
    lung = np.median([_near(hu, lps, frame.at(-80, y, 30)) for y in (-30, -10, 10, 30)])
    assert -900 < lung < -780
    liver = {"non-contrast": 58, "arterial": 72, "portal venous": 112, "delayed": 95}[phase]
    assert _near(hu, lps, frame.at(-70, 5, -120)) == pytest.approx(liver, abs=12)


def test_heart_points_left_and_liver_lies_right() -> None:
    assert _middle(_case(Finding("cardiomegaly", degree="mild")))[0] > 0.08
    hu, lps = render(_case(), _FINE, body_only=True)
    frame = frame_of(_case())
    gas = [float(hu[:20, :, half].min()) for half in (slice(0, 80), slice(80, None))]
    assert gas[1] < -950  # the stomach's bubble
    assert _near(hu, lps, frame.at(-62, 5, -90)) > 80 > -100 > _near(hu, lps, frame.at(118, 0, -90))


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("kind", ["pleural effusion", "pneumothorax", "port catheter"])
def test_findings_lie_on_their_side(kind: str, side: str) -> None:
    x = _middle(_case(Finding(kind, side, degree="moderate")))[0]
    assert (x < -0.1) if side == "right" else (x > 0.1)


@pytest.mark.parametrize("kind", ["consolidation", "mass", "nodule", "ground glass"])
def test_lobes_are_distinct_places(kind: str) -> None:
    middles = {lobe: _middle(_case(Finding(kind, lobe, 35))) for lobe in LOBES}
    for lobe, (x, y, z) in middles.items():
        assert (x < -0.2) if lobe.startswith("right") else (x > 0.2)
        assert (z > 0.2) if "upper" in lobe else (z < 0.1)
        assert (y > 0.15) if "lower" in lobe else (y < 0.1)


@pytest.mark.parametrize(
    ("kind", "place", "degrees"),
    [
        ("pleural effusion", "right", AMOUNTS),
        ("pleural effusion", "left", AMOUNTS),
        ("pneumothorax", "left", AMOUNTS),
        ("pericardial effusion", "", AMOUNTS),
        ("cardiomegaly", "", SEVERITIES),
        ("emphysema", "", SEVERITIES),
        ("coronary calcification", "", SEVERITIES),
    ],
)
def test_degrees_are_clearly_apart(kind: str, place: str, degrees: tuple[str, ...]) -> None:
    sizes = [_millilitres(_case(Finding(kind, place, degree=degree))) for degree in degrees]
    assert sizes[0] > 1
    assert sizes[1] > 1.25 * sizes[0]
    assert sizes[2] > 1.25 * sizes[1]


def test_fluid_lies_behind_and_below_and_air_before() -> None:
    fluid = _middle(_case(Finding("pleural effusion", "left", degree="small")))
    air = _middle(_case(Finding("pneumothorax", "left", degree="small")))
    assert fluid[1] > 0.2 > -0.05 > air[1]
    assert fluid[2] < air[2]


def test_fluid_spares_the_heart() -> None:
    heart = Finding("cardiomegaly", degree="moderate")
    alone = masks(_case(heart), _COARSE, body_only=True)[0].sum()
    fluid = Finding("pleural effusion", "left", degree="large")
    beside = masks(_case(heart, fluid), _COARSE, body_only=True)[0].sum()
    assert beside == pytest.approx(alone, rel=0.02)


@pytest.mark.parametrize("lobe", LOBES)
@pytest.mark.parametrize("size", [15, 30])
def test_nodules_are_as_large_as_told(lobe: str, size: int) -> None:
    volume = _millilitres(_case(Finding("nodule", lobe, size, at=(0.3, -0.3, 0.2))), _FINE)
    assert float(np.cbrt(6000 * volume / np.pi)) == pytest.approx(size, rel=0.2)


@pytest.mark.parametrize("degree", ["small", "moderate"])
def test_nodules_stay_in_aerated_lung(degree: str) -> None:
    for kind in ("pleural effusion", "pneumothorax"):
        nodule = Finding("nodule", "right lower lobe", 20)
        case = _case(nodule, Finding(kind, "right", degree=degree))
        found = masks(case, _COARSE, body_only=True)[0]
        without, _ = render(replace(case, findings=case.findings[1:]), _COARSE, body_only=True)
        assert np.median(without[found]) < -600
        assert np.median(render(case, _COARSE, body_only=True)[0][found]) > -200


def test_anatomy_is_the_same_with_and_without_a_nodule() -> None:
    case = _case(Finding("nodule", "left upper lobe", 20))
    found = masks(case, _COARSE, body_only=True)[0]
    with_it, _ = render(case, _COARSE, body_only=True)
    without, _ = render(_case(), _COARSE, body_only=True)
    far = np.abs(np.arange(96) - np.argwhere(found)[:, 2].mean()) > 15
    assert np.array_equal(with_it[:, :, far], without[:, :, far])


def test_fissures_part_the_lobes() -> None:
    frame = frame_of(_case())
    for lung in lungs_of(frame, _case()).values():
        for name, centre in lung.centres.items():
            at = np.array([centre])
            assert lung.clearance(at)[0] > 18
            for lobe, (within, without) in lung.lobes.items():
                assert (clearance(at, within, without)[0] > 10) == (lobe == name)


@pytest.mark.parametrize("degree", AMOUNTS)
def test_the_edge_of_a_collapsed_lung_shows_even_in_emphysema(degree: str) -> None:
    air = Finding("pneumothorax", "right", degree=degree)
    case = _case(air, Finding("emphysema", degree="severe"))
    hu, _ = render(case, _COARSE, body_only=True)
    space, holes = masks(case, _COARSE, body_only=True)
    lung = lungs_of(frame_of(case), case)["right"]
    lps = render(case, _COARSE, body_only=True)[1]
    places = np.argwhere(~space & ~holes)[:, ::-1] * np.diag(lps)[:3] + lps[:3, 3]
    left_over = np.argwhere(~space & ~holes)[clearance(places, lung.inside, lung.outside) > 5]
    beside = float(np.median(hu[tuple(left_over.T)])) - float(np.median(hu[space]))
    assert beside > 60


@pytest.mark.parametrize("first", [0, 20, 40])
def test_every_finding_is_marked_and_changes_what_is_seen(first: int) -> None:
    chests = (case for seed in range(10_000) if (case := sample_case(seed)).region is Region.CHEST)
    for drawn in islice(chests, first, first + 20):
        case = replace(drawn, noise=0.0)
        seen, _ = render(case, _COARSEST, body_only=True)
        for finding, mask in zip(
            case.findings, masks(case, _COARSEST, body_only=True), strict=True
        ):
            assert mask.any(), (case.seed, finding)
            rest = tuple(other for other in case.findings if other is not finding)
            without, _ = render(replace(case, findings=rest), _COARSEST, body_only=True)
            change = np.abs(seen[mask].astype(float) - without[mask]).mean()
            assert change > _LEAST_CHANGE.get(finding.kind, 80.0), (case.seed, finding, change)


def test_every_kind_is_among_those_seen() -> None:
    drawn = (sample_case(seed) for seed in range(400))
    kinds = {f.kind for case in drawn if case.region is Region.CHEST for f in case.findings}
    assert kinds == set(kinds_of(Region.CHEST))
