"""A series' pixels: the middle slice first, then the rest, into one int16 volume."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from workstation.core.display import Window
from workstation.core.errors import InputError
from workstation.core.study import Notice, Series, Severity, SliceSource
from workstation.core.volume import Volume
from workstation.io.channel import Message
from workstation.io.facts import FileFacts, ScannedSlice
from workstation.io.grid import GridPlan, plan_grid
from workstation.io.pool import Outcome, WorkerPool
from workstation.io.remarks import COLOUR, FLOATS, NO_RESCALE, as_notice
from workstation.io.resample import AIR, blended, shifted
from workstation.io.shared import SharedBlock
from workstation.io.syntaxes import takes_long
from workstation.io.volume_load import read_volume_file

_SECONDS_BETWEEN_STEPS = 0.05
_BATCH = 4
_SPARE_MEMORY = 400 * 2**20


@dataclass(frozen=True)
class LoadStep:
    """State of a volume while it loads: ``done`` of ``total`` slices have been read."""

    volume: Volume
    done: int
    total: int


def load(series: Series, cancelled: threading.Event, pool: WorkerPool) -> Iterator[LoadStep]:
    """Read a series' voxels into one shared int16 volume.

    The first step holds the middle slice, the last one all that could be read; slices that
    cannot be decoded stay unavailable, with a notice that names the file. Ends early if
    cancelled.

    Raises
    ------
    InputError
        If the series cannot be opened, does not fit into memory, or no slice can be read.
    """
    if series.readable:
        raise InputError(series.readable)
    if series.format != "DICOM":
        check_memory(int(np.prod((series.count, *series.size), dtype=np.int64)) * 2, series)
        volume = read_volume_file(series, cancelled, pool)
        if volume is not None:
            yield LoadStep(volume, series.count, series.count)
        return
    slices = series.slices or _slices_from_headers(series, cancelled, pool)
    if cancelled.is_set():
        return
    plan = plan_grid(slices, series.size)
    check_memory(plan_bytes(plan), series)
    yield from _Loading(series, plan, pool).steps(cancelled)


def plan_bytes(plan: GridPlan) -> int:
    """Bytes that a plan's volume takes, with the sources while they are resampled."""
    size = int(np.prod(plan.geometry.shape, dtype=np.int64)) * 2
    return size * 2 if plan.resampled else size


def check_memory(needed: int, series: Series) -> None:
    """Refuse, with the figure, what does not fit into free memory."""
    free = _free_memory()
    if free is not None and needed + _SPARE_MEMORY > free:
        raise InputError(
            f"“{series.description or 'This series'}” needs {needed / 2**30:.1f} GB of memory, "
            f"but only {free / 2**30:.1f} GB are free. Close other programs and open it again."
        )


def _free_memory() -> int | None:
    """Bytes that can be allocated without swapping; None where the system does not say."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    table = {line.split(":")[0]: line.split()[1] for line in lines if ":" in line}
    return int(table["MemAvailable"]) * 1024 if "MemAvailable" in table else None


def _slices_from_headers(
    series: Series, cancelled: threading.Event, pool: WorkerPool
) -> tuple[SliceSource, ...]:
    """Read the geometry again, for a series that was stored without it."""
    items: list[Message] = [{"path": str(file)} for file in series.files]
    found: dict[int, tuple[SliceSource, ...]] = {}
    for outcome in pool.run("headers", items, cancelled, batch=16, priority=0):
        if outcome.value is not None:
            found[outcome.index] = FileFacts.from_message(outcome.value).sources()
    slices = tuple(one for index in sorted(found) for one in found[index])
    if not slices and not cancelled.is_set():
        raise InputError("None of the files of this series can be read any more. Scan again.")
    return slices


class _Loading:
    """One series on its way into memory."""

    def __init__(self, series: Series, plan: GridPlan, pool: WorkerPool) -> None:
        self.series = series
        self.plan = plan
        self.pool = pool
        self.block = SharedBlock((_source_count(plan), *series.size))
        self.read = np.zeros(len(plan.slices), bool)
        self.failed: list[tuple[Path, str]] = []
        self.remarks: dict[str, int] = {}
        self.windows: dict[int, Window] = {}
        self.target: _Target = _Resampled(self) if plan.resampled else _Direct(self)

    def steps(self, cancelled: threading.Event) -> Iterator[LoadStep]:
        order = self.target.order()
        head = self.target.urgent
        # While the urgent slices are read, the other processes have nothing to do.
        items = [
            self._item(source, threads=self.pool.size if number < head else 1)
            for number, source in enumerate(order)
        ]
        many = 1 if any(map(takes_long, items)) else _BATCH
        done, shown, total = 0, 0.0, len(order)
        try:
            for part in (range(head), range(head, total)):
                batch = 1 if part.start == 0 else many
                chosen = items[part.start : part.stop]
                for outcome in self.pool.run("decode", chosen, cancelled, priority=0, batch=batch):
                    done += 1
                    self._take(order[part.start + outcome.index], outcome)
                    now = time.monotonic()
                    due = now - shown > _SECONDS_BETWEEN_STEPS and done < total
                    if due and self.target.available.any():
                        shown = now
                        yield LoadStep(self._volume(), done, total)
            if not cancelled.is_set():
                yield self._last(total)
        finally:
            self.block.close()

    def _item(self, source: int, threads: int) -> Message:
        one = self.plan.slices[source]
        place = source if self.plan.resampled else self.plan.targets[source]
        return {
            "path": str(one.file),
            "frame": one.frame,
            "rows": self.series.size[0],
            "columns": self.series.size[1],
            "address": self.block.address,
            "offset": self.block.offset(place),
            "stored": one.stored if isinstance(one, ScannedSlice) else None,
            "threads": threads,
        }

    def _take(self, source: int, outcome: Outcome) -> None:
        if outcome.value is None:
            self.failed.append((self.plan.slices[source].file, outcome.reason))
            return
        self.read[source] = True
        for remark in outcome.value["remarks"]:
            self.remarks[remark] = self.remarks.get(remark, 0) + 1
        if outcome.value["window"]:
            self.windows[source] = Window(*outcome.value["window"])
        self.target.fill(source)

    def _last(self, total: int) -> LoadStep:
        if not self.read.any():
            file, reason = self.failed[0]
            raise InputError(f"No slice of this series can be read: {file.name}: {reason}.")
        return LoadStep(self._volume(), total, total)

    def _volume(self) -> Volume:
        plan = self.plan
        return Volume(
            series=self.series,
            voxels=self.target.voxels,
            geometry=plan.geometry,
            available=self.target.available.copy(),
            window=self._window(),
            notices=(*self.series.notices, *plan.notices, *self._notices()),
            unit="" if self.series.modality != "CT" or {COLOUR, FLOATS} & {*self.remarks} else "HU",
            approximate=plan.approximate,
            calibrated=plan.calibrated,
            rescaled=NO_RESCALE not in self.remarks,
        )

    def _window(self) -> Window | None:
        middle = len(self.plan.slices) // 2
        near = min(self.windows, key=lambda source: abs(source - middle), default=None)
        return None if near is None else self.windows[near]

    def _notices(self) -> list[Notice]:
        total = len(self.plan.slices)
        notices = [_failure_notice(self.failed, total)] if self.failed else []
        for remark, count in self.remarks.items():
            where = "" if count == int(self.read.sum()) else f" ({count} of {total} slices)"
            notices.append(as_notice(remark, where))
        return notices


def _failure_notice(failed: list[tuple[Path, str]], total: int) -> Notice:
    file, reason = failed[0]
    more = f" and {len(failed) - 1} more" if len(failed) > 1 else ""
    return Notice(
        f"{len(failed)} of {total} slices could not be read and stay empty: "
        f"{file.name}{more}: {reason}.",
        Severity.ERROR,
        badge=f"{len(failed)} unreadable slices" if len(failed) > 1 else "1 unreadable slice",
        details="\n".join(f"{path.name}: {why}" for path, why in failed[:100]),
    )


def _source_count(plan: GridPlan) -> int:
    return len(plan.slices) if plan.resampled else plan.geometry.shape[0]


def _from_the_middle(count: int) -> list[int]:
    """Order indices by their distance from the middle."""
    return sorted(range(count), key=lambda index: abs(index - count // 2))


class _Direct:
    """Sources that are grid slices already: the reading processes write them in place."""

    urgent = 1

    def __init__(self, loading: _Loading) -> None:
        self._plan = loading.plan
        self.voxels: NDArray[np.int16] = loading.block.voxels
        self.available = np.zeros(loading.plan.geometry.shape[0], bool)

    def order(self) -> list[int]:
        return _from_the_middle(len(self._plan.slices))

    def fill(self, source: int) -> None:
        self.available[self._plan.targets[source]] = True


class _Resampled:
    """Grid slices computed as soon as the sources around them are there."""

    def __init__(self, loading: _Loading) -> None:
        self._loading = loading
        plan = loading.plan
        self.voxels: NDArray[np.int16] = np.zeros(plan.geometry.shape, np.int16)
        self.available = np.zeros(plan.geometry.shape[0], bool)
        self._outside = AIR if loading.series.modality == "CT" else 0
        self._middle = next(
            index for index in _from_the_middle(len(plan.blends)) if plan.blends[index] is not None
        )
        self.urgent = len(self._sources(self._middle))

    def order(self) -> list[int]:
        first = self._sources(self._middle)
        count = len(self._loading.plan.slices)
        return first + [one for one in _from_the_middle(count) if one not in first]

    def fill(self, source: int) -> None:
        read = self._loading.read
        for index, blend in enumerate(self._loading.plan.blends):
            if blend is None or source not in (blend.lower, blend.upper):
                continue
            if all(read[one] for one in self._sources(index)):
                lower, upper = self._shifted(blend.lower), self._shifted(blend.upper)
                self.voxels[index] = blended(blend, lower, upper)
                self.available[index] = True

    def _sources(self, index: int) -> list[int]:
        blend = self._loading.plan.blends[index]
        if blend is None:
            return []
        return sorted(
            {
                blend.lower if blend.weight < 1 else blend.upper,
                blend.upper if blend.weight > 0 else blend.lower,
            }
        )

    def _shifted(self, source: int) -> NDArray[np.float32]:
        plan = self._loading.plan
        assert plan.shifts is not None
        rows, columns = plan.shifts[source]
        shape = plan.geometry.shape[1:]
        pixels = self._loading.block.voxels[source]
        return shifted(pixels, (float(rows), float(columns)), shape, self._outside)


_Target = _Direct | _Resampled
