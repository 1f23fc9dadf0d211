"""A folder of many files: the program's scan against pydicom's reading of every header."""

from __future__ import annotations

import os
import shutil
import statistics
import sys
import threading
import time
from pathlib import Path

import pydicom

from tests.benchmarks.ct_files import SYNTAXES, write_series
from workstation.io.index import ScanFinished, ScanProgress, SeriesFound, scan
from workstation.io.pool import WorkerPool

SERIES = 25
_SORTED_BY = (
    "SOPInstanceUID", "SeriesInstanceUID", "ImagePositionPatient", "ImageOrientationPatient",
    "PixelSpacing", "Rows", "Columns",
)  # fmt: skip


def write_folder(folder: Path, count: int) -> None:
    """Write ``count`` small CT files of 25 series with usual headers."""
    for number in range(SERIES):
        write_series(folder / f"S{number}", count // SERIES, SYNTAXES["uncompressed"], edge=32)


def ours(folder: Path, pool: WorkerPool) -> float:
    """Seconds until every series is found and grouped, without thumbnails."""
    start = time.perf_counter()
    found = 0
    for event in scan([folder], threading.Event(), pool):
        found += isinstance(event, SeriesFound)
        if found == SERIES or isinstance(event, ScanFinished):
            break
    seconds = time.perf_counter() - start
    if found != SERIES:
        sys.exit(f"{found} series were found")
    return seconds


def headers_by_pydicom(folder: Path) -> float:
    """Seconds of reading each header and what a sorting needs of it, in one thread."""
    start = time.perf_counter()
    for parent, _, names in os.walk(folder):
        for name in names:
            dataset = pydicom.dcmread(Path(parent, name), stop_before_pixels=True)
            for keyword in _SORTED_BY:
                getattr(dataset, keyword)
    return time.perf_counter() - start


def cancelling(folder: Path, pool: WorkerPool) -> float:
    """Seconds from the cancel in the midst of a scan to its end."""
    cancelled, pressed = threading.Event(), 0.0
    for event in scan([folder], cancelled, pool):
        if isinstance(event, ScanProgress) and event.files_done and not pressed:
            pressed = time.perf_counter()
            cancelled.set()
        if isinstance(event, ScanFinished):
            sys.exit("the scan went on after it was cancelled")
    return time.perf_counter() - pressed


def compare(folder: Path, count: int, repeats: int) -> None:
    """Measure in turns and print a table."""
    write_folder(folder, count)
    own: list[float] = []
    other: list[float] = []
    ends: list[float] = []
    with WorkerPool() as pool:
        ours(folder, pool)
        headers_by_pydicom(folder)
        for _ in range(repeats):
            own.append(ours(folder, pool))
            other.append(headers_by_pydicom(folder))
            ends.append(cancelling(folder, pool))
    mine, its = statistics.median(own), statistics.median(other)
    print(
        f"\n| scan of {count} files | s | files/s | ratio |\n|---|---|---|---|\n"
        f"| pydicom, each header, one thread | {its:.2f} | {count / its:.0f} | |\n"
        f"| Tomoscribe, found and grouped | {mine:.2f} | {count / mine:.0f} "
        f"| **{its / mine:.2f}×** |\n\n"
        f"Cancelled in the midst, it ended after {statistics.median(ends) * 1e3:.0f} ms "
        f"(longest {max(ends) * 1e3:.0f})."
    )
    shutil.rmtree(folder)
