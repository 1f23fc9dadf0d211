"""Labels are what a case shows: thresholds are nested, and nothing else is named."""

from __future__ import annotations

import numpy as np

from model_runtime.phantom.case import SIDES, sample_case
from model_runtime.training.labels import LabelSpace, labels_of

CASES = [sample_case(seed) for seed in range(1200)]


def test_scan_and_findings_are_named() -> None:
    for case in CASES:
        labels = labels_of(case)
        assert {f"region {case.region}", f"phase {case.phase}", f"plane {case.plane}"} <= labels
        assert ("normal" in labels) == (not case.findings)
        for finding in case.findings:
            assert finding.kind in labels
            assert not finding.place or f"{finding.kind} in {finding.place}" in labels


def test_sides_are_those_of_the_findings() -> None:
    for case in CASES:
        labels = labels_of(case)
        for side in SIDES:
            told = {name.removesuffix(f" on the {side}") for name in labels if name.endswith(side)}
            sided = {f.kind for f in case.findings if f.place.split(" ")[0] == side}
            assert sided <= told
        both = {name for name in labels if name.endswith("on both sides")}
        assert len(both) == sum(
            {f.place for f in case.findings if f.kind == kind} >= set(SIDES)
            for kind in {f.kind for f in case.findings}
        )


def test_degrees_and_sizes_are_nested_thresholds() -> None:
    for case in CASES:
        labels = labels_of(case)
        for finding in case.findings:
            kind = finding.kind
            severe = f"{kind} at least {'large' if finding.degree == 'large' else 'severe'}"
            if finding.degree in ("large", "severe"):
                assert {severe, f"{kind} at least moderate"} <= labels
            alone = sum(other.kind == kind for other in case.findings) == 1
            if alone and finding.degree in ("small", "mild"):
                assert not any(name.startswith(f"{kind} at least") for name in labels)
            over = [int(name.split(" ")[-2]) for name in labels if name.startswith(f"{kind} over ")]
            assert not alone or all(finding.size > step for step in over)


def test_encoding_is_one_for_the_labels_of_a_case_in_a_fixed_order() -> None:
    space = LabelSpace.of(CASES)
    assert 200 < len(space) < 400
    for case in CASES[:100]:
        held = {name for name, value in zip(space.names, space.encode(case), strict=True) if value}
        assert held == labels_of(case) & set(space.names)
    assert np.array_equal(space.encode(CASES[0]), LabelSpace.of(CASES).encode(CASES[0]))
