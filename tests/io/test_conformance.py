"""README's table of transfer syntaxes is measured here; TOMOSCRIBE_CONFORMANCE=1 renews it.

Every encoder that can be had on the machine writes one 16-bit volume, and the program's own
loader reads it.
"""

from __future__ import annotations

import os
import shutil
import subprocess

import imagecodecs
import numpy as np
import pydicom
import pytest
from pydicom.encaps import encapsulate
from pydicom.uid import UID, RLELossless

from workstation.core.errors import InputError

BEGIN, END = "<!-- transfer syntaxes -->", "<!-- end of transfer syntaxes -->"
STEM = "1.2.840.10008.1.2"
JPEG = STEM + ".4."
SHAPE = (3, 37, 53)


def _lossy_jpeg(pixels):
    return imagecodecs.jpeg8_encode(pixels.astype(np.uint8), level=95)


ENCODERS = {
    JPEG + "50": _lossy_jpeg,
    JPEG + "57": lambda a: imagecodecs.ljpeg_encode(a, bitspersample=16),
    JPEG + "70": lambda a: imagecodecs.ljpeg_encode(a, bitspersample=16),
    JPEG + "80": imagecodecs.jpegls_encode,
    JPEG + "81": lambda a: imagecodecs.jpegls_encode(a, level=2),
    JPEG + "90": lambda a: imagecodecs.jpeg2k_encode(a, level=0, codecformat="j2k"),
    JPEG + "91": lambda a: imagecodecs.jpeg2k_encode(
        a, level=70, codecformat="j2k", reversible=False
    ),
    JPEG + "201": lambda a: imagecodecs.htj2k_encode(a, level=0),
    JPEG + "202": lambda a: imagecodecs.htj2k_encode(a, level=0),
    JPEG + "203": lambda a: imagecodecs.htj2k_encode(a, level=0.001, reversible=False),
    JPEG + "110": lambda a: imagecodecs.jpegxl_encode(a, lossless=True),
    JPEG + "111": lambda a: imagecodecs.jpegxl_encode_jpeg(_lossy_jpeg(a)),
    JPEG + "112": lambda a: imagecodecs.jpegxl_encode(a, lossless=False, distance=0.5),
}
EIGHT_BITS = (JPEG + "50", JPEG + "111")
UNSIGNED_ONLY = (JPEG + "57", JPEG + "70", JPEG + "80", JPEG + "81", JPEG + "110", JPEG + "112")
NATIVE = {STEM, STEM + ".1", STEM + ".2", STEM + ".1.99"}
PEERS = {
    STEM + ".5": ("dcmcrle",),
    JPEG + "51": ("dcmcjpeg", "+ee"),
    JPEG + "53": ("dcmcjpeg", "+es"),
    JPEG + "55": ("dcmcjpeg", "+ep"),
    JPEG + "57": ("dcmcjpeg", "+el"),
    JPEG + "70": ("dcmcjpeg", "+e1"),
    JPEG + "80": ("dcmcjpls", "+el"),
    JPEG + "81": ("dcmcjpls", "+en"),
}
_VIDEO = "94 95 100 101 102 103 104 105 106 107 108"
REFUSED = [JPEG + code for code in _VIDEO.split()]
REFUSED += [STEM + ".1.98", "1.2.840.113619.5.2"]


def _volume(bits):
    """Something like a body: a smooth disc on air, with noise; stored values from 0."""
    rng = np.random.default_rng(3)
    k, j, i = np.indices(SHAPE)
    disc = 1024 * np.exp(-(((j - 18) / 14) ** 4) - ((i - 26) / 20) ** 4) + 40 * k
    stored = np.clip(disc + rng.normal(0, 12, SHAPE) + 20, 0, 4095).astype(np.uint16)
    stored[:, 3:6, 4:9] = 4095 - np.arange(5)
    return stored >> 4 if bits == 8 else stored


@pytest.fixture
def measure(make_series, scanned, loaded):
    """Encode a volume, read it back with the program's loader, and say how they compare."""

    def run(syntax, encoder, *, signed):
        bits = 8 if syntax in EIGHT_BITS else 16
        stored = _volume(bits)
        expected = stored.astype(int) * (16 if bits == 8 else 1) - 1024
        if signed:
            stored = (stored.astype(np.int32) - 1024).astype(np.int16)

        def change(dataset, k):
            _describe(dataset, bits, signed=signed)
            if encoder == "imagecodecs":
                _encode(dataset, stored[k], syntax)
            elif syntax == RLELossless and encoder == "pydicom":
                dataset.compress(syntax, stored[k], encoding_plugin="pydicom")

        name = f"{syntax}-{encoder}-{signed}"
        plain = syntax if syntax in NATIVE else STEM + ".1"
        folder = make_series(name, stored=stored, count=SHAPE[0], change=change, syntax=plain)
        if encoder == "dcmtk" and not _transcoded(folder, PEERS[syntax]):
            return "–"
        declared = {pydicom.dcmread(p).file_meta.TransferSyntaxUID for p in folder.glob("*.dcm")}
        assert declared == {syntax}
        return _comparison(lambda: loaded(scanned(folder).series[0]), syntax, expected)

    return run


def _describe(dataset, bits, *, signed):
    dataset.BitsAllocated = dataset.BitsStored = bits
    dataset.HighBit = bits - 1
    dataset.PixelRepresentation = int(signed)
    dataset.RescaleIntercept = 0 if signed else -1024
    dataset.RescaleSlope = 16 if bits == 8 else 1
    if bits == 16 and not signed:
        dataset.BitsStored, dataset.HighBit = 12, 11


def _encode(dataset, pixels, syntax):
    if syntax in UNSIGNED_ONLY:
        pixels = pixels.view(np.uint16)
    dataset.PixelData = encapsulate([bytes(ENCODERS[syntax](pixels))])
    dataset["PixelData"].VR = "OB"
    dataset.file_meta.TransferSyntaxUID = syntax


def _comparison(load, syntax, expected):
    try:
        volume = load()
    except InputError as error:
        assert UID(syntax).name in error.message or syntax in error.message
        return "refused, named"
    assert volume.complete
    error = np.square(volume.voxels - expected).mean()
    return "bit-equal" if error == 0 else f"{int(10 * np.log10(4095**2 / error))} dB"


def _transcoded(folder, command):
    """Tell whether the peer could encode the files; it cannot encode every kind."""
    for path in list(folder.glob("*.dcm")):
        out = path.with_suffix(".out")
        done = subprocess.run([*command, path, out], check=False, capture_output=True)
        if done.returncode:
            return False
        out.replace(path)
    return True


def _rows():
    rows = [(syntax, "pydicom") for syntax in (*sorted(NATIVE), STEM + ".5")]
    rows += [(syntax, "imagecodecs") for syntax in ENCODERS]
    rows += [(syntax, "dcmtk") for syntax in PEERS]
    order = [*ENCODERS, *PEERS]
    return sorted(rows, key=lambda row: ([int(n) for n in row[0].split(".")], order.index(row[0])
                                         if row[0] in order else -1, row[1]))  # fmt: skip


NAMES = {
    JPEG + "110": "JPEG XL Lossless",
    JPEG + "111": "JPEG XL JPEG Recompression",
    JPEG + "112": "JPEG XL",
}


def _table(lines):
    head = "| transfer syntax | UID | encoded by | unsigned | signed |\n|---|---|---|---|---|\n"
    return head + "\n".join(lines)


def test_readme_says_what_is_measured(measure, repository):
    assert all(shutil.which(tool) for tool, *_ in PEERS.values()), "dcmtk is missing"
    lines = []
    for syntax, encoder in _rows():
        unsigned = measure(syntax, encoder, signed=False)
        one_sided = syntax in (*EIGHT_BITS, JPEG + "112")
        signed = "–" if one_sided else measure(syntax, encoder, signed=True)
        name = NAMES.get(syntax, UID(syntax).name)
        lines.append(f"| {name} | {syntax} | {encoder} | {unsigned} | {signed} |")
    readme = repository / "README.md"
    text = readme.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    said, after = rest.split(END)
    if os.environ.get("TOMOSCRIBE_CONFORMANCE"):
        readme.write_text(f"{before}{BEGIN}\n{_table(lines)}\n{END}{after}", encoding="utf-8")
        return
    told = [line for line in said.splitlines() if line.startswith("|")][2:]
    assert told == lines


@pytest.mark.parametrize("syntax", REFUSED)
def test_video_streams_and_unknown_syntaxes_are_refused_by_name(
    syntax, make_series, scanned, loaded
):
    def change(dataset, _k):
        dataset.PixelData = encapsulate([b"\0\0\1\xba" + bytes(60)])
        dataset["PixelData"].VR = "OB"
        dataset.file_meta.TransferSyntaxUID = syntax

    (series,) = scanned(make_series(count=1, change=change)).series
    with pytest.raises(InputError) as caught:
        loaded(series)
    assert UID(syntax).name in caught.value.message or syntax in caught.value.message


@pytest.mark.parametrize("code", ["80", "90", "201", "202", "203", "91", "81"])
def test_another_decoder_takes_over_where_the_first_fails(code, make_series, monkeypatch):
    from workstation.io import codecs, pixels

    syntax = JPEG + code
    stored = _volume(16)

    def change(dataset, k):
        dataset.PixelData = encapsulate([bytes(ENCODERS[syntax](stored[k]))])
        dataset["PixelData"].VR = "OB"
        dataset.file_meta.TransferSyntaxUID = syntax

    folder = make_series(stored=stored, count=SHAPE[0], change=change, shuffle=False)
    first = pixels.decode(folder / "0001.dcm").values
    used = []

    def fail(_code):
        used.append(syntax)
        raise RuntimeError("broken")

    monkeypatch.setitem(codecs._DECODERS, syntax, fail)
    second = pixels.decode(folder / "0001.dcm").values
    assert used == [syntax]
    assert np.abs(first.astype(int) - second).max() <= (1 if code in ("91", "203") else 0)
