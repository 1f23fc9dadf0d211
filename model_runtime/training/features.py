"""The encoder's last two hidden states of every training case, computed once.

With the encoder frozen, the projector and the language model train on these, many times
faster than through the encoder.
"""

from __future__ import annotations

import hashlib
import logging
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model_runtime.dcformer import DCFormer
from model_runtime.training.augment import augment
from model_runtime.training.loop import device_of
from model_runtime.training.volumes import VolumeStore

_LOG = logging.getLogger(__name__)
_BATCH = 20
_BATCH_ON_CARD = 200


@dataclass(frozen=True, eq=False)
class Features:
    """Hidden states, float16.

    Attributes
    ----------
    low, high : ndarray, shape (cases, views, tokens, channels)
        View 0 is the volume as it is, the others are jittered.
    seeds : ndarray, shape (cases,)
    """

    low: NDArray[np.float16]
    high: NDArray[np.float16]
    seeds: NDArray[np.int64]

    def save(self, path: Path) -> None:
        """Write as one ``.npz``, whole or not at all."""
        part = path.with_suffix(".part")
        with part.open("wb") as file:
            np.savez(file, low=self.low, high=self.high, seeds=self.seeds)
        part.replace(path)

    @classmethod
    def load(cls, path: Path) -> Features:
        """Read what :meth:`save` wrote.

        Raises
        ------
        ValueError
            Where the file is missing or damaged; it is named.
        """
        try:
            with np.load(path) as table:
                return cls(table["low"], table["high"], table["seeds"])
        except FileNotFoundError as error:
            raise ValueError(f"{path} is missing; run the features command first") from error
        except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile) as error:
            raise ValueError(
                f"{path} is damaged ({error}); run the features command again"
            ) from error

    @property
    def digest(self) -> str:
        """A word that changes when the cases or their order do."""
        return hashlib.sha256(self.seeds.astype("<i8").tobytes()).hexdigest()[:12]

    def draw(
        self, rows: NDArray[np.int64], random: np.random.Generator
    ) -> tuple[Tensor, Tensor]:
        """Low and high states of some cases, a random view of each, as float32."""
        view = random.integers(0, self.low.shape[1], len(rows))
        low, high = self.low[rows, view], self.high[rows, view]
        return torch.from_numpy(low).float(), torch.from_numpy(high).float()


def compute_features(encoder: DCFormer, store: VolumeStore, views: int, seed: int = 0) -> Features:
    """Encode every case of a store ``views`` times."""
    encoder.eval()
    low, high = [], []
    step = _BATCH_ON_CARD if device_of(encoder).type == "cuda" else _BATCH
    with torch.inference_mode():
        for start in range(0, len(store), step):
            rows = list(range(start, min(start + step, len(store))))
            grey = store.get(rows)
            both = [_encode(encoder, grey, view, seed + start) for view in range(views)]
            low.append(torch.stack([states[0] for states in both], dim=1))
            high.append(torch.stack([states[1] for states in both], dim=1))
            if start % 400 == 0:
                _LOG.info("encoded %d of %d cases", start, len(store))
    return Features(torch.cat(low).numpy(), torch.cat(high).numpy(), store.seeds)


def _encode(
    encoder: DCFormer, grey: NDArray[np.uint8], view: int, seed: int
) -> tuple[Tensor, Tensor]:
    given = torch.from_numpy(grey).to(device_of(encoder))
    if view:
        volume = augment(grey.shape, np.random.default_rng([seed, view]))(given)
    else:
        volume = given[:, None].float() / 255
    states = encoder(volume)
    return states[-2].half().cpu(), states[-1].half().cpu()
