"""What a slice of JPEG 2000 costs each decoder that is installed, beside SimpleITK's reader.

Run ``python tests/benchmarks/jpeg_2000.py [--slices 24] [--repeats 5]``; prints Markdown. Wall time
tells how long one waits on a machine with nothing else to do, processor time what it costs: a
decoder of several threads is quicker by the first alone. python-gdcm and av are no part of the
program; they are measured where they happen to be installed.
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import openjpeg
from numpy.typing import NDArray
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.benchmarks.ct_files import EDGE, SYNTAXES, slice_values, write_series

Decode = Callable[[bytes], NDArray[Any]]


def by_gdcm() -> Decode:
    """GDCM, given a codestream and an image of our own making."""
    import gdcm

    def decode(code: bytes) -> NDArray[Any]:
        fragment = gdcm.Fragment()
        fragment.SetByteStringValue(code)
        fragments = gdcm.SequenceOfFragments.New()
        fragments.AddFragment(fragment)
        element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
        element.SetValue(fragments.__ref__())
        image = gdcm.Image()
        image.SetNumberOfDimensions(2)
        image.SetDimensions((EDGE, EDGE, 1))
        grey = gdcm.PhotometricInterpretation.MONOCHROME2
        image.SetPhotometricInterpretation(gdcm.PhotometricInterpretation(grey))
        syntax = gdcm.TransferSyntax.JPEG2000Lossless
        image.SetTransferSyntax(gdcm.TransferSyntax(syntax))
        image.SetPixelFormat(gdcm.PixelFormat(1, 16, 16, 15, 0))
        image.SetDataElement(element)
        flat = np.frombuffer(image.GetBuffer().encode("utf-8", "surrogateescape"), "<u2")
        return flat.reshape(EDGE, EDGE)

    return decode


def by_ffmpeg() -> Decode:
    """FFmpeg's own decoder, not its OpenJPEG, on one thread."""
    import av

    def decode(code: bytes) -> NDArray[Any]:
        context = av.CodecContext.create("jpeg2000", "r")
        context.thread_count = 1
        frames = [*context.decode(av.Packet(code)), *context.decode(None)]
        plane = frames[0].planes[0]
        return np.frombuffer(plane, "<u2").reshape(EDGE, -1)[:, :EDGE]

    return decode


def decoders() -> dict[str, Decode]:
    """Every decoder that is here, by name and version."""
    found: dict[str, Decode] = {
        f"imagecodecs, {imagecodecs.jpeg2k_version()}": imagecodecs.jpeg2k_decode,
        "imagecodecs, two threads": lambda code: imagecodecs.jpeg2k_decode(code, numthreads=2),
        "pylibjpeg-openjpeg": openjpeg.decode,
        "Pillow": lambda code: np.asarray(Image.open(io.BytesIO(code))),
    }
    for module, name, make in (
        ("gdcm", "python-gdcm, as many threads as cores", by_gdcm),
        ("av", "FFmpeg (av), one thread", by_ffmpeg),
    ):
        if importlib.util.find_spec(module) is not None:
            found[name] = make()
    return found


def timed(work: Callable[[], object], slices: int) -> tuple[float, float]:
    """Milliseconds a slice: on the wall, of the processors."""
    wall, used = time.perf_counter(), time.process_time()
    work()
    wall, used = time.perf_counter() - wall, time.process_time() - used
    return wall / slices * 1e3, used / slices * 1e3


def read_by_simpleitk(folder: Path) -> None:
    """Read a series, names found before."""
    import SimpleITK

    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    reader.Execute()


def measure(slices: int, repeats: int, folder: Path) -> dict[str, list[tuple[float, float]]]:
    """Time all in turns; every decoder's pixels must be the encoded ones."""
    values = [slice_values(index, slices) for index in range(slices)]
    codes = [bytes(imagecodecs.jpeg2k_encode(one, level=0, codecformat="j2k")) for one in values]
    found = decoders()
    for name, decode in found.items():
        for code, expected in zip(codes, values, strict=True):
            if not np.array_equal(decode(code), expected):
                sys.exit(f"{name} gives other pixels")
    write_series(folder, slices, SYNTAXES["JPEG 2000"])
    times: dict[str, list[tuple[float, float]]] = {}
    for _ in range(repeats):
        for name, decode in found.items():
            row = timed(lambda decode=decode: [decode(code) for code in codes], slices)
            times.setdefault(name, []).append(row)
        row = timed(lambda: read_by_simpleitk(folder), slices)
        times.setdefault("SimpleITK ImageSeriesReader, from files", []).append(row)
    return times


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--slices", type=int, default=24)
    options = parser.parse_args()
    print(f"Load average before {os.getloadavg()[0]:.1f}\n")
    with tempfile.TemporaryDirectory() as folder:
        times = measure(options.slices, options.repeats, Path(folder) / "series")
    print("| decoder | wall, ms a slice | processors, ms a slice |\n|---|---|---|")
    for name, rows in times.items():
        wall, used = (statistics.median(column) for column in zip(*rows, strict=True))
        print(f"| {name} | {wall:.1f} | {used:.1f} |")
    print(f"\nLoad average after {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
