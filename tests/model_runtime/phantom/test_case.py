"""Cases are drawn as told: equal for equal seeds, varied, and no finding hides another."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import combinations

import pytest

from model_runtime.api import Region
from model_runtime.phantom.case import (
    KINDS,
    OPACITIES,
    PHASES,
    PLANES,
    SIDES,
    Case,
    counts_of,
    degrees_of,
    kinds_of,
    places_of,
    sample_case,
    sizes_of,
)


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    return [sample_case(seed) for seed in range(2500)]


@pytest.mark.parametrize("held_out", [False, True])
def test_equal_seeds_give_equal_cases(held_out: bool) -> None:
    assert [sample_case(seed, held_out) for seed in range(40)] == [
        sample_case(seed, held_out) for seed in range(40)
    ]
    assert len({sample_case(seed, held_out) for seed in range(40)}) == 40


def test_every_kind_region_plane_and_phase_occurs(cases: list[Case]) -> None:
    assert len(KINDS) >= 25
    assert {finding.kind for case in cases for finding in case.findings} == set(KINDS)
    assert {case.phase for case in cases} == set(PHASES)
    assert {case.phase for case in cases if case.region is Region.HEAD} == {"non-contrast"}
    planes = Counter(case.plane for case in cases)
    assert 0.55 < planes["axial"] / len(cases) < 0.65
    assert set(planes) == set(PLANES)


def test_a_twelfth_is_normal_and_the_others_have_one_to_five_findings(cases: list[Case]) -> None:
    numbers = Counter(len(case.findings) for case in cases)
    assert 0.05 < numbers[0] / len(cases) < 0.11
    assert set(numbers) == set(range(6))
    for region, low, high in ((Region.CHEST, 2.7, 3.3), (Region.HEAD, 1.6, 2.2)):
        told = [len(case.findings) for case in cases if case.region is region]
        assert low < sum(told) / len(told) < high


def test_attributes_are_those_of_the_kind(cases: list[Case]) -> None:
    for case in cases:
        for finding in case.findings:
            kind = finding.kind
            assert kind in kinds_of(case.region)
            assert finding.place in (places_of(case.region, kind) or ("",))
            assert finding.size in (sizes_of(case.region, kind) or (0,))
            assert finding.degree in (degrees_of(case.region, kind) or ("",))
            assert finding.count in counts_of(case.region, kind)
            assert all(abs(part) <= 0.35 for part in finding.at)


def test_no_two_findings_take_one_place(cases: list[Case]) -> None:
    apart = {
        *OPACITIES,
        *("vertebral fracture", "lytic bone lesion", "intracerebral haemorrhage", "infarct"),
    }
    for case in cases:
        places = [finding.place for finding in case.findings if finding.kind in apart]
        assert len(places) == len(set(places))


def test_large_effusions_and_blood_leave_their_side_alone(cases: list[Case]) -> None:
    for case in cases:
        for first, second in combinations(case.findings, 2):
            side, other = first.place.split(" ")[0], second.place.split(" ")[0]
            kinds = {first.kind, second.kind}
            if first.kind in OPACITIES and second.degree == "large" and other in SIDES:
                assert side != other
            if kinds == {"subdural haematoma", "midline shift"}:
                assert side != other
            assert kinds != {"steatosis", "hepatic metastases"}


def test_the_held_out_style_looks_as_no_training_case(cases: list[Case]) -> None:
    held = [sample_case(seed, held_out=True) for seed in range(400_000, 400_300)]
    assert all(case.held_out for case in held)
    assert not any(case.held_out for case in cases)
    for name in ("blur", "noise", "thickness"):
        trained = [getattr(case, name) for case in cases]
        assert not {getattr(case, name) for case in held} & set(trained)
    for name in ("width", "depth", "blur", "noise"):
        trained = [getattr(case, name) for case in cases]
        assert not any(min(trained) <= getattr(case, name) <= max(trained) for case in held)


def test_find_asks_for_kind_and_place() -> None:
    case = next(case for case in map(sample_case, range(500)) if case.find("nodule"))
    nodule = case.find("nodule")
    assert nodule is not None
    assert case.find("nodule", nodule.place) == nodule
    assert case.find("nodule", "nowhere") is None
    assert replace(case, findings=()).find("nodule") is None
