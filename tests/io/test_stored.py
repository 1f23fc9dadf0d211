"""The short ways to headers and pixels give what the long ones give."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import (
    ExplicitVRBigEndian,
    HTJ2KLossless,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from workstation.core.errors import DecodeError, InputError
from workstation.io import file_facts, header, pixels, stored

# As in the reading process, which is silent about odd files.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
LOSSLESS = [JPEGLosslessSV1, JPEGLSLossless, JPEG2000Lossless, HTJ2KLossless]


def _facts(path):
    try:
        return file_facts.read_headers({"path": str(path)})
    except InputError as error:
        return error.message


def _pydicoms_files():
    root = Path(pydicom.__file__).parent / "data"
    return sorted(
        path
        for folder in ("test_files", "charset_files")
        for path in (root / folder).rglob("*")
        if path.is_file() and path.suffix != ".py"
    )


def test_a_header_of_which_only_some_is_parsed_tells_the_same(monkeypatch):
    """On every file that pydicom brings: the elements that the scan reads are all named."""
    files = _pydicoms_files()
    assert len(files) > 150
    quick = [_facts(path) for path in files]
    with monkeypatch.context() as patch:
        patch.setattr(file_facts, "SCANNED", None)
        patch.setattr(header, "_HEAD", 1 << 7 | 8)
        whole = [_facts(path) for path in files]
    assert sum(isinstance(one, dict) for one in quick) > 100
    for path, one, other in zip(files, quick, whole, strict=True):
        assert one == other, path.name


def test_texts_in_any_character_set_are_those_of_pydicom():
    for path in _pydicoms_files():
        if path.parent.name != "charset_files":
            continue
        dataset = pydicom.dcmread(path, force=True)
        for keyword in ("PatientName", "PatientID", "SeriesDescription"):
            found = header.text(pydicom.dcmread(path, force=True), keyword)
            assert found == str(dataset.get(keyword, "")).strip(), (path.name, keyword)


@pytest.mark.parametrize("name", ["Müller^A", "A=B", "Smith^J~", "back\\slash", "Doe^Jane"])
def test_names_are_read_as_pydicom_reads_them(name, make_series):
    def change(dataset, _k):
        dataset.SpecificCharacterSet = "ISO_IR 100"
        dataset.PatientName = name
        dataset.SeriesDescription = name.replace("\\", "/")

    (path,) = make_series(count=1, change=change).glob("*.dcm")
    raw = pydicom.dcmread(path)
    for keyword in ("PatientName", "SeriesDescription"):
        assert header.text(raw, keyword) == str(pydicom.dcmread(path)[keyword].value)


def test_a_header_longer_than_what_is_read_at_once(make_series, scanned, loaded, stored_values):
    def change(dataset, _k):
        dataset.private_block(0x0011, "LONG", create=True).add_new(1, "OB", bytes(70_000))

    folder = make_series(count=3, change=change)
    assert min(path.stat().st_size for path in folder.iterdir()) > 2 * header._HEAD
    volume = loaded(scanned(folder).series[0])
    assert np.array_equal(volume.voxels, stored_values(3).astype(np.int16) - 1024)


@pytest.mark.parametrize("syntax", LOSSLESS)
def test_the_short_way_to_compressed_pixels_is_taken_and_right(syntax, make_series, stored_values):
    def change(dataset, _k):
        (code,) = generate_frames(dataset.PixelData, number_of_frames=1)
        dataset.PixelData = encapsulate([code], fragments_per_frame=3)
        dataset["PixelData"].VR = "OB"

    (path,) = make_series(count=1, syntax=syntax, change=change).glob("*.dcm")
    way = stored.StoredPixels.from_message(_facts(path)["stored"])
    assert way.syntax == syntax
    with path.open("rb") as stream:
        found = way.read(stream)
    whole = pixels.decode(path)
    assert np.array_equal(found.values, whole.values)
    assert np.array_equal(found.values, stored_values(1)[0].astype(np.int16) - 1024)
    assert (found.window, found.remarks) == (whole.window, whole.remarks)


@pytest.mark.parametrize("syntax", [RLELossless, ExplicitVRBigEndian])
def test_other_kinds_go_the_long_way(syntax, make_series):
    (path,) = make_series(count=1, syntax=syntax).glob("*.dcm")
    assert _facts(path)["stored"] is None


@pytest.mark.parametrize("syntax", LOSSLESS)
def test_a_file_that_changed_since_its_scan_is_read_anew(syntax, make_series):
    (path,) = make_series(count=1, syntax=syntax).glob("*.dcm")
    way = stored.StoredPixels.from_message(_facts(path)["stored"])
    os.utime(path, ns=(1, 1))
    with path.open("rb") as stream:
        assert way.read(stream) is None


@pytest.mark.parametrize("left", [0.3, 0.7, 0.95])
def test_a_lossless_jpeg_that_was_cut_off_is_never_filled_up(left, make_series):
    """libjpeg-turbo would make up the rest."""
    values = np.random.default_rng(4).integers(0, 4096, (1, 64, 64)).astype(np.uint16)

    def change(dataset, _k):
        (code,) = generate_frames(dataset.PixelData, number_of_frames=1)
        dataset.PixelData = encapsulate([code[: int(len(code) * left)]])
        dataset["PixelData"].VR = "OB"

    folder = make_series(count=1, syntax=JPEGLosslessSV1, change=change, stored=values)
    (path,) = folder.glob("*.dcm")
    with path.open("rb") as stream:
        assert stored_way(path).read(stream) is None
    with pytest.raises(DecodeError, match="JPEG"):
        pixels.decode(path)


def stored_way(path):
    """Describe the short way to a file's pixels."""
    return stored.StoredPixels.from_message(_facts(path)["stored"])
