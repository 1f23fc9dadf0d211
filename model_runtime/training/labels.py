"""What the auxiliary head learns: the phantom's truth as a multi-hot vector.

The head exists in training only. It makes a small encoder look for findings long before
the contrastive loss alone would.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model_runtime.api import Region
from model_runtime.phantom.case import (
    AMOUNTS,
    SEVERITIES,
    SIDES,
    Case,
    Finding,
    counts_of,
    sample_case,
    sizes_of,
)
from model_runtime.phantom.phrases import ORGANS

_SPACE_CASES = 4000


def labels_of(case: Case) -> frozenset[str]:
    """Name everything that a reader could see in a case, from region to size.

    Degrees, sizes and numbers are thresholds, so that what is nearly right is nearly equal.
    """
    names = {f"region {case.region}", f"phase {case.phase}", f"plane {case.plane}"}
    for finding in case.findings:
        names |= _labels_of_finding(case.region, finding)
    for kind in {finding.kind for finding in case.findings}:
        if {f.place for f in case.findings if f.kind == kind} >= set(SIDES):
            names.add(f"{kind} on both sides")
    names |= {f"{organ} abnormal" for organ in abnormal_organs(case)}
    if not case.findings:
        names.add("normal")
    return frozenset(names)


def abnormal_organs(case: Case) -> list[str]:
    """Name the organs with a finding, in the order of the report; devices count as one."""
    return [
        organ
        for organ, kinds in ORGANS[case.region].items()
        if any(case.find(kind) for kind in kinds)
    ]


def _labels_of_finding(region: Region, finding: Finding) -> set[str]:
    kind, side = finding.kind, finding.place.split(" ")[0]
    names = {kind}
    if finding.place:
        names.add(f"{kind} in {finding.place}")
    if side in SIDES:
        names.add(f"{kind} on the {side}")
    names |= {f"{name} {step}" for name in tuple(names) for step in _degrees(finding.degree)}
    names |= {f"{kind} over {step} mm" for step in sizes_of(region, kind) if finding.size > step}
    names |= {f"{kind} more than {n}" for n in counts_of(region, kind) if finding.count > n}
    return names


def _degrees(degree: str) -> list[str]:
    """List the thresholds that a degree reaches; the lowest degree reaches none."""
    for scale in (AMOUNTS, SEVERITIES):
        if degree in scale:
            return [f"at least {step}" for step in scale[1 : scale.index(degree) + 1]]
    return []


class LabelSpace:
    """A fixed order of labels."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = tuple(sorted(set(names)))
        self._place = {name: index for index, name in enumerate(self.names)}

    @classmethod
    def of(cls, cases: Iterable[Case], at_least: int = 5) -> LabelSpace:
        """Take the labels that occur in at least so many of the cases."""
        counts: dict[str, int] = {}
        for case in cases:
            for name in labels_of(case):
                counts[name] = counts.get(name, 0) + 1
        return cls(name for name, count in counts.items() if count >= at_least)

    def __len__(self) -> int:
        return len(self.names)

    def encode(self, case: Case) -> NDArray[np.float32]:
        """Return 1 for the labels of a case, 0 for the others; shape (labels,)."""
        out = np.zeros(len(self.names), np.float32)
        for name in labels_of(case):
            if name in self._place:
                out[self._place[name]] = 1
        return out

    def truth(self, cases: Sequence[Case]) -> Tensor:
        """Encode some cases; float32, shape (cases, labels)."""
        return torch.from_numpy(np.stack([self.encode(case) for case in cases]))


@cache
def training_space() -> LabelSpace:
    """Return the labels that all stages learn.

    They are of fixed seeds, so that a run can go on when more cases have been rendered.
    """
    return LabelSpace.of(sample_case(seed) for seed in range(_SPACE_CASES))
