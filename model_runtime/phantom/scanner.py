"""What a scanner adds to the anatomy: slice thickness, the kernel's blur, noise and streaks."""

from __future__ import annotations

import numpy as np

from model_runtime.api import Region
from model_runtime.phantom.case import Case, Random
from model_runtime.phantom.solids import Field

Spacing = tuple[float, float, float]
SLICE_AXIS = {"axial": 0, "coronal": 1, "sagittal": 2}
"""Axis of (z, y, x) along which the slices of a plane are stacked."""
# A narrow head takes fewer photons away, and is scanned with more of them.
_REGION_NOISE = {Region.CHEST: 1.0, Region.ABDOMEN: 0.8, Region.HEAD: 0.3}
_WATER_PER_MM = 0.019
_USUAL_PATH = 300.0
"""mm of water through which a ray from the side makes noise of the usual strength."""
_STREAK = 24
"""Voxels over which the noise of one ray is alike."""


def through_slices(hu: Field, spacing: Spacing, case: Case) -> Field:
    """Blur by the kernel in the plane and by the slices' thickness across it.

    Parameters
    ----------
    hu : ndarray of float32, shape (z, y, x)
        Drawn with the partial volume of voxels of ``spacing`` mm.
    """
    from scipy.ndimage import gaussian_filter1d

    across = SLICE_AXIS[case.plane]
    for axis, step in enumerate(spacing):
        # A box spreads as a Gaussian of its own variance does; the voxels' own box counts.
        wide = max(0.0, case.thickness**2 - step**2) / 12
        width = wide**0.5 if axis == across else case.blur
        if width / step > 0.2:
            hu = gaussian_filter1d(hu, width / step, axis, mode="nearest", truncate=3.0)
    return hu


def noise(hu: Field, spacing: Spacing, case: Case, random: Random) -> Field:
    """Draw noise of the case's HU at 1 mm, of which thicker voxels average some away.

    It is grainy everywhere; along the rays that cross the body from side to side it grows
    with what they pass (shoulders, pelvis, metal) and makes streaks.
    """
    usual = case.noise * _REGION_NOISE[case.region] / max(1.0, float(np.mean(spacing)) ** 0.75)
    fine = random.standard_normal(hu.shape, dtype=np.float32)
    grain = fine + np.roll(fine, 1, 1)
    grain += np.roll(grain, 1, 2)
    grain *= np.float32(0.5 * usual)
    water = np.clip(hu + 1000, 0, 4000).sum(2) * np.float32(spacing[2] / 1000)
    excess = np.exp(np.clip(water - _USUAL_PATH, -400, 200) * np.float32(_WATER_PER_MM / 2))
    grain += _rays(hu.shape, random) * (np.float32(0.4 * usual) * excess)[:, :, None]
    return grain


def _rays(shape: tuple[int, ...], random: Random) -> Field:
    """Noise with a standard deviation of about 1 that hardly changes along x."""
    z, y, x = shape
    count = -(-x // _STREAK) + 1
    knots = random.standard_normal((z, y, count), dtype=np.float32)
    place = np.arange(x, dtype=np.float32) / _STREAK
    low = place.astype(int)
    share = place - low
    rays: Field = knots[:, :, low] * (1 - share) + knots[:, :, low + 1] * share
    return rays
