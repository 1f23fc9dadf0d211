"""Volumes with known answers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from workstation.core.geometry import Geometry
from workstation.core.study import Series
from workstation.core.volume import Volume

# As a reader sees it on the screen: an R that cannot be mistaken for its mirror image.
GLYPH = np.array(
    [
        (1, 1, 1, 1, 0),
        (1, 0, 0, 0, 1),
        (1, 0, 0, 0, 1),
        (1, 1, 1, 1, 0),
        (1, 0, 1, 0, 0),
        (1, 0, 0, 1, 0),
        (1, 0, 0, 0, 1),
    ]
)
SIDE = 12.0


def glyph_value(right, down):
    """1 where an R of 5 × 7 squares of 12 mm, centred at (0, 0), is drawn."""
    column = np.floor(right / SIDE + 2.5).astype(int)
    row = np.floor(down / SIDE + 3.5).astype(int)
    inside = (column >= 0) & (column < 5) & (row >= 0) & (row < 7)
    return np.where(inside, GLYPH[np.clip(row, 0, 6), np.clip(column, 0, 4)], 0)


@pytest.fixture
def glyph():
    return glyph_value


def tilted(degrees):
    """Axes of a gantry turned about the left–right axis."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return ((1.0, 0.0, 0.0), (0.0, c, s), (0.0, -s, c))


AXES = {
    "head first supine": ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
    "feet first supine": ((-1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, -1.0)),
    "head first prone": ((-1.0, 0.0, 0.0), (0.0, -1.0, 0.0), (0.0, 0.0, 1.0)),
    "left-handed file": ((-1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
    "sagittal": ((0.0, 1.0, 0.0), (0.0, 0.0, -1.0), (-1.0, 0.0, 0.0)),
    "coronal": ((1.0, 0.0, 0.0), (0.0, 0.0, -1.0), (0.0, 1.0, 0.0)),
    "oblique 12°": tilted(12),
}


def grid(direction, side=60, spacing=(2.0, 2.0, 2.0)):
    """A cube of voxels centred on LPS (0, 0, 0)."""
    first = Geometry((side, side, side), spacing=spacing, direction=direction)
    x, y, z = (-float(value) for value in first.centre)
    return replace(first, origin=(x, y, z))


def points(geometry):
    """LPS mm (z, y, x, 3) of every voxel."""
    k, j, i = np.meshgrid(*(np.arange(n) for n in geometry.shape), indexing="ij")
    return geometry.to_lps(np.stack([i, j, k], axis=-1))


def volume_of(voxels, geometry, **more):
    series = Series("key", "study", (), geometry.shape[0], modality="CT")
    return Volume(
        series, np.ascontiguousarray(voxels, dtype=np.int16), geometry,
        np.ones(geometry.shape[0], dtype=bool), **more,
    )  # fmt: skip


@pytest.fixture
def a_volume():
    """Make a volume from voxels and a geometry."""
    return volume_of


@pytest.fixture(params=sorted(AXES))
def a_grid(request):
    """A cube around LPS (0, 0, 0), scanned in one of many ways."""
    return grid(AXES[request.param])


@pytest.fixture
def a_straight_grid():
    return grid(AXES["head first supine"])


@pytest.fixture
def glyph_volume():
    """Make a volume that shows an upright R in one plane, whatever the grid."""

    def make(plane, geometry):
        lps = points(geometry)
        seen = glyph_value(lps @ plane.right, lps @ plane.down)
        return volume_of(seen * 1000, geometry)

    return make


@pytest.fixture
def volume_presets(repository: Path) -> Path:
    return repository / "resources" / "volume_presets.toml"
