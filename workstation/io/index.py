"""What lies in a folder, file or archive: series, found from headers alone."""

from __future__ import annotations

import hashlib
import os
import stat
import threading
import time
import zipfile
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from workstation.core.running import run_out
from workstation.core.study import Notice, Series
from workstation.io.channel import Message
from workstation.io.facts import FileFacts
from workstation.io.formats import FORMATS, volume_suffix
from workstation.io.grouping import group_series
from workstation.io.incomplete import MARK, incomplete_in
from workstation.io.pool import WorkerPool
from workstation.io.thumbnail import from_message
from workstation.io.unpack import SkippedFile, unpack
from workstation.io.volume_load import SECONDS

_BATCH = 16
_SECONDS_BETWEEN_EVENTS = 0.1
_THUMBNAIL_BYTES = 256 * 2**20


@dataclass(frozen=True)
class ScanProgress:
    """How far a scan has come."""

    files_done: int
    files_total: int
    current_name: str


@dataclass(frozen=True)
class SeriesFound:
    """A series was found; its thumbnail may follow."""

    series: Series


@dataclass(frozen=True, eq=False)
class SeriesThumbnail:
    """The picture, uint8 (h, w), of a series found before."""

    key: str
    image: NDArray[np.uint8]


@dataclass(frozen=True)
class ScanFinished:
    """The scan's end: how many series, what was left out and why."""

    series_count: int
    skipped: tuple[SkippedFile, ...]
    notices: tuple[Notice, ...]


ScanEvent = ScanProgress | SeriesFound | SeriesThumbnail | ScanFinished


@dataclass(frozen=True)
class Survey:
    """All that a scan finds, at its end: series, and the header of each DICOM file by path."""

    series: tuple[Series, ...]
    facts: dict[Path, FileFacts]
    skipped: tuple[SkippedFile, ...]
    notices: tuple[Notice, ...]


@dataclass
class _Scan:
    """What a scan has found so far."""

    total: int
    skipped: list[SkippedFile]
    facts: list[FileFacts] = field(default_factory=list)


def scan(
    paths: Sequence[Path], cancelled: threading.Event, pool: WorkerPool
) -> Iterator[ScanEvent]:
    """Find the series in folders, files and ZIP archives.

    One file that cannot be read is listed in :attr:`ScanFinished.skipped` and costs nothing
    else. Ends early, without :class:`ScanFinished`, once ``cancelled`` is set.
    """
    skipped: list[SkippedFile] = []
    files = list_files(paths, cancelled, skipped)
    volumes = [path for path in files if volume_suffix(path)]
    others = [path for path in files if not volume_suffix(path)]
    state = _Scan(len(files), skipped)
    yield ScanProgress(0, len(files), "")
    yield from _read_headers(others, state, cancelled, pool)
    found, notices = _grouped(state.facts)
    found += _volume_series(volumes, skipped, cancelled, pool)
    if cancelled.is_set():
        return
    for series in found:
        yield SeriesFound(series)
    yield ScanProgress(len(files), len(files), "")
    yield from _thumbnails(found, cancelled, pool)
    if not cancelled.is_set():
        yield ScanFinished(len(found), tuple(skipped), tuple(notices))


def survey(paths: Sequence[Path], cancelled: threading.Event, pool: WorkerPool) -> Survey:
    """Find the series like :func:`scan`, with what their files' headers say.

    What was found until then comes back once ``cancelled`` is set.
    """
    return run_out(surveying(paths, cancelled, pool))


def surveying(
    paths: Sequence[Path], cancelled: threading.Event, pool: WorkerPool
) -> Generator[ScanProgress, None, Survey]:
    """Do what :func:`survey` does, telling how far it is."""
    skipped: list[SkippedFile] = []
    files = list_files(paths, cancelled, skipped)
    state = _Scan(len(files), skipped)
    others = [path for path in files if not volume_suffix(path)]
    yield from _read_headers(others, state, cancelled, pool)
    found, notices = _grouped(state.facts)
    volumes = [path for path in files if volume_suffix(path)]
    found += _volume_series(volumes, skipped, cancelled, pool)
    facts = {Path(one.path): one for one in state.facts}
    return Survey(tuple(found), facts, tuple(skipped), tuple(notices))


def _grouped(facts: list[FileFacts]) -> tuple[list[Series], list[Notice]]:
    """Group into series, each of which says where it was retrieved in part only."""
    found, notices = group_series(facts)
    return [_with_mark(series) for series in found], notices


def _with_mark(series: Series) -> Series:
    part = incomplete_in(series.files)
    return series if part is None else replace(series, notices=(part.notice, *series.notices))


def list_files(
    paths: Sequence[Path], cancelled: threading.Event, skipped: list[SkippedFile]
) -> list[Path]:
    """List regular files below the paths, archives unpacked; the rest is skipped with a reason."""
    files: dict[Path, None] = {}
    for path in paths:
        for file in _walk(path, skipped):
            if cancelled.is_set():
                return []
            if file.name == MARK:
                continue
            if reason := _not_regular(file):
                skipped.append(SkippedFile(file, reason))
            elif _is_archive(file, chosen=file == path):
                unpacked = unpack(file, cancelled)
                files.update(dict.fromkeys(unpacked.files))
                skipped += unpacked.skipped
            else:
                files[file] = None
    return list(files)


def _walk(path: Path, skipped: list[SkippedFile]) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return

    def unreadable(error: OSError) -> None:
        folder = Path(error.filename or path)
        skipped.append(SkippedFile(folder, "the folder cannot be read; check its permissions"))

    for folder, names, entries in os.walk(path, onerror=unreadable):
        names.sort()
        yield from (Path(folder) / name for name in sorted(entries))


def _not_regular(path: Path) -> str:
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return "it does not exist (a broken link?)"
    except OSError:
        return "the disk could not read it"
    return "" if stat.S_ISREG(mode) else "it is not a regular file"


def _is_archive(path: Path, *, chosen: bool) -> bool:
    """Tell by the name, and by the content only for a file that was chosen itself."""
    try:
        return path.suffix.lower() == ".zip" or (chosen and zipfile.is_zipfile(path))
    except OSError:
        return False


def _read_headers(
    files: list[Path], state: _Scan, cancelled: threading.Event, pool: WorkerPool
) -> Iterator[ScanProgress]:
    """Collect the headers' facts in the order of the files."""
    items: list[Message] = [{"path": str(path)} for path in files]
    read: dict[int, FileFacts] = {}
    shown = time.monotonic()
    outcomes = pool.run("headers", items, cancelled, batch=_BATCH)
    for done, outcome in enumerate(outcomes, start=1):
        path = files[outcome.index]
        if outcome.value is None:
            state.skipped.append(SkippedFile(path, outcome.reason))
        else:
            read[outcome.index] = FileFacts.from_message(outcome.value)
        if time.monotonic() - shown > _SECONDS_BETWEEN_EVENTS:
            shown = time.monotonic()
            yield ScanProgress(done, state.total, path.name)
    state.facts += [read[index] for index in sorted(read)]


def _volume_series(
    files: list[Path],
    skipped: list[SkippedFile],
    cancelled: threading.Event,
    pool: WorkerPool,
) -> list[Series]:
    items: list[Message] = [{"path": str(path)} for path in files]
    found: list[Series] = []
    for outcome in pool.run("volume_header", items, cancelled, timeout=30.0):
        path = files[outcome.index]
        if outcome.value is None:
            skipped.append(SkippedFile(path, outcome.reason))
        else:
            found.append(_file_series(path, outcome.value))
    return found


def _file_series(path: Path, header: Message) -> Series:
    columns, rows, count = header["size"]
    key = _file_key(path)
    column_mm, row_mm, slice_mm = header["spacing"]
    more = header["volumes"]
    text = f"{path.name} holds {more} volumes; the first one is shown."
    return Series(
        key=key,
        study_key=key,
        files=(path,),
        count=count,
        description=path.name,
        size=(rows, columns),
        spacing=(column_mm, row_mm, slice_mm),
        synthetic="SYNTHETIC" in path.name.upper(),
        notices=(Notice(text, badge="first of several"),) if more > 1 else (),
        format=FORMATS[volume_suffix(path)][0],
    )


def _file_key(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()[:32]


def _thumbnails(
    found: list[Series], cancelled: threading.Event, pool: WorkerPool
) -> Iterator[SeriesThumbnail]:
    slices = [series for series in found if series.slices and not series.readable]
    items: list[Message] = []
    for series in slices:
        middle = series.slices[len(series.slices) // 2]
        items.append({"path": str(middle.file), "frame": middle.frame})
    for outcome in pool.run("thumbnail", items, cancelled, priority=2):
        if outcome.value is not None:
            yield SeriesThumbnail(slices[outcome.index].key, from_message(outcome.value))
    volumes = [one for one in found if one.format != "DICOM" and _is_small(one.files[0])]
    items = [{"path": str(series.files[0])} for series in volumes]
    kind = "volume_thumbnail"
    for outcome in pool.run(kind, items, cancelled, priority=2, timeout=SECONDS, memory=4 << 30):
        if outcome.value is not None:
            yield SeriesThumbnail(volumes[outcome.index].key, from_message(outcome.value))


def _is_small(path: Path) -> bool:
    return path.stat().st_size <= _THUMBNAIL_BYTES
