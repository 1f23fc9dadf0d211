"""RLE: imagecodecs where the frame's header is sound, pydicom's own decoder where it refuses."""

from __future__ import annotations

import struct

import imagecodecs
import numpy as np
import pydicom
import pytest
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import RLELossless

from workstation.core.errors import DecodeError
from workstation.io import codecs, pixels


def _code(path):
    return next(generate_frames(pydicom.dcmread(path).PixelData, number_of_frames=1))


@pytest.fixture
def a_slice(make_series, stored_values):
    """One RLE slice and its HU."""
    (path,) = make_series(count=1, syntax=RLELossless).glob("*.dcm")
    return path, stored_values(1)[0].astype(np.int16) - 1024


@pytest.fixture
def counted(monkeypatch):
    """Count what pydicom's decoder is asked for."""
    asked = []
    real = codecs._with_pydicom

    def count(*arguments):
        asked.append(arguments[1])
        return real(*arguments)

    monkeypatch.setattr(codecs, "_with_pydicom", count)
    return asked


def test_imagecodecs_decodes_a_sound_frame(a_slice, counted):
    path, expected = a_slice
    assert np.array_equal(pixels.decode(path).values, expected)
    assert counted == []


@pytest.mark.parametrize("fault", [RuntimeError("broken"), AttributeError("absent")])
def test_pydicom_takes_over_bit_equal_where_imagecodecs_is_absent_or_refuses(
    fault, a_slice, counted, monkeypatch
):
    path, expected = a_slice

    def fail(*_arguments):
        raise fault

    monkeypatch.setattr(imagecodecs, "dicomrle_decode", fail)
    assert np.array_equal(pixels.decode(path).values, expected)
    assert counted == [RLELossless]


@pytest.mark.filterwarnings("ignore:The decoded RLE segment")
def test_pydicom_takes_over_where_the_last_segment_is_padded(a_slice, counted):
    """As some writers pad; imagecodecs refuses it."""
    path, expected = a_slice
    dataset = pydicom.dcmread(path)
    dataset.PixelData = encapsulate([_code(path) + bytes(6)])
    pydicom.dcmwrite(path, dataset)
    assert np.array_equal(pixels.decode(path).values, expected)
    assert counted == [RLELossless]


def test_colour_planes_keep_their_order():
    colours = np.random.default_rng(2).integers(0, 256, (9, 11, 3), np.uint8)
    dataset = pydicom.examples.rgb_color
    dataset.Rows, dataset.Columns = colours.shape[:2]
    dataset.compress(RLELossless, colours, encoding_plugin="pydicom")
    first, second = (
        attempt(dataset, RLELossless, 0, 1)
        for attempt in (codecs._with_imagecodecs, codecs._with_pydicom)
    )
    assert np.array_equal(first, colours)
    assert np.array_equal(second, colours)


OFFSETS = [
    (3, 64, 100, 200),
    (2, 64, 1 << 31),
    (2, 64, 64),
    (2, 900, 64),
    (2, 64, 1 << 20),
    (15, 64),
    (0,),
    (0xFFFFFFFF, 64),
]


@pytest.mark.parametrize("offsets", OFFSETS)
def test_a_damaged_header_never_reaches_the_decoder_that_it_would_end(
    offsets, a_slice, monkeypatch
):
    path, _ = a_slice
    dataset = pydicom.dcmread(path)
    head = struct.pack(f"<{len(offsets)}I", *offsets).ljust(64, b"\0")
    dataset.PixelData = encapsulate([head + _code(path)[64:]])
    pydicom.dcmwrite(path, dataset)
    reached = []
    monkeypatch.setattr(imagecodecs, "dicomrle_decode", lambda *_: reached.append(1))
    with pytest.raises(DecodeError, match="RLE"):
        pixels.decode(path)
    assert reached == []


def test_frames_damaged_behind_their_header_end_in_pixels_or_a_refusal(a_slice, pool, never):
    """In the reading processes, which must all survive."""
    path, _ = a_slice
    dataset, code = pydicom.dcmread(path), _code(path)
    rng = np.random.default_rng(9)
    items = []
    for number in range(150):
        spoilt = bytearray(code)
        for at in rng.integers(64, len(code), 4):
            spoilt[at] = rng.integers(0, 256)
        dataset.PixelData = encapsulate([bytes(spoilt[: rng.integers(66, len(code) + 1)])])
        pydicom.dcmwrite(path.with_name(f"{number}.dcm"), dataset)
        items.append({"path": str(path.with_name(f"{number}.dcm")), "frame": 0})
    before = pool.process_ids
    outcomes = list(pool.run("thumbnail", items, never, batch=8))
    assert len(outcomes) == len(items)
    assert pool.process_ids == before
    assert all(one.value or "RLE" in one.reason for one in outcomes)
