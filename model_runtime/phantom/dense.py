"""Draws scenes in torch: all parts of a slab of voxels at once, on any device.

The formulas are those of :mod:`model_runtime.phantom.solids`, one row a solid. Where the
canvas paints part after part, here each part is weighted with what the later ones leave of
it, a product taken from the last part to the first. Every solid is evaluated in every voxel,
which suits thousands of threads; on a few, the canvas is much faster.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from model_runtime.phantom.canvas import box_of, edges_of, lattice
from model_runtime.phantom.case import Case
from model_runtime.phantom.dense_solids import FILLED, Grid, described
from model_runtime.phantom.render import build_scene, half_size
from model_runtime.phantom.scene import Part, Scene, Solid

Spacing = tuple[float, float, float]
_AIR = -1000.0
_VALUES_AT_ONCE = 2**25


@dataclass(frozen=True)
class Drawn:
    """HU (z, y, x), and the share of each voxel that each finding fills, before scanning."""

    hu: Tensor
    coverage: Tensor


def draw_cases(
    cases: Sequence[Case], shape: tuple[int, int, int], device: torch.device | str = "cpu"
) -> Tensor:
    """Draw the bodies of some cases, HU before blur and noise, shape (cases, z, y, x)."""
    volumes = []
    for case in cases:
        x, y, z = (2 * half for half in half_size(case))
        spacing = (z / shape[0], y / shape[1], x / shape[2])
        volumes.append(draw(build_scene(case), shape, spacing, device=device).hu)
    return torch.stack(volumes)


def draw(
    scene: Scene,
    shape: tuple[int, int, int],
    spacing: Spacing,
    findings: int = 0,
    device: torch.device | str = "cpu",
) -> Drawn:
    """Draw a scene on a grid around the origin.

    Parameters
    ----------
    shape : tuple of int
        (z, y, x).
    spacing : tuple of float
        mm along (z, y, x).
    findings : int
        How many findings' coverage is wanted.
    """
    table = _Table(scene.parts, spacing, torch.device(device))
    z, y, x = (
        ((torch.arange(count, device=device) - (count - 1) / 2) * step).float()
        for count, step in zip(shape, spacing, strict=True)
    )
    slices = max(1, _VALUES_AT_ONCE // (table.solids * shape[1] * shape[2]))
    slabs = [
        table.slab(Grid(x.view(1, 1, 1, -1), y.view(1, 1, -1, 1), part.view(1, -1, 1, 1)), findings)
        for part in torch.split(z, slices)
    ]
    return Drawn(
        torch.cat([slab.hu for slab in slabs]),
        torch.cat([slab.coverage for slab in slabs], dim=1),
    )


class _Table:
    """The parts of a scene as tensors: parameters of all solids by type, who uses which."""

    def __init__(self, parts: Sequence[Part], spacing: Spacing, device: torch.device) -> None:
        self._parts, self._spacing, self._device = parts, spacing, device
        self._edge = float(np.mean(spacing))
        rows: dict[str, list[list[float]]] = {kind: [] for kind in FILLED}
        used = [[*part.inside, *part.outside] for part in parts]
        for part, solids in zip(parts, used, strict=True):
            edges = [*edges_of(part, spacing), float(part.edge <= self._edge)]
            for solid in solids:
                kind, numbers = described(solid)
                rows[kind].append([*numbers, *edges])
        self._rows = {kind: torch.tensor(row, device=device) for kind, row in rows.items() if row}
        self.solids = sum(len(row) for row in rows.values())
        self._index(used, rows)
        # Distances of the first order can be too short far from long solids.
        self._boxes = torch.tensor([box_of(part, spacing) for part in parts], device=device)
        self._hu = torch.tensor([float(part.hu) for part in parts], device=device)
        self._adds = torch.tensor([part.adds for part in parts], device=device)
        self._finding = torch.tensor([part.finding for part in parts], device=device)

    def _index(self, used: Sequence[Sequence[Solid]], rows: dict[str, list[list[float]]]) -> None:
        """Note for each part the rows of the solids that it is inside and outside of.

        Row ``solids`` is full everywhere and the one after it is empty, for those without.
        """
        places: dict[str, int] = {}
        first = 0
        for kind, row in rows.items():
            places[kind], first = first, first + len(row)
        inner = max(len(part.inside) for part in self._parts)
        outer = max(1, *(len(part.outside) for part in self._parts))
        inside = np.full((len(used), inner), self.solids)
        outside = np.full((len(used), outer), self.solids + 1)
        for number, (part, solids) in enumerate(zip(self._parts, used, strict=True)):
            for place, solid in enumerate(solids):
                within = place < len(part.inside)
                target = inside if within else outside
                kind, _ = described(solid)
                target[number, place - (0 if within else len(part.inside))] = places[kind]
                places[kind] += 1
        self._inside = torch.from_numpy(inside).to(self._device)
        self._outside = torch.from_numpy(outside).to(self._device)

    def slab(self, grid: Grid, findings: int) -> Drawn:
        """Draw the voxels of a slab."""
        share = self._shares(grid)
        left = torch.where(self._adds.view(-1, 1, 1, 1), torch.ones_like(share), 1 - share)
        weight = share * _after(left)
        hu = _AIR * left.prod(0) + torch.einsum("p,pzyx->zyx", self._hu, weight)
        for number, part in enumerate(self._parts):
            if part.texture is not None:
                hu += weight[number] * self._texture(part, grid)
        covered = [self._coverage(finding, share, left, weight) for finding in range(findings)]
        empty = hu.new_zeros((0, *hu.shape))
        return Drawn(hu, torch.stack(covered) if covered else empty)

    def _coverage(self, finding: int, share: Tensor, left: Tensor, weight: Tensor) -> Tensor:
        mine = self._finding == finding
        added = mine & self._adds
        if added.any():  # what adds to the HU covers its own finding like any other part
            left = torch.where(added.view(-1, 1, 1, 1), 1 - share, left)
            weight = share * _after(left)
        return weight[mine].sum(0)

    def _shares(self, grid: Grid) -> Tensor:
        """Share of each voxel that each part fills, shape (parts, z, y, x)."""
        shape = (grid.z.shape[1], grid.y.shape[2], grid.x.shape[3])
        filled = [FILLED[kind](row, grid).expand(-1, *shape) for kind, row in self._rows.items()]
        ends = torch.ones((2, *shape), device=self._device)
        ends[1] = 0
        solids = torch.cat([*filled, ends])
        share = solids[self._inside[:, 0]]
        for column in self._inside.T[1:]:
            share = torch.minimum(share, solids[column])
        for column in self._outside.T:
            share = share * (1 - solids[column])
        for axis, place in enumerate((grid.x, grid.y, grid.z)):
            low, high = (ends.view(-1, 1, 1, 1) for ends in self._boxes[:, axis].T)
            share = share * ((place >= low) & (place <= high))
        return share

    def _texture(self, part: Part, grid: Grid) -> Tensor:
        assert part.texture is not None
        values, starts = lattice(part.texture, part.inside[0], self._edge)
        field = torch.from_numpy(values).to(self._device)
        for number, (axis, start) in enumerate(zip((grid.z, grid.y, grid.x), starts, strict=True)):
            count = values.shape[number]
            place = ((axis.flatten() - start) / part.texture.grain).clamp(0, count - 1.001)
            knots = torch.arange(count, device=self._device)
            weights = (1 - (place[:, None] - knots).abs()).clamp(min=0)
            field = torch.tensordot(field, weights, dims=([0], [1]))
        return field


def _after(left: Tensor) -> Tensor:
    """Share of each part that the later parts leave."""
    product = left.flip(0).cumprod(0).flip(0)
    return torch.cat([product[1:], torch.ones_like(product[:1])])
