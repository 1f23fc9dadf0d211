"""The pointing game: whether the strongest cell of an evidence map lies on the lesion.

For each finding of more than 15 mm the map of its true sentence is made as the program makes
it, from the contrastive similarity, and its strongest cell is compared with the mask of what
was drawn. Two rules are counted. ``point``: the cell's centre lies in the mask grown by one
voxel of the model's grid. ``cell``: the cell's own part of the volume touches the mask; cells
are much larger than voxels, so this is the kinder rule. Beside both stand two kinds of luck:
a random point (or cell) of the body, and the same sentence's map of another case of the
same region.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model_runtime.evaluation.findings import stated_findings
from model_runtime.evaluation.intervals import difference, estimate, mean_of
from model_runtime.evaluation.m3d import DatasetError
from model_runtime.evaluation.scoring import embed_captions
from model_runtime.evaluation.testset import Item
from model_runtime.evidence import has_place
from model_runtime.evidence_maps import cells_touching, focus_of, stride_of
from model_runtime.phantom.case import Case, Finding
from model_runtime.phantom.language import finding_sentences
from model_runtime.phantom.render import half_size, masks
from model_runtime.similarity import FINEST, NORMAL, similarity_maps
from model_runtime.weights import LoadedModel

Table = dict[str, Any]
Map = NDArray[np.float32]
Mask = NDArray[np.bool_]
LEAST_MM = 15.0
RULES = ("point", "cell")
LUCK = ("another case's map", "random in the body")


@dataclass(frozen=True, eq=False)
class Looked:
    """A case with what its maps are made of.

    ``finest`` is the contrastive encoder's hidden state of stage 2 (1 × tokens × channels),
    ``vector`` the volume's unit vector, ``body`` where the volume shows the patient.
    """

    case: Case
    finest: Tensor
    vector: Tensor
    body: Mask


@dataclass(frozen=True)
class Shot:
    """What became of one map: hits by rule, and the chance of luck by rule and kind.

    ``focused`` tells whether the program may show the map as a place.
    """

    seed: int
    kind: str
    hits: dict[str, bool]
    strange: dict[str, bool]
    random: dict[str, float]
    focused: bool


def pointing(model: LoadedModel, items: Sequence[Item]) -> Table:
    """Play the game on all phantoms among some items.

    Raises
    ------
    DatasetError
        Where there is no finding to point at.
    """
    looked = [_look(model, item) for item in items if item.case is not None]
    normal = embed_captions(model, NORMAL).mean(axis=0)
    shots = [shot for place in range(len(looked)) for shot in _shots(model, looked, place, normal)]
    if not shots:
        raise DatasetError("There is no finding of more than 15 mm to point at.")
    kinds = sorted({shot.kind for shot in shots})
    focused = [shot for shot in shots if shot.focused]
    return {
        "cases": len(looked),
        "least mm": LEAST_MM,
        "all": figures(shots),
        "focused": figures(focused) if focused else None,
        "by finding": {kind: figures([s for s in shots if s.kind == kind]) for kind in kinds},
    }


@torch.inference_mode()
def _look(model: LoadedModel, item: Item) -> Looked:
    from scipy.ndimage import binary_fill_holes

    assert item.case is not None
    volume = item.volume(model)
    states = model.siglip.vision_encoder(volume.to(next(model.siglip.parameters()).device))
    body: Mask = binary_fill_holes(volume[0, 0].numpy() > 0)
    vector = model.siglip.project_volume(states[-1])[0]
    return Looked(item.case, states[FINEST], vector, body)


def _shots(
    model: LoadedModel, looked: Sequence[Looked], place: int, normal: NDArray[np.float32]
) -> Iterator[Shot]:
    """Point at each large finding of one case; of a region's only case there is no other map."""
    mine, stranger = looked[place], _stranger(looked, place)
    if stranger is None:
        return
    told = {_told(f): n for n, f in enumerate(mine.case.findings)}
    seen = masks(mine.case, _shape(mine), body_only=True)
    for sentence in finding_sentences(mine.case, np.random.default_rng(mine.case.seed)):
        for stated in stated_findings(sentence):
            mask = seen[told[_told(stated)]]
            if extent_mm(mask, mine.case) <= LEAST_MM:
                continue
            with torch.no_grad():
                vector = torch.from_numpy(embed_captions(model, [sentence])[0] - normal)
            values = _map(model, mine, vector)
            yield Shot(
                mine.case.seed,
                stated.kind,
                hit(values, mask),
                hit(_map(model, stranger, vector), mask),
                random_chance(mask, mine.body),
                has_place(float(mine.vector.cpu() @ vector), focus_of(values)),
            )


def _told(finding: Finding) -> Finding:
    return replace(finding, at=(0.0, 0.0, 0.0))


def _shape(looked: Looked) -> tuple[int, int, int]:
    z, y, x = looked.body.shape
    return z, y, x


def _stranger(looked: Sequence[Looked], place: int) -> Looked | None:
    """Take the next case of the same region; None where there is no other."""
    rest = [*looked[place + 1 :], *looked[:place]]
    region = looked[place].case.region
    return next((other for other in rest if other.case.region is region), None)


def _map(model: LoadedModel, looked: Looked, sentence: Tensor) -> Map:
    cells, _ = similarity_maps(model.siglip, looked.finest, sentence, _shape(looked))
    values: Map = cells.cpu().numpy()
    return values


def extent_mm(mask: Mask, case: Case) -> float:
    """Longest side in mm of the box around a mask that lies on the body's own grid."""
    if not mask.any():
        return 0.0
    sides = []
    for axis, half in enumerate(half_size(case)[::-1]):
        marked = np.flatnonzero(mask.any(axis=tuple(n for n in range(3) if n != axis)))
        sides.append((marked[-1] - marked[0] + 1) * 2 * half / mask.shape[axis])
    return float(max(sides))


def hit(values: Map, mask: Mask) -> dict[str, bool]:
    """Tell by each rule whether the strongest cell of a map is on a mask."""
    cell = np.unravel_index(int(values.argmax()), values.shape)
    touching = cells_touching(mask, FINEST)
    centre = tuple(int(n) * stride_of(FINEST) for n in cell)
    return {"point": bool(_grown(mask)[centre]), "cell": bool(touching[cell])}


def random_chance(mask: Mask, body: Mask) -> dict[str, float]:
    """Chance that a random voxel, or cell, of the body hits a mask by each rule."""
    inside = cells_touching(body, FINEST)
    return {
        "point": float(_grown(mask)[body].mean()) if body.any() else 0.0,
        "cell": float(cells_touching(mask, FINEST)[inside].mean()) if inside.any() else 0.0,
    }


def _grown(mask: Mask) -> Mask:
    from scipy.ndimage import binary_dilation

    grown: Mask = binary_dilation(mask, np.ones((3, 3, 3), np.bool_))
    return grown


def figures(shots: Sequence[Shot]) -> Table:
    """Hit rates in percent with intervals over cases, and how far they exceed luck."""
    cases = [shot.seed for shot in shots]
    table: Table = {"n": len(shots)}
    for rule in RULES:
        mine = mean_of([100.0 * shot.hits[rule] for shot in shots])
        luck = {
            LUCK[0]: mean_of([100.0 * shot.strange[rule] for shot in shots]),
            LUCK[1]: mean_of([100.0 * shot.random[rule] for shot in shots]),
        }
        table[rule] = {"model": estimate(mine, cases).table()} | {
            name: estimate(figure, cases).table() for name, figure in luck.items()
        }
        table[rule]["gain of the model over"] = {
            name: estimate(difference(mine, figure), cases).table() for name, figure in luck.items()
        }
    return table
