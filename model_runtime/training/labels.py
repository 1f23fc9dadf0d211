"""What the auxiliary head learns: the phantom's truth as a multi-hot vector.

The head exists in training only. It makes a small encoder look for findings long before
the contrastive loss alone would.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from model_runtime.phantom.case import Case, Finding

_SIZE_STEPS = (15, 25, 35, 45, 55, 65)


def labels_of(case: Case) -> frozenset[str]:
    """Name everything that a reader could see in a case, from region to size."""
    names = {f"region {case.region}", f"phase {case.phase}"}
    for finding in case.findings:
        names |= _labels_of_finding(finding)
    if not case.findings:
        names.add("normal")
    return frozenset(names)


def _labels_of_finding(finding: Finding) -> set[str]:
    kind = finding.kind
    names = {kind}
    if finding.place:
        names.add(f"{kind} in {finding.place}")
    if finding.degree:
        names.add(f"{kind} of degree {finding.degree}")
        names.add(f"{kind} in {finding.place} of degree {finding.degree}")
    names |= {f"{kind} over {step} mm" for step in _SIZE_STEPS if finding.size > step}
    names |= {f"{kind} more than {n}" for n in (1, 2, 3, 4) if finding.count > n}
    return names


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
