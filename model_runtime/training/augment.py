"""Small changes to a batch that leave its report true: no flips, sides must stay sides."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model_runtime.phantom.case import Random


def augment(grey: NDArray[np.uint8], random: Random) -> Tensor:
    """Jitter crop, grey scale and noise.

    Parameters
    ----------
    grey : ndarray of uint8, shape (B, z, y, x)
    random : Generator

    Returns
    -------
    Tensor of float32, shape (B, 1, z, y, x)
        In [0, 1].
    """
    # One grain for the batch, each volume its own share of it: drawing is what costs.
    grain = random.standard_normal(grey.shape[1:], dtype=np.float32)
    out = np.empty(grey.shape, np.float32)
    steps = np.arange(256, dtype=np.float32) / 255
    for place, volume in enumerate(grey):
        gain, shift, noise = random.standard_normal(3, dtype=np.float32)
        np.take(
            steps * (1 + 0.05 * gain) + 0.02 * shift, _jitter_crop(volume, random), out=out[place]
        )
        out[place] += 0.015 * noise * grain
    return torch.from_numpy(out.clip(0, 1, out=out))[:, None]


def _jitter_crop(volume: NDArray[np.uint8], random: Random) -> NDArray[np.uint8]:
    """Move by up to 4 % and scale by up to 5 % along each axis, by the nearest voxel."""
    places = []
    for count in volume.shape:
        scale, move = random.uniform(0.95, 1.05), random.uniform(-0.04, 0.04)
        unit = (np.arange(count) + 0.5) / count - 0.5
        place = np.floor((unit * scale + move + 0.5) * count).astype(int)
        places.append(np.clip(place, 0, count - 1))
    return volume[np.ix_(*places)]
