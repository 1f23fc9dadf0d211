"""What a synthetic patient has: drawn from a seed, in millimetres, before any voxel.

Which seeds belong to which split is told in :mod:`model_runtime.phantom.splits`.
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
THORACIC = ("upper thoracic spine", "mid thoracic spine", "lower thoracic spine")
LUMBAR = ("upper lumbar spine", "lower lumbar spine")
ILIAC = ("right iliac bone", "left iliac bone")
HEPATIC = ("right hepatic lobe", "left hepatic lobe")
BRAIN = tuple(
    f"{side} {lobe}" for side in SIDES for lobe in ("frontal", "temporal", "parietal", "occipital")
)
PHASES = ("non-contrast", "arterial", "portal venous", "delayed")
PLANES = ("axial", "coronal", "sagittal")
AMOUNTS = ("small", "moderate", "large")
SEVERITIES = ("mild", "moderate", "severe")
OPACITIES = ("nodule", "mass", "consolidation", "ground glass")


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
    """A synthetic patient and scan; equal seeds give equal cases.

    ``width``, ``depth`` and ``height`` scale the body, ``fat`` 0 to 1 is the share of it
    under the skin. ``plane`` is that of the slices, ``thickness`` their mm; ``blur`` is the
    kernel's spread in mm, ``noise`` its standard deviation in HU. ``held_out`` marks the
    style, of words and of pictures, that is never trained on.
    """

    seed: int
    region: Region
    sex: str
    age: int
    phase: str
    width: float
    depth: float
    height: float
    findings: tuple[Finding, ...]
    plane: str = "axial"
    thickness: float = 2.0
    fat: float = 0.5
    blur: float = 0.8
    noise: float = 12.0
    held_out: bool = False

    def find(self, kind: str, place: str = "") -> Finding | None:
        """Return the first finding of a kind (and place, if given)."""
        for finding in self.findings:
            if finding.kind == kind and place in ("", finding.place):
                return finding
        return None


@dataclass(frozen=True)
class _Kind:
    """How a kind of finding is drawn: how often, where, how large, how many, how bad."""

    weight: float
    places: tuple[str, ...] = ()
    sizes: tuple[int, ...] = (0,)
    counts: tuple[int, ...] = (1,)
    degrees: tuple[str, ...] = ("",)


def _steps(low: int, high: int) -> tuple[int, ...]:
    return tuple(range(low, high + 1, 5))


_KINDS: dict[Region, dict[str, _Kind]] = {
    Region.CHEST: {
        "nodule": _Kind(1.6, LOBES, _steps(10, 30)),
        "mass": _Kind(1.1, LOBES, _steps(35, 60)),
        "consolidation": _Kind(1.3, LOBES),
        "ground glass": _Kind(1.2, LOBES),
        "pleural effusion": _Kind(1.5, SIDES, degrees=AMOUNTS),
        "pneumothorax": _Kind(1.1, SIDES, degrees=AMOUNTS),
        "cardiomegaly": _Kind(1.0, degrees=SEVERITIES),
        "pericardial effusion": _Kind(0.9, degrees=AMOUNTS),
        "emphysema": _Kind(1.0, degrees=SEVERITIES),
        "coronary calcification": _Kind(0.9, degrees=SEVERITIES),
        "aortic aneurysm": _Kind(0.9, sizes=_steps(50, 75)),
        "lymphadenopathy": _Kind(0.9, sizes=_steps(15, 35), counts=(2, 3, 4)),
        "vertebral fracture": _Kind(0.9, THORACIC, degrees=SEVERITIES),
        "lytic bone lesion": _Kind(0.9, THORACIC, _steps(15, 30)),
        "port catheter": _Kind(0.8, SIDES),
        "sternotomy wires": _Kind(0.7),
    },
    Region.ABDOMEN: {
        "hepatic cyst": _Kind(1.1, HEPATIC, _steps(15, 50)),
        "hepatic metastases": _Kind(1.0, sizes=_steps(15, 35), counts=(2, 3, 4, 5)),
        "steatosis": _Kind(0.9, degrees=SEVERITIES),
        "gallstones": _Kind(1.0, counts=(1, 2, 3)),
        "renal cyst": _Kind(1.1, SIDES, _steps(15, 50)),
        "renal stone": _Kind(1.1, SIDES, _steps(10, 20)),
        "hydronephrosis": _Kind(1.0, SIDES, degrees=SEVERITIES),
        "splenomegaly": _Kind(0.9, sizes=_steps(140, 180)),
        "ascites": _Kind(1.0, degrees=AMOUNTS),
        "bowel obstruction": _Kind(0.9, degrees=SEVERITIES),
        "abdominal aortic aneurysm": _Kind(0.9, sizes=_steps(50, 75)),
        "vertebral fracture": _Kind(0.9, LUMBAR, degrees=SEVERITIES),
        "lytic bone lesion": _Kind(0.9, (*LUMBAR, *ILIAC), _steps(15, 30)),
        "hip prosthesis": _Kind(0.8, SIDES),
    },
    Region.HEAD: {
        "intracerebral haemorrhage": _Kind(1.1, BRAIN, _steps(20, 50)),
        "subdural haematoma": _Kind(1.0, SIDES, _steps(10, 20)),
        "infarct": _Kind(1.1, BRAIN),
        "hydrocephalus": _Kind(1.0, degrees=SEVERITIES),
        "midline shift": _Kind(0.9, SIDES, _steps(5, 15)),
        "ventricular shunt": _Kind(0.8, SIDES),
    },
}
KINDS: tuple[str, ...] = tuple(dict.fromkeys(kind for kinds in _KINDS.values() for kind in kinds))
# Drawn before the others, whose places depend on them.
_FIRST = ("pleural effusion", "pneumothorax", "subdural haematoma", "intracerebral haemorrhage")
# One would hide the other, or make it another finding.
_EXCLUSIVE = ({"steatosis", "hepatic metastases"}, {"steatosis", "hepatic cyst"})
_APART_BY_SIDE = ({"pleural effusion", "pneumothorax"}, {"renal cyst", "hydronephrosis"})
_APART_BY_PLACE = (
    set(OPACITIES),
    {"vertebral fracture", "lytic bone lesion"},
    {"intracerebral haemorrhage", "infarct"},
)
_REGIONS = {Region.CHEST: 0.45, Region.ABDOMEN: 0.35, Region.HEAD: 0.2}
_NUMBERS = {Region.HEAD: (0.3, 0.4, 0.22, 0.08)}
_USUAL_NUMBERS = (0.08, 0.17, 0.28, 0.27, 0.2)


def kinds_of(region: Region) -> tuple[str, ...]:
    """Name the findings that a region can have."""
    return tuple(_KINDS[region])


def places_of(region: Region, kind: str) -> tuple[str, ...]:
    """Name the places where a kind of finding can be, none for a kind without place."""
    return _KINDS[region][kind].places


def sizes_of(region: Region, kind: str) -> tuple[int, ...]:
    """List the sizes in mm that a kind can have, none for a kind without size."""
    return tuple(filter(None, _KINDS[region][kind].sizes))


def counts_of(region: Region, kind: str) -> tuple[int, ...]:
    """List the numbers of lesions that a kind can have; (1,) where it is never told."""
    return _KINDS[region][kind].counts


def degrees_of(region: Region, kind: str) -> tuple[str, ...]:
    """Name the degrees that a kind can have, none for a kind without degree."""
    return tuple(degree for degree in _KINDS[region][kind].degrees if degree)


def sample_case(seed: int, held_out: bool = False) -> Case:
    """Draw the case of a seed; about one in twelve has no finding."""
    random = np.random.default_rng([seed, 20261124, 1] if held_out else [seed, 20261124])
    region = _choose(random, tuple(_REGIONS), tuple(_REGIONS.values()))
    phase = _choose(random, PHASES, (0.16, 0.28, 0.28, 0.28))
    if region is Region.HEAD:
        phase = PHASES[0]
    plane = _choose(random, PLANES, (0.6, 0.2, 0.2))
    return Case(
        seed=seed,
        region=region,
        sex=_choose(random, ("female", "male"), (0.5, 0.5)),
        age=int(random.integers(28, 90)),
        phase=phase,
        findings=_draw_findings(region, phase, random),
        plane=plane,
        held_out=held_out,
        thickness=_choose(random, _THICKNESS[plane == "axial", held_out]),
        **_appearance(random, held_out),
    )


_BODY = {"height": (0.95, 1.05), "fat": (0.0, 1.0)}
_USUAL = {"width": (0.9, 1.12), "depth": (0.9, 1.15), "blur": (0.5, 1.2), "noise": (6.0, 20.0)}
# The held-out style: thin or broad patients, a soft kernel and much noise.
_THIN = {"width": (0.85, 0.89), "depth": (0.86, 0.89), "blur": (1.5, 1.8), "noise": (24.0, 32.0)}
_BROAD = _THIN | {"width": (1.13, 1.17), "depth": (1.16, 1.2)}
# Slices in mm, by whether they are axial and of the held-out style. Coronal and sagittal ones
# are reformatted from axial scans, as thick slabs.
_THICKNESS: dict[tuple[bool, bool], tuple[float, ...]] = {
    (True, False): (1.0, 2.0, 3.0, 5.0),
    (True, True): (1.5, 4.0),
    (False, False): (8.0, 10.0),
    (False, True): (7.0, 9.0),
}


def _appearance(random: Random, held_out: bool) -> dict[str, float]:
    """Draw body and scanner; what the held-out style draws is never drawn in training."""
    ranges = _choose(random, (_THIN, _BROAD)) if held_out else _USUAL
    return {name: float(random.uniform(*ends)) for name, ends in (ranges | _BODY).items()}


def _choose(
    random: Random, options: Sequence[_Option], weights: Sequence[float] | None = None
) -> _Option:
    return options[int(random.choice(len(options), p=weights))]


def _draw_findings(region: Region, phase: str, random: Random) -> tuple[Finding, ...]:
    if random.random() < 0.08:
        return ()
    kinds = _KINDS[region]
    weights = np.array([kind.weight for kind in kinds.values()])
    numbers = _NUMBERS.get(region, _USUAL_NUMBERS)
    number = 1 + int(random.choice(len(numbers), p=numbers))
    drawn = random.choice(list(kinds), number, replace=False, p=weights / weights.sum()).tolist()
    found: list[Finding] = []
    for kind in sorted(drawn, key=lambda kind: kind not in _FIRST):
        if _possible(kind, phase, found):
            found += _draw(kind, kinds[kind], found, random)
    return tuple(sorted(found[:5], key=lambda finding: list(kinds).index(finding.kind)))


def _possible(kind: str, phase: str, found: Sequence[Finding]) -> bool:
    """Say whether a kind can be seen at all in this phase and beside the others."""
    if kind == "renal stone" and phase == "delayed":
        return False  # excreted contrast is as bright as the stone
    present = {finding.kind for finding in found}
    return not any(kind in pair and present & pair for pair in _EXCLUSIVE)


def _draw(kind: str, drawn: _Kind, found: Sequence[Finding], random: Random) -> list[Finding]:
    """Draw one finding of a kind, or two: effusions of both sides, nodules of two lobes."""
    free = [
        place
        for place in drawn.places or ("",)
        if not any(_conflict(kind, place, other) for other in found)
    ]
    if not free:
        return []
    twice = kind in ("pleural effusion", "nodule") and random.random() < 0.22
    number = min(len(free), 2 if twice else 1)
    places = [free[int(n)] for n in random.choice(len(free), number, replace=False)]
    return [
        Finding(
            kind,
            place,
            size=_choose(random, drawn.sizes),
            count=_choose(random, drawn.counts),
            degree=_choose(random, drawn.degrees),
            at=tuple(random.uniform(-0.35, 0.35, 3).tolist()),
        )
        for place in places
    ]


def _conflict(kind: str, place: str, other: Finding) -> bool:
    """Say whether a kind in a place would hide, or be hidden by, what was found before."""
    pair = {kind, other.kind}
    same_side = place.split(" ", 1)[0] == other.place.split(" ", 1)[0]
    if kind in OPACITIES and other.degree == "large" and other.place in SIDES:
        return same_side
    if kind == "midline shift" and other.kind in _FIRST:
        return same_side  # blood pushes the midline to the other side
    if any(pair <= apart for apart in _APART_BY_SIDE):
        return same_side
    return any(pair <= apart for apart in _APART_BY_PLACE) and place == other.place
