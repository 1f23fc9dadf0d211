"""The changes that M3D and Med3DVLM make to a volume in training.

A quarter turn in the axial plane in half of the volumes, a flip along each axis in a tenth,
a factor and a shift of the intensity in half of them each; nothing is clipped.

A flip makes a mirror image: the patient's left side is where the right one was, while the
report still says left. So does half a turn to a model that tells sides by their place, and a
flip along z exchanges upper and lower. One volume in ten being wrong per axis, the published
model has to weigh its sides against false examples. ``keep_sides`` leaves all turns and
flips out; a volume whose orientation is known, as any from DICOM, needs none of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from model_runtime.phantom.case import Random


@dataclass(frozen=True)
class M3dAugmentation:
    """How often each change happens and how large it is; the defaults are the published ones.

    Attributes
    ----------
    turns : float
        Probability of one, two or three quarter turns in the axial (y, x) plane.
    flips : float
        Probability of a flip, for each of the axes z, y and x.
    scaled, shifted : float
        Probabilities of a factor 1 ± ``by`` and of a shift by ± ``by``, evenly drawn.
    keep_sides : bool
        No turns and no flips, so that left stays left and upper stays upper.
    """

    turns: float = 0.5
    flips: float = 0.1
    scaled: float = 0.5
    shifted: float = 0.5
    by: float = 0.1
    keep_sides: bool = False

    def __call__(self, shape: Sequence[int], random: Random) -> M3dChange:
        """Draw what happens to each volume of a batch of shape (B, z, y, x)."""
        batch = shape[0]
        # Everything is drawn whatever happens, so that the switch changes nothing else.
        turned = (random.random(batch) < self.turns) * random.integers(1, 4, batch)
        flipped = random.random((batch, 3)) < self.flips
        changed = random.random((batch, 2)) < (self.scaled, self.shifted)
        factor, shift = (random.uniform(-self.by, self.by, (batch, 2)) * changed).T
        if self.keep_sides:
            turned, flipped = np.zeros_like(turned), np.zeros_like(flipped)
        axes = [tuple(np.flatnonzero(row).tolist()) for row in flipped]
        return M3dChange(tuple(turned.tolist()), tuple(axes), tuple(factor), tuple(shift))


@dataclass(frozen=True)
class M3dChange:
    """What happens to each volume of a batch.

    Attributes
    ----------
    turns : tuple of int
        Quarter turns.
    flips : tuple of tuple of int
        The axes (z, y, x) along which it is mirrored.
    factors, shifts : tuple of float
        Of the intensity, which becomes intensity · (1 + factor) + shift.
    """

    turns: tuple[int, ...]
    flips: tuple[tuple[int, ...], ...]
    factors: tuple[float, ...]
    shifts: tuple[float, ...]

    def __call__(self, grey: Tensor) -> Tensor:
        """Change a batch."""
        out = grey.float() / 255
        changes = zip(self.turns, self.flips, self.factors, self.shifts, strict=True)
        for row, (turns, axes, factor, shift) in enumerate(changes):
            volume = out[row]
            if turns:
                # Only by halves where the plane is no square.
                quarters = turns if volume.shape[1] == volume.shape[2] else 2
                volume = volume.rot90(quarters, (1, 2))
            out[row] = volume.flip(axes) * (1 + float(factor)) + float(shift)
        return out[:, None]
