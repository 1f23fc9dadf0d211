"""Training data from a folder in the layout of M3D-Cap and M3D-VQA.

Every volume is read once, brought to the model's grid and kept as 8-bit ``.npy`` in a folder
of its own, from which training loads. What is missing or damaged is counted and named; it is
left out only where that is asked for, and nothing ever stands in for it.
"""

from __future__ import annotations

import hashlib
import logging
import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model_runtime.config import InputConfig
from model_runtime.evaluation.m3d import (
    Asked,
    Captioned,
    DatasetError,
    each_caption,
    each_question,
)
from model_runtime.evaluation.m3d_volumes import read_grey
from model_runtime.phantom.language import Question

_LOG = logging.getLogger(__name__)
_NAMED = 10
PREPARED = "prepared"
"""Folder, beside the listing, of the volumes on the model's grid."""


@dataclass(frozen=True, eq=False)
class M3dStore:
    """Volumes on the model's grid with their reports and questions.

    It is used as :class:`~model_runtime.training.volumes.VolumeStore` is; ``seeds`` are the
    places of the cases.
    """

    grid: tuple[int, int, int]
    names: tuple[str, ...]
    volumes: tuple[Path, ...]
    texts: tuple[str, ...]
    asked: tuple[tuple[Question, ...], ...]

    @classmethod
    def open(
        cls,
        folder: Path,
        settings: InputConfig,
        split: str = "train",
        *,
        skip_damaged: bool = False,
        prepared: Path | None = None,
        processes: int = 1,
    ) -> M3dStore:
        """Read a split, preparing the volumes that are not prepared yet.

        Parameters
        ----------
        folder
            Where the listing is, or one folder above; paths in it are relative to this.
        settings
            The model's input.
        skip_damaged
            Go on without what cannot be used, with a warning, in place of an error.
        prepared
            Where the prepared volumes are kept; needs a byte for each voxel of the grid.

        Raises
        ------
        DatasetError
            Where listings cannot be read, a table lacks columns, or items cannot be used; their
            number and names are told.
        """
        faults: list[str] = []
        captions = list(_usable(each_caption(folder, split), faults))
        listed = len(captions) + len(faults)
        prepare = partial(_prepared, settings=settings, folder=prepared or folder / PREPARED)
        kept = _kept(prepare, captions, processes, faults)
        _tell(folder, faults, listed, "volumes and reports", skip=skip_damaged and bool(kept))
        asked = _questions(folder, split, {item.image for item in captions}, skip=skip_damaged)
        return cls._of(folder, settings, captions, kept, asked)

    @classmethod
    def _of(
        cls,
        folder: Path,
        settings: InputConfig,
        captions: Sequence[Captioned],
        kept: Mapping[Path, Path],
        asked: Mapping[Path, Sequence[Question]],
    ) -> M3dStore:
        """Put together what belongs to the volumes that are kept."""
        used = [item for item in captions if item.image in kept]
        return cls(
            settings.shape,
            tuple(item.image.relative_to(folder).as_posix() for item in used),
            tuple(kept[item.image] for item in used),
            tuple(item.text for item in used),
            tuple(tuple(asked.get(item.image, ())) for item in used),
        )

    def __len__(self) -> int:
        return len(self.names)

    @property
    def seeds(self) -> NDArray[np.int64]:
        """Places of the cases."""
        return np.arange(len(self.names))

    @property
    def digest(self) -> str:
        """A word that changes when the cases, their order or their texts do."""
        told = zip(self.names, self.texts, self.asked, strict=True)
        return hashlib.sha256(repr(list(told)).encode()).hexdigest()[:12]

    def get(self, indices: Sequence[int]) -> NDArray[np.uint8]:
        """Copy some volumes; shape (len(indices), z, y, x)."""
        return np.stack([np.load(self.volumes[index]) for index in indices])

    def reports(self, indices: Sequence[int]) -> list[str]:
        """Texts of some volumes."""
        return [self.texts[index] for index in indices]

    def questions(self, indices: Sequence[int]) -> list[tuple[Question, ...]]:
        """Questions about some volumes; there may be none about one."""
        return [self.asked[index] for index in indices]


def _usable(items: Iterable[Captioned | DatasetError], faults: list[str]) -> Iterator[Captioned]:
    """Pass on what can be used, and collect what is wrong with the others."""
    for item in items:
        if isinstance(item, DatasetError):
            faults.append(str(item))
        else:
            yield item


def _kept(
    prepare: Callable[[Path], Path | DatasetError],
    captions: Sequence[Captioned],
    processes: int,
    faults: list[str],
) -> dict[Path, Path]:
    """Prepare each volume once; by volume, its prepared file. Faults are collected."""
    images = list(dict.fromkeys(item.image for item in captions))
    kept: dict[Path, Path] = {}
    for image, ready in zip(images, _mapped(prepare, images, processes), strict=True):
        if isinstance(ready, DatasetError):
            faults.append(str(ready))
        else:
            kept[image] = ready
    return kept


def _mapped(
    prepare: Callable[[Path], Path | DatasetError], images: Sequence[Path], processes: int
) -> Iterator[Path | DatasetError]:
    if processes == 1:
        yield from map(prepare, images)
        return
    # Threads of the numerical libraries do not survive a fork.
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(prepare, images, chunksize=8)


def _prepared(path: Path, settings: InputConfig, folder: Path) -> Path | DatasetError:
    """Bring a volume to the model's grid, unless that is done; gives the file, or what is wrong.

    The file's name holds what it was made from, so that a changed volume is made again.
    """
    state = path.stat()
    made_of = repr((str(path), state.st_size, state.st_mtime_ns, sorted(asdict(settings).items())))
    target = folder / f"{hashlib.sha256(made_of.encode()).hexdigest()[:24]}.npy"
    if _is_ready(target, settings):
        return target
    try:
        grey = np.round(read_grey(path, settings) * 255).astype(np.uint8)
    except DatasetError as error:
        return error
    folder.mkdir(parents=True, exist_ok=True)
    part = target.with_suffix(".part")
    with part.open("wb") as file:
        np.save(file, grey)
    part.replace(target)
    return target


def _is_ready(target: Path, settings: InputConfig) -> bool:
    """Tell whether a prepared volume is there and whole."""
    try:
        ready = np.load(target, mmap_mode="r")
    except (OSError, ValueError, EOFError):
        return False
    return bool(ready.shape == settings.shape and ready.dtype == np.uint8)


def _questions(
    folder: Path, split: str, known: set[Path], *, skip: bool
) -> dict[Path, list[Question]]:
    """Read the tables of questions that are there, by volume."""
    found: dict[Path, list[Question]] = {}
    for yes_no in (False, True):
        name = f"M3D_VQA_{'yn_' if yes_no else ''}{split}.csv"
        if not any(folder.glob(name)) and not any(folder.glob(f"*/{name}")):
            _LOG.info("%s is not in %s; training goes without its questions", name, folder)
            continue
        faults: list[str] = []
        rows = 0
        for row in each_question(folder, split, yes_no=yes_no):
            rows += 1
            if isinstance(row, Asked) and row.image in known:
                found.setdefault(row.image, []).append(row.question)
            else:
                faults.append(_fault(row))
        _tell(folder, faults, rows, f"questions of {name}", skip=skip)
    return found


def _fault(row: Asked | DatasetError) -> str:
    return f"{row.image} has no report" if isinstance(row, Asked) else str(row)


def _tell(folder: Path, faults: Sequence[str], items: int, what: str, *, skip: bool) -> None:
    """Count and name what cannot be used; an error unless it may be left out."""
    if not faults:
        return
    more = len(faults) - _NAMED
    named = "; ".join(faults[:_NAMED]) + (f"; and {more} more" if more > 0 else "")
    text = f"{len(faults)} of {items} {what} in {folder} cannot be used: {named}"
    if not skip:
        raise DatasetError(text)
    _LOG.warning("%s. Training goes on without them.", text)
