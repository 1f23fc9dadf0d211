"""What a synthetic patient has: drawn from a seed, in millimetres, before any voxel.

Seeds keep the splits apart: training 0–99,999, validation from 100,000, test from
200,000, the bundled prior cases from 300,000.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from model_runtime.api import Region

Random = np.random.Generator
_Option = TypeVar("_Option")

SIDES = ("right", "left")
LOBES = (
    "right upper lobe",
    "right middle lobe",
    "right lower lobe",
    "left upper lobe",
    "left lower lobe",
)
PHASES = ("non-contrast", "arterial", "portal venous", "delayed")


@dataclass(frozen=True)
class Finding:
    """One abnormality.

    ``place`` is a side, a lobe, an organ part or ``""``; ``size`` is mm of the largest
    diameter (0 where size is not told); ``count`` is the number of lesions; ``degree`` is
    small, moderate or large (mild, moderate, severe) where that is how it is told.
    ``at`` is a point in the unit frame of the organ that carries it.
    """

    kind: str
    place: str = ""
    size: int = 0
    count: int = 1
    degree: str = ""
    at: tuple[float, float, float] = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Case:
    """A synthetic patient and scan; equal seeds give equal cases."""

    seed: int
    region: Region
    sex: str
    age: int
    phase: str
    width: float
    depth: float
    height: float
    findings: tuple[Finding, ...]

    def find(self, kind: str, place: str = "") -> Finding | None:
        """Return the first finding of a kind (and place, if given)."""
        for finding in self.findings:
            if finding.kind == kind and place in ("", finding.place):
                return finding
        return None


def sample_case(seed: int) -> Case:
    """Draw the case of a seed; about a fifth have no finding."""
    random = np.random.default_rng([seed, 20261124])
    region = _choose(random, tuple(Region), (0.5, 0.35, 0.15))
    phase = _choose(random, PHASES, (0.3, 0.15, 0.45, 0.1))
    if region is Region.HEAD:
        phase = PHASES[0]
    return Case(
        seed=seed,
        region=region,
        sex=_choose(random, ("female", "male"), (0.5, 0.5)),
        age=int(random.integers(28, 90)),
        phase=phase,
        width=float(random.uniform(0.9, 1.12)),
        depth=float(random.uniform(0.9, 1.15)),
        height=float(random.uniform(0.95, 1.05)),
        findings=_draw_findings(region, random),
    )


def _choose(
    random: Random, options: Sequence[_Option], weights: Sequence[float] | None = None
) -> _Option:
    return options[int(random.choice(len(options), p=weights))]


# How likely each kind is in its region, before the draw of "no finding at all".
_KINDS: dict[Region, dict[str, float]] = {
    Region.CHEST: {
        "nodule": 0.30,
        "mass": 0.12,
        "consolidation": 0.17,
        "ground glass": 0.13,
        "pleural effusion": 0.25,
        "pneumothorax": 0.10,
        "cardiomegaly": 0.17,
        "pericardial effusion": 0.10,
        "emphysema": 0.15,
        "coronary calcification": 0.15,
        "aortic aneurysm": 0.12,
        "lymphadenopathy": 0.12,
    },
    Region.ABDOMEN: {
        "hepatic cyst": 0.18,
        "hepatic metastases": 0.18,
        "steatosis": 0.18,
        "gallstones": 0.18,
        "renal cyst": 0.20,
        "renal stone": 0.16,
        "hydronephrosis": 0.16,
        "splenomegaly": 0.18,
        "ascites": 0.18,
        "abdominal aortic aneurysm": 0.14,
    },
    Region.HEAD: {
        "intracerebral haemorrhage": 0.28,
        "subdural haematoma": 0.22,
        "infarct": 0.25,
        "hydrocephalus": 0.25,
    },
}
KINDS: tuple[str, ...] = tuple(kind for kinds in _KINDS.values() for kind in kinds)
_DEGREES = ("small", "moderate", "large")
_MILDNESS = ("mild", "moderate", "severe")


def kinds_of(region: Region) -> tuple[str, ...]:
    """Name the findings that a region can have."""
    return tuple(_KINDS[region])


def _draw_findings(region: Region, random: Random) -> tuple[Finding, ...]:
    if random.random() < 0.18:
        return ()
    found: list[Finding] = []
    for kind, chance in _KINDS[region].items():
        if random.random() < chance and len(found) < 4:
            found += _draw(kind, random)
    return tuple(found)


def _draw(kind: str, random: Random) -> list[Finding]:
    """Draw place, size, number and degree of one kind of finding."""
    at = (random.uniform(-0.35, 0.35), random.uniform(-0.35, 0.35), random.uniform(-0.35, 0.35))
    if kind in ("nodule", "mass", "consolidation", "ground glass"):
        size = {"nodule": (10, 31), "mass": (35, 61)}.get(kind, (0, 1))
        return [Finding(kind, _choose(random, LOBES), _rounded(random, *size), at=at)]
    if kind in ("pleural effusion", "pneumothorax"):
        sides: tuple[str, ...] = ()
        if random.random() < 0.25 and kind == "pleural effusion":
            sides = SIDES
        sides = sides or (_choose(random, SIDES),)
        return [Finding(kind, side, degree=_choose(random, _DEGREES), at=at) for side in sides]
    if kind in ("renal cyst", "renal stone", "hydronephrosis"):
        size = {"renal cyst": (15, 51), "renal stone": (5, 16)}.get(kind, (0, 1))
        degree = _choose(random, _MILDNESS) if kind == "hydronephrosis" else ""
        return [Finding(kind, _choose(random, SIDES), _rounded(random, *size), 1, degree, at)]
    if kind in ("intracerebral haemorrhage", "infarct", "subdural haematoma"):
        lobe = _choose(random, ("frontal", "temporal", "parietal", "occipital"))
        place = _choose(random, SIDES) + ("" if kind.startswith("subdural") else f" {lobe}")
        size = {"intracerebral haemorrhage": (20, 51), "infarct": (0, 1)}.get(kind, (10, 21))
        return [Finding(kind, place, _rounded(random, *size), at=at)]
    return [_draw_single(kind, random, at)]


def _draw_single(  # noqa: PLR0911
    kind: str, random: Random, at: tuple[float, float, float]
) -> Finding:
    """Draw a finding that has no side."""
    if kind == "hepatic cyst":
        lobe = _choose(random, ("right hepatic lobe", "left hepatic lobe"), (0.7, 0.3))
        return Finding(kind, lobe, _rounded(random, 15, 51), at=at)
    if kind == "hepatic metastases":
        return Finding(kind, "", _rounded(random, 15, 36), int(random.integers(2, 6)), at=at)
    if kind in ("aortic aneurysm", "abdominal aortic aneurysm"):
        return Finding(kind, "", _rounded(random, 50, 76), at=at)
    if kind == "splenomegaly":
        return Finding(kind, "", _rounded(random, 140, 181), at=at)
    if kind in ("emphysema", "coronary calcification", "steatosis", "hydrocephalus"):
        return Finding(kind, degree=_choose(random, _MILDNESS), at=at)
    if kind in ("pericardial effusion", "ascites"):
        return Finding(kind, degree=_choose(random, _DEGREES), at=at)
    return Finding(kind, at=at)


def _rounded(random: Random, low: int, high: int) -> int:
    """Draw a size and round it to 5 mm, as the reports tell it."""
    return int(round(random.integers(low, high) / 5) * 5)
