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

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model_runtime.phantom.case import Random

Augmentation = Callable[[NDArray[np.uint8], Random], Tensor]
"""From B × z × y × x grey values, 0 … 255, to float32 B × 1 × z × y × x, about 0 … 1."""


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

    def __call__(self, grey: NDArray[np.uint8], random: Random) -> Tensor:
        """Change each volume of a batch by itself."""
        out = np.stack([self._one(volume.astype(np.float32) / 255, random) for volume in grey])
        return torch.from_numpy(out)[:, None]

    def _one(self, volume: NDArray[np.float32], random: Random) -> NDArray[np.float32]:
        # Everything is drawn whatever happens, so that the switch changes nothing else.
        turned, quarters = random.random() < self.turns, int(random.integers(1, 4))
        flipped = random.random(3) < self.flips
        changed = random.random(2) < (self.scaled, self.shifted)
        factor, shift = random.uniform(-self.by, self.by, 2) * changed
        if not self.keep_sides:
            if turned:
                volume = _turned(volume, quarters)
            volume = np.flip(volume, tuple(np.flatnonzero(flipped)))
        out: NDArray[np.float32] = (volume * (1 + factor) + shift).astype(np.float32)
        return out


def _turned(volume: NDArray[np.float32], quarters: int) -> NDArray[np.float32]:
    """Turn in the axial plane; only by halves where the plane is no square."""
    if volume.shape[1] != volume.shape[2]:
        quarters = 2
    return np.rot90(volume, quarters, axes=(1, 2))
