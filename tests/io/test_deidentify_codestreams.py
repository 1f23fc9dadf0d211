"""Comments and metadata are cut out of compressed pixels; no compressed value changes."""

from __future__ import annotations

import struct

import imagecodecs
import numpy as np
import pydicom
import pytest
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import HTJ2KLossless, JPEG2000Lossless, JPEGLosslessSV1, JPEGLSLossless

from workstation.core.errors import DecodeError
from workstation.io.deidentify.codestreams import bare_jpeg, bare_jpeg_2000
from workstation.io.deidentify.folder import deidentify
from workstation.io.deidentify.options import Options

CANARY = b"CANARY7Q"
SECRET = b"0123456789abcdef"
COMMENT_2000 = b"\xff\x64" + struct.pack(">HH", 4 + len(CANARY), 1) + CANARY
BASELINE = "1.2.840.10008.1.2.4.50"


def _segment(marker, content):
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def _before_tiles(code):
    at = code.index(b"\xff\x90\x00\x0a")
    return code[:at] + COMMENT_2000 + code[at:]


def _in_the_first_tile_part(code):
    at = code.index(b"\xff\x90\x00\x0a")
    (size,) = struct.unpack_from(">I", code, at + 6)
    head = code[at : at + 6] + struct.pack(">I", size + len(COMMENT_2000)) + code[at + 10 : at + 12]
    return code[:at] + head + COMMENT_2000 + code[at + 12 :]


def _with(*segments):
    return lambda code: code[:2] + b"".join(segments) + code[2:]


JPEG_ADDITIONS = {
    "comment": _with(_segment(0xFE, CANARY)),
    "two comments": _with(_segment(0xFE, CANARY), _segment(0xFE, CANARY * 9)),
    "exif": _with(_segment(0xE1, b"Exif\0\0" + CANARY * 20)),
    "profile": _with(_segment(0xE2, b"ICC_PROFILE\0" + CANARY)),
    "photoshop": _with(_segment(0xED, b"Photoshop 3.0\0" + CANARY)),
    "thumbnail": _with(_segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\x02\x02" + CANARY + b"1234")),
    "extension": _with(_segment(0xE0, b"JFXX\0\x10" + CANARY)),
    "long Adobe": _with(_segment(0xEE, b"Adobe\0\x64\0\0\0\0\0" + CANARY)),
    "fill": _with(b"\xff\xff\xff", _segment(0xFE, CANARY)),
}


@pytest.mark.parametrize("name", JPEG_ADDITIONS)
@pytest.mark.parametrize("syntax", [BASELINE, JPEGLosslessSV1, JPEGLSLossless])
def test_additions_to_a_jpeg_go_and_its_pixels_stay(syntax, name, stored_values):
    encode, decode = {
        BASELINE: (imagecodecs.jpeg8_encode, imagecodecs.jpeg8_decode),
        JPEGLosslessSV1: (imagecodecs.ljpeg_encode, imagecodecs.ljpeg_decode),
        JPEGLSLossless: (imagecodecs.jpegls_encode, imagecodecs.jpegls_decode),
    }[syntax]
    pixels = stored_values(1)[0]
    plain = encode(pixels.astype(np.uint8) if syntax == BASELINE else pixels)
    bare = bare_jpeg(JPEG_ADDITIONS[name](plain))
    assert CANARY not in bare
    assert bare_jpeg(bare) == bare
    assert np.array_equal(decode(bare), decode(plain))
    if "Adobe" not in name and name != "thumbnail":
        assert bare == bare_jpeg(plain)


@pytest.mark.parametrize(
    "addition",
    [
        _segment(0xE8, b"unknown" + CANARY),
        _segment(0xEE, CANARY),
        _segment(0xE0, CANARY),
        _segment(0xF3, CANARY),
        b"\xff\x02" + _segment(0xFE, CANARY),
    ],
)
def test_what_a_decoder_might_need_is_not_guessed_at(addition, stored_values):
    plain = imagecodecs.jpegls_encode(stored_values(1)[0])
    with pytest.raises(DecodeError):
        bare_jpeg(_with(addition)(plain))


@pytest.mark.parametrize("put", [_before_tiles, _in_the_first_tile_part])
@pytest.mark.parametrize("syntax", [JPEG2000Lossless, HTJ2KLossless])
def test_comments_in_a_jpeg_2000_go_and_its_pixels_stay(syntax, put, stored_values):
    encode, decode = {
        JPEG2000Lossless: (
            lambda a: imagecodecs.jpeg2k_encode(a, level=0, codecformat="j2k"),
            imagecodecs.jpeg2k_decode,
        ),
        HTJ2KLossless: (
            lambda a: imagecodecs.htj2k_encode(a, level=0), imagecodecs.htj2k_decode
        ),
    }[syntax]  # fmt: skip
    pixels = stored_values(1, 64, 96)[0]
    code = put(bytes(encode(pixels)))
    assert np.array_equal(decode(code), pixels)
    bare = bare_jpeg_2000(code)
    assert CANARY not in bare
    assert b"\xff\x64" not in bare[: bare.index(b"\xff\x93")]
    assert bare_jpeg_2000(bare) == bare
    assert np.array_equal(decode(bare), pixels)


def _spoilt(code):
    at = code.index(b"\xff\x90\x00\x0a")
    yield code[:at] + b"\xff\x6f" + struct.pack(">H", 10) + CANARY + code[at:]  # unknown marker
    yield code[: at + 6] + struct.pack(">I", 12) + code[at + 10 :]  # a length that leads back
    yield code[: at + 6] + struct.pack(">I", len(code) * 2) + code[at + 10 :]
    yield code[: len(code) // 2]
    yield code[: at + 3]
    yield b"\0\0\0\x0cjP  \r\n\x87\n" + code
    lengths = b"\xff\x55" + struct.pack(">HBBI", 8, 0, 0x40, len(code)) + b""
    commented = _in_the_first_tile_part(code)
    yield commented[:at] + lengths + commented[at:]  # lengths of tile-parts are listed


def test_a_jpeg_2000_that_cannot_be_judged_is_refused(stored_values):
    code = imagecodecs.jpeg2k_encode(stored_values(1, 64, 96)[0], level=0, codecformat="j2k")
    for spoilt in _spoilt(bytes(code)):
        with pytest.raises(DecodeError):
            bare_jpeg_2000(spoilt)


def test_cut_and_mutated_codestreams_end_in_a_sentence(stored_values):
    rng = np.random.default_rng(5)
    pixels = stored_values(1)[0]
    codes = (
        (bare_jpeg, _segment(0xFE, CANARY), imagecodecs.jpegls_encode(pixels)),
        (bare_jpeg_2000, COMMENT_2000, imagecodecs.jpeg2k_encode(pixels, codecformat="j2k")),
    )
    for bare, _, code in codes:
        for _ in range(2000):
            spoilt = bytearray(code)
            for at in rng.integers(0, len(code), rng.integers(1, 6)):
                spoilt[at] = rng.integers(0, 256)
            try:
                bare(bytes(spoilt[: rng.integers(len(code) // 2, len(code) + 1)]))
            except DecodeError as error:
                assert error.message


def _anonymous(source, out, pool, never):
    work = deidentify([source], out, Options(), secret=SECRET, cancelled=never, pool=pool)
    return list(work)


def test_real_slices_with_comments_are_written_with_the_same_pixels(
    shared_data, tmp_path, pool, never
):
    source = shared_data / "abdomen_j2k_dicom"
    done = _anonymous(source, tmp_path / "out", pool, never)
    assert len(done) == 20
    assert all(one.written for one in done), done[0].reason
    for one in done:
        before, after = pydicom.dcmread(one.path), pydicom.dcmread(one.written)
        codes = [
            next(generate_frames(each.PixelData, number_of_frames=1)) for each in (before, after)
        ]
        assert b"Kdu-Layer-Info" in codes[0]
        assert b"Kakadu" not in codes[1]
        assert np.array_equal(*map(imagecodecs.jpeg2k_decode, codes))
        assert codes[0][-100_000:] == codes[1][-100_000:]


def test_a_comment_beyond_what_can_be_checked_sets_the_file_apart(
    make_series, tmp_path, pool, never
):
    """Where the pixels cannot be decoded before and after, nothing is cut."""

    def change(dataset, _k):
        (code,) = generate_frames(dataset.PixelData, number_of_frames=1)
        hurt = code[:8] + b"\xff" * 8 + code[16:]  # the size of the image
        dataset.PixelData = encapsulate([_before_tiles(hurt)])
        dataset["PixelData"].VR = "OB"

    folder = make_series(count=1, syntax=JPEG2000Lossless, change=change)
    (one,) = _anonymous(folder, tmp_path / "out", pool, never)
    assert one.written is None
    assert "cannot be removed" in one.reason
