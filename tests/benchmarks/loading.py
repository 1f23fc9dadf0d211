"""Time and memory from a folder of 400 slices to a volume, against SimpleITK in the same run.

Run ``python tests/benchmarks/loading.py [--repeats 5] [--slices 400] [--codecs] [--files 10000]``;
prints Markdown. Both sides take turns, so that other work on the machine meets both.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import psutil
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.benchmarks import folder_scan
from tests.benchmarks.ct_files import EDGE, SYNTAXES, write_series
from workstation.core.study import Series
from workstation.io.index import SeriesFound, scan
from workstation.io.load import load
from workstation.io.pool import WorkerPool

MEBI = 2**20


def find(folder: Path, pool: WorkerPool) -> Series:
    """Scan until the series is found; its thumbnail is left out."""
    events = scan([folder], threading.Event(), pool)
    return next(event.series for event in events if isinstance(event, SeriesFound))


def ours(folder: Path, pool: WorkerPool) -> dict[str, float]:
    """Seconds of one scan and load."""
    start = time.perf_counter()
    series = find(folder, pool)
    click = time.perf_counter()
    steps = load(series, threading.Event(), pool)
    volume = next(steps).volume
    first = time.perf_counter()
    for step in steps:
        volume = step.volume
    end = time.perf_counter()
    if not volume.complete:
        sys.exit("not every slice was read")
    return {"scan": click - start, "first": first - click, "load": end - click, "all": end - start}


def simpleitk(folder: Path) -> tuple[float, float, NDArray[np.int16]]:
    """Seconds of SimpleITK's reader with its scan of names and without, and what it read."""
    import SimpleITK

    start = time.perf_counter()
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    click = time.perf_counter()
    image = reader.Execute()
    end = time.perf_counter()
    return end - start, end - click, SimpleITK.GetArrayFromImage(image)


def compare(folder: Path, repeats: int) -> dict[str, float]:
    """Medians in seconds of alternating runs."""
    names = ("scan", "first", "load", "all", "itk all", "itk read")
    found: dict[str, list[float]] = {name: [] for name in names}
    with WorkerPool() as pool:
        ours(folder, pool)
        simpleitk(folder)
        for _ in range(repeats):
            for name, seconds in ours(folder, pool).items():
                found[name].append(seconds)
            both, read, _ = simpleitk(folder)
            found["itk all"].append(both)
            found["itk read"].append(read)
    medians = {name: statistics.median(values) for name, values in found.items()}
    return {**medians, "worst first": max(found["first"])}


def check_equal(folder: Path) -> None:
    """Stop if the two readers disagree about any voxel."""
    with WorkerPool() as pool:
        *_, last = load(find(folder, pool), threading.Event(), pool)
    if not np.array_equal(last.volume.voxels, simpleitk(folder)[2]):
        sys.exit("the readers disagree")


def hold(folder: Path) -> None:
    """Load, touch every voxel as a window would, and wait to be measured."""
    with WorkerPool() as pool:
        *_, last = load(find(folder, pool), threading.Event(), pool)
        last.volume.voxels.max()
        sys.stdout.write("loaded\n")
        sys.stdout.flush()
        sys.stdin.readline()


def peak_memory(folder: Path) -> float:
    """Peak MiB of a fresh program with its processes: shared pages counted once (PSS)."""
    command = [sys.executable, __file__, "--hold", str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        loaded = threading.Event()
        peak = 0.0
        threading.Thread(
            target=lambda: (program.stdout.readline(), loaded.set()), daemon=True
        ).start()
        root = psutil.Process(program.pid)
        while True:
            ended = loaded.is_set()
            peak = max(peak, sum(map(_pss, [root, *root.children(recursive=True)])))
            if ended:
                break
            time.sleep(0.01)
        program.stdin.close()
    return peak / MEBI


def _pss(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except psutil.Error:
        return 0


def report(label: str, row: dict[str, float]) -> None:
    """Print one row of the table of times."""
    print(
        f"| {label} | {row['first'] * 1e3:.0f} (worst {row['worst first'] * 1e3:.0f}) | "
        f"{row['load']:.2f} | {row['itk read']:.2f} | {row['itk read'] / row['load']:.1f}× | "
        f"{row['all']:.2f} | {row['itk all']:.2f} | {row['itk all'] / row['all']:.1f}× |"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--slices", type=int, default=400)
    parser.add_argument("--codecs", action="store_true", help="also the lossless codecs")
    parser.add_argument("--series", choices=SYNTAXES, help="also this one")
    parser.add_argument("--files", type=int, default=0, help="also scan so many files")
    parser.add_argument("--hold", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.hold:
        hold(options.hold)
        return
    syntaxes = SYNTAXES if options.codecs else {"uncompressed": SYNTAXES["uncompressed"]}
    if options.series:
        syntaxes = {**syntaxes, options.series: SYNTAXES[options.series]}
    print(f"Load average before {_load()}")
    with tempfile.TemporaryDirectory() as temporary:
        print(f"{options.slices} slices {EDGE}×{EDGE}, medians of {options.repeats} alternating\n")
        print(
            "| series | first slice ms | load s | SimpleITK read s | ratio | scan + load s"
            " | SimpleITK scan + read s | ratio |"
        )
        print("|---|---|---|---|---|---|---|---|")
        for label, syntax in syntaxes.items():
            folder = Path(temporary) / label
            write_series(folder, options.slices, syntax)
            check_equal(folder)
            report(label, compare(folder, options.repeats))
            if label != "uncompressed":
                shutil.rmtree(folder)
        volume = options.slices * EDGE * EDGE * 2 / MEBI
        peak = peak_memory(Path(temporary) / "uncompressed")
        print(
            f"\nPeak memory, program and processes: {peak:.0f} MiB; "
            f"limit 1.3 × {volume:.0f} + 400 = {1.3 * volume + 400:.0f} MiB"
        )
        if options.files:
            folder_scan.compare(Path(temporary) / "many", options.files, options.repeats)
    print(f"\nLoad average after {_load()}")


def _load() -> str:
    return f"{os.getloadavg()[0]:.1f}"


if __name__ == "__main__":
    main()
