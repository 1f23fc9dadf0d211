"""The head: densities, sides and sizes of what is wrong, and that it can be seen."""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from model_runtime.api import Region
from model_runtime.phantom.case import BRAIN, SEVERITIES, SIDES, Case, Finding, sample_case
from model_runtime.phantom.head_findings import BLOOD_HU, INFARCT_HU
from model_runtime.phantom.render import half_size, masks, render

_SHAPE = (48, 96, 96)
_LEFT = {"left": 1, "right": -1}


def _case(*findings: Finding) -> Case:
    return Case(
        5, Region.HEAD, "male", 60, "non-contrast", 1.0, 1.0, 1.0, findings, blur=0.5, noise=0.0
    )


@cache
def _scan(*findings: Finding) -> NDArray[np.int16]:
    return render(_case(*findings), _SHAPE, body_only=True)[0]


@cache
def _mask(*findings: Finding) -> NDArray[np.bool_]:
    mask: NDArray[np.bool_] = masks(_case(*findings), _SHAPE, body_only=True)[0]
    return mask


def _steps() -> NDArray[np.float64]:
    """Return the mm of a voxel along (x, y, z)."""
    steps: NDArray[np.float64] = 2 * np.array(half_size(_case())) / np.array(_SHAPE[::-1])
    return steps


def _middle(mask: NDArray[np.bool_]) -> float:
    """Return by how many mm the middle of a mask lies to the left."""
    return float((np.argwhere(mask)[:, 2].mean() - (_SHAPE[2] - 1) / 2) * _steps()[0])


def _contrast(mask: NDArray[np.bool_], *findings: Finding) -> float:
    """Return the median difference in the model's window that findings make in a mask."""
    wrong, right = (np.clip(scan[mask], 0, 80) for scan in (_scan(*findings), _scan()))
    return float(np.median(wrong.astype(float) - right))


def test_tissues_have_their_densities() -> None:
    hu = _scan()
    z, y, x = (count // 2 for count in _SHAPE)
    inside = hu[z - 6 : z + 12, y - 28 : y + 28, x - 26 : x + 26]
    brain = inside[(inside > 18) & (inside < 50)]
    assert 24 < np.percentile(brain, 15) < 30 < np.percentile(brain, 85) < 42
    assert inside.min() < 12
    assert hu.max() > 800
    assert (hu[z, :, 0] < -900).mean() > 0.5


@pytest.mark.parametrize("size", [20, 35, 50])
@pytest.mark.parametrize("place", ["right frontal", "left parietal", "left temporal"])
def test_a_bleeding_is_bright_on_its_side_and_as_large_as_told(place: str, size: int) -> None:
    finding = Finding("intracerebral haemorrhage", place, size)
    mask = _mask(finding)
    volume = mask.sum() * _steps().prod()
    assert np.cbrt(6 * volume / np.pi) == pytest.approx(size, rel=0.2)
    assert np.median(_scan(finding)[mask]) == pytest.approx(BLOOD_HU, abs=3)
    assert _middle(mask) * _LEFT[place.partition(" ")[0]] > 10


@pytest.mark.parametrize("place", BRAIN)
def test_an_infarct_is_dark_on_its_side_and_reaches_the_surface(place: str) -> None:
    finding = Finding("infarct", place)
    mask = _mask(finding)
    assert mask.sum() * _steps().prod() > 20_000
    assert np.median(_scan(finding)[mask]) == pytest.approx(INFARCT_HU, abs=2)
    assert _middle(mask) * _LEFT[place.partition(" ")[0]] > 10
    assert _contrast(mask, finding) < -8


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("size", [10, 15, 20])
def test_a_subdural_crescent_is_as_thick_as_told(side: str, size: int) -> None:
    finding = Finding("subdural haematoma", side, size)
    mask = _mask(finding)
    thick = mask[:, _SHAPE[1] // 2].sum(1).max() * _steps()[0]
    assert thick == pytest.approx(size, rel=0.2)
    assert _middle(mask) * _LEFT[side] > 20
    assert _contrast(mask, finding) > 20


def test_ventricles_grow_with_the_degree_of_hydrocephalus() -> None:
    water = [
        (_scan(*findings)[12:40, 24:72, 24:72] < 12).sum() * _steps().prod()
        for findings in [(), *((Finding("hydrocephalus", degree=d),) for d in SEVERITIES)]
    ]
    assert all(more > 1.3 * less for less, more in pairwise(water)), water


@pytest.mark.parametrize("side", SIDES)
def test_the_midline_lies_where_told_by_as_much_as_told(side: str) -> None:
    """The third ventricle, the darkest of the middle lines, is what radiologists measure."""
    z, y = (int(count * share) for count, share in zip(_SHAPE, (0.46, 0.53), strict=False))
    across = (np.arange(_SHAPE[2]) - (_SHAPE[2] - 1) / 2) * _steps()[0]
    near = np.abs(across) < 22
    for size in (0, 5, 10, 15):
        findings = (Finding("midline shift", side, size),) if size else ()
        line = _scan(*findings)[z - 1 : z + 2, y - 2 : y + 3].mean((0, 1))
        dark = np.clip(24 - line, 0, None) * near
        assert (dark * across).sum() / dark.sum() * _LEFT[side] == pytest.approx(size, abs=1.2)


def test_a_shift_beside_wide_ventricles_keeps_its_own_mask() -> None:
    case = _case(Finding("hydrocephalus", degree="mild"), Finding("midline shift", "left", 10))
    wide, moved = masks(case, _SHAPE, body_only=True)
    assert wide.any()
    assert moved.any()
    assert not (wide & moved).any()


@pytest.mark.parametrize("side", SIDES)
def test_a_shunt_is_metal_from_the_skull_to_the_ventricle_of_its_side(side: str) -> None:
    finding = Finding("ventricular shunt", side)
    mask = _mask(finding)
    places = (np.argwhere(mask)[:, 2] - (_SHAPE[2] - 1) / 2) * _steps()[0] * _LEFT[side]
    assert places.min() < 14
    assert places.max() > 42
    assert _contrast(mask & (_scan() < 60), finding) > 35


def test_every_finding_of_drawn_cases_shows() -> None:
    heads = (case for seed in range(400) if (case := sample_case(seed)).region is Region.HEAD)
    with_findings = [case for case in heads if case.findings][:14]
    for case in with_findings:
        shown = masks(case, (32, 64, 64), body_only=True).sum((1, 2, 3))
        assert all(shown > 20), (case.seed, case.findings, shown)
    assert len({f.kind for case in with_findings for f in case.findings}) == 6
