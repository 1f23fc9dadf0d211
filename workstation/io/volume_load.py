"""NIfTI, NRRD and MetaImage volumes into memory, through the reading processes."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from workstation.core.errors import InputError
from workstation.core.geometry import Geometry, Point
from workstation.core.study import Notice, Series, Severity
from workstation.core.volume import Volume
from workstation.io.channel import Message
from workstation.io.grid import SHORT_SERIES
from workstation.io.pool import Outcome, WorkerPool
from workstation.io.shared import SharedBlock

SECONDS = 120.0


def read_volume_file(series: Series, cancelled: threading.Event, pool: WorkerPool) -> Volume | None:
    """Read a whole volume file; None if cancelled.

    Raises
    ------
    InputError
        If the file cannot be read; names the file.
    """
    path = series.files[0]
    question = _Question("volume_header", {"path": str(path)}, 1 << 30)
    header = _answer(question, cancelled, pool)
    if header is None:
        return None
    geometry, flip = file_geometry(header)
    block = SharedBlock(geometry.shape)
    item: Message = {
        "path": str(path),
        "address": block.address,
        "shape": list(geometry.shape),
        "flip": flip,
    }
    memory = (1 << 30) + 3 * int(header["bytes"])
    try:
        answer = _answer(_Question("volume_decode", item, memory), cancelled, pool)
    finally:
        block.close()
    if answer is None:
        return None
    is_ct = series.modality == "CT" or bool(answer["hounsfield"])
    return Volume(
        series=replace(series, modality="CT" if is_ct else series.modality),
        voxels=block.voxels,
        geometry=geometry,
        available=np.ones(geometry.shape[0], bool),
        notices=(*series.notices, *_notices(answer, geometry)),
        unit="HU" if is_ct else "",
    )


def file_geometry(header: Message) -> tuple[Geometry, bool]:
    """Right-handed grid of a volume file, and whether its slices must be reversed for it."""
    i, j, k = header["size"]
    axes = np.array(header["direction"], dtype=np.float64)
    origin = np.array(header["origin"], dtype=np.float64)
    spacing = np.array(header["spacing"], dtype=np.float64)
    flip = bool(np.linalg.det(axes) < 0)
    if flip:
        origin = origin + axes[2] * spacing[2] * (k - 1)
        axes[2] = -axes[2]
    geometry = Geometry(
        shape=(k, j, i),
        origin=_point(origin),
        spacing=_point(spacing),
        direction=(_point(axes[0]), _point(axes[1]), _point(axes[2])),
    )
    return geometry, flip


@dataclass(frozen=True)
class _Question:
    kind: str
    item: Message
    memory: int


def _answer(question: _Question, cancelled: threading.Event, pool: WorkerPool) -> Message | None:
    """Answer to a single item; None if cancelled."""
    kind, item, memory = question.kind, question.item, question.memory
    outcomes: list[Outcome] = list(
        pool.run(kind, [item], cancelled, priority=0, timeout=SECONDS, memory=memory)
    )
    if not outcomes:
        return None
    if outcomes[0].value is None:
        name = Path(item["path"]).name
        raise InputError(f"{name} cannot be opened: {outcomes[0].reason}.", outcomes[0].details)
    return outcomes[0].value


def _notices(answer: Message, geometry: Geometry) -> list[Notice]:
    notices = [
        Notice(f"{remark[0].upper()}{remark[1:]}.", Severity.INFO) for remark in answer["remarks"]
    ]
    count = geometry.shape[0]
    if 1 < count < SHORT_SERIES:
        notices.append(Notice(f"This is a short series: {count} slices.", Severity.INFO))
    return notices


def _point(values: object) -> Point:
    x, y, z = (float(value) for value in np.asarray(values, dtype=np.float64))
    return x, y, z
