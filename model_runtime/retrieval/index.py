"""Prior cases and their embeddings: an exact search over one matrix.

A folder holds ``cases.json`` and ``thumbnails.png`` (what is shown) and
``embeddings.npz``: unit vectors in float16, the ids in the same order, and the checksum of
the weights that made them. Vectors of different weights are never compared.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from model_runtime.json_text import read_json

Vectors = NDArray[np.float32]
PRIOR_SHAPE = (96, 256, 256)
"""(z, y, x) voxels of a synthetic prior case when it is rendered from its seed."""


class IndexFaultError(Exception):
    """The index cannot be used; the message says which file, why and what to do."""


@dataclass(frozen=True)
class Neighbour:
    """One hit: the case's record as listed, and its cosine."""

    record: Mapping[str, Any]
    score: float
    row: int


@dataclass(frozen=True, eq=False)
class CaseIndex:
    """Cases with their unit vectors.

    Attributes
    ----------
    records : tuple of mappings
        One per case, as in ``cases.json``.
    vectors : ndarray of float32, shape (cases, width)
    thumbnails : ndarray of uint8, shape (cases, h, w)
    weights_sha256 : str
        Of the contrastive weights that made the vectors.
    """

    records: tuple[Mapping[str, Any], ...]
    vectors: Vectors
    thumbnails: NDArray[np.uint8]
    weights_sha256: str

    @classmethod
    def load(cls, folder: Path) -> CaseIndex:
        """Read an index.

        Raises
        ------
        IndexFaultError
            Where a file is missing, damaged, or does not fit the others.
        """
        try:
            listing = read_json(folder / "cases.json")
            with np.load(folder / "embeddings.npz", allow_pickle=False) as stored:
                vectors = stored["vectors"].astype(np.float32)
                ids = [str(name) for name in stored["ids"]]
                weights = str(stored["weights_sha256"])
            thumbnails = _thumbnails(folder, listing)
        except FileNotFoundError as error:
            raise IndexFaultError(
                f"The index of prior cases lacks {error.filename}. Build it again."
            ) from error
        except (OSError, ValueError, KeyError, zipfile.BadZipFile, RuntimeError) as error:
            raise IndexFaultError(
                f"The index of prior cases in {folder} is damaged ({error}). Build it again."
            ) from error
        records = tuple(listing["cases"])
        if ids != [record["id"] for record in records] or len(vectors) != len(ids):
            raise IndexFaultError(
                f"embeddings.npz in {folder} belongs to other cases. Build the index again."
            )
        return cls(records, vectors, thumbnails, weights)

    def search(
        self, vector: Vectors, count: int, among: NDArray[np.bool_] | None = None
    ) -> list[Neighbour]:
        """Find the nearest cases.

        Parameters
        ----------
        vector : ndarray of float32, shape (width,)
            A unit vector of the same weights.
        count : int
            How many at most.
        among : ndarray of bool, shape (cases,), optional
            Which cases to consider.

        Raises
        ------
        IndexFaultError
            Where the vector has another width.
        """
        if vector.shape != self.vectors.shape[1:]:
            raise IndexFaultError(
                f"The index holds vectors of {self.vectors.shape[1]} numbers, the model makes "
                f"{vector.shape[0]}. Build the index with this model."
            )
        scores = self.vectors @ vector
        if among is not None:
            scores = np.where(among, scores, -np.inf)
        order = np.argsort(-scores, kind="stable")[:count]
        return [
            Neighbour(self.records[row], float(scores[row]), int(row))
            for row in order
            if np.isfinite(scores[row])
        ]


def save_embeddings(
    folder: Path, ids: Sequence[str], vectors: Vectors, weights_sha256: str
) -> None:
    """Write ``embeddings.npz``, whole or not at all."""
    part = folder / "embeddings.part.npz"
    try:
        with part.open("wb") as stream:
            np.savez_compressed(
                stream,
                vectors=vectors.astype(np.float16),
                ids=np.array(ids),
                weights_sha256=np.array(weights_sha256),
            )
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(folder / "embeddings.npz")
    finally:
        part.unlink(missing_ok=True)


def _thumbnails(folder: Path, listing: Mapping[str, Any]) -> NDArray[np.uint8]:
    """Cut the sheet of square pictures apart."""
    layout = listing["thumbnails"]
    pixels, columns = int(layout["pixels"]), int(layout["columns"])
    sheet = imagecodecs.png_decode((folder / str(layout["file"])).read_bytes())
    count = len(listing["cases"])
    cut = [
        sheet[
            row // columns * pixels : (row // columns + 1) * pixels,
            row % columns * pixels : (row % columns + 1) * pixels,
        ]
        for row in range(count)
    ]
    if any(picture.shape != (pixels, pixels) for picture in cut):
        raise ValueError("the sheet of thumbnails is too small")
    return np.stack(cut)
