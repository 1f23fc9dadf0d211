"""A scan as numbers: Hounsfield units on a grid in the patient."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from workstation.core.display import Window
from workstation.core.geometry import Geometry
from workstation.core.study import Notice, Series


@dataclass(frozen=True, eq=False)
class Volume:
    """Voxels, where they lie, and what must be said about them.

    The array may still be filling while the first slice is on screen:
    ``available[k]`` tells which slices hold pixels. Nothing may be read, shown or
    measured from a slice that is not available.

    Attributes
    ----------
    voxels : ndarray of int16, shape (z, y, x)
        Hounsfield units for CT; stored values after rescale otherwise.
    available : ndarray of bool, shape (z,)
        Slices that hold pixels.
    window : Window or None
        The header's own window.
    notices : tuple of Notice
        Geometry and decoding warnings; shown as long as the volume is on screen.
    unit : str
        ``"HU"`` for CT, else ``""``.
    approximate : bool
        True where geometry was resampled or guessed: measurements say so.
    calibrated : bool
        False where pixel spacing is unknown: distances are in pixels.
    rescaled : bool
        False where the header of a CT does not say how stored values become HU.
    """

    series: Series
    voxels: NDArray[np.int16]
    geometry: Geometry
    available: NDArray[np.bool_]
    window: Window | None = None
    notices: tuple[Notice, ...] = ()
    unit: str = "HU"
    approximate: bool = False
    calibrated: bool = True
    rescaled: bool = True

    @property
    def key(self) -> str:
        """Identity of the pixels, by which caches and results are kept."""
        return self.series.key

    @property
    def value_unit(self) -> str:
        """Unit to be told with a value: ``"HU"`` only where it is known to be that."""
        return self.unit if self.rescaled else ""

    @property
    def complete(self) -> bool:
        """Tell whether every slice holds pixels."""
        return bool(self.available.all())

    def value_at(self, lps: ArrayLike) -> int | None:
        """Value of the voxel nearest to an LPS point in mm; None outside or not loaded yet."""
        index = self.geometry.to_index(lps)
        if not self.geometry.contains(index):
            return None
        i, j, k = (round(float(value)) for value in index)
        return int(self.voxels[k, j, i]) if self.available[k] else None
