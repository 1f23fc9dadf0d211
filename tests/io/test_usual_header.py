"""The quick way through a header gives what pydicom gives, or leaves the header to it."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataelem import RawDataElement, convert_raw_data_element
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    RLELossless,
)

from tests.io.test_fuzz import _damaged
from workstation.core.errors import InputError
from workstation.io import file_facts, header
from workstation.io.usual_header import usual_header

# As in the reading process, which is silent about odd files.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
WANTED = header._tags(file_facts.SCANNED)


def _files():
    folder = Path(pydicom.__file__).parent / "data"
    return [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix not in (".py", ".zip", ".json")
    ]


def _described(dataset):
    """All that a dataset holds: raw elements, and what only reading it through would show."""
    character_set = dataset.get_item(0x00080005)
    if isinstance(character_set, RawDataElement):
        character_set = convert_raw_data_element(character_set)
    return (
        [(*one,) for tag, one in sorted(dataset.items()) if tag != 0x00080005],
        None if character_set is None else (character_set.VR, character_set.value),
        [(tag, dataset.file_meta[tag].value) for tag in sorted(dataset.file_meta.keys())],
        dataset.original_encoding,
        dataset.original_character_set,
        dataset.preamble,
    )


def _by_pydicom(head):
    stream = io.BytesIO(head)
    tags = list(WANTED.values())
    dataset = pydicom.dcmread(stream, stop_before_pixels=True, specific_tags=tags)
    return _described(dataset), stream.tell()


def _check(content):
    """Compare both ways to one header; tells whether the quick one was gone."""
    head = content[: header._HEAD]
    found = usual_header(head, WANTED)
    if found is None:
        return False
    assert (_described(found[0]), found[1]) == _by_pydicom(head)
    return True


def test_pydicoms_own_files_are_read_alike_or_left_to_it():
    files = _files()
    assert len(files) > 150
    assert sum(_check(path.read_bytes()) for path in files) > 90


def test_damaged_headers_are_read_alike_or_left_to_pydicom():
    rng = np.random.default_rng(20261127)
    usual = [one for path in _files() if _check(one := path.read_bytes()[: header._HEAD])]
    taken = 0
    for _ in range(6000):
        whole = usual[int(rng.integers(0, len(usual)))]
        start = whole.find(b"DICM") + 4
        taken += _check(whole[:start] + _damaged(whole[start:], rng))
    assert 500 < taken < 5500


def test_what_is_told_of_damaged_files_is_the_same_with_and_without_it(tmp_path, monkeypatch):
    rng = np.random.default_rng(20261128)
    files = [path for path in _files() if path.stat().st_size < 100_000]
    paths = []
    for number in range(400):
        path = tmp_path / f"{number:04d}"
        path.write_bytes(_damaged(files[int(rng.integers(0, len(files)))].read_bytes(), rng))
        paths.append(path)
    quick = [_told(path) for path in paths]
    monkeypatch.setattr(header, "usual_header", lambda *_: None)
    for path, one in zip(paths, quick, strict=True):
        assert _told(path) == one, path.name


def _told(path):
    try:
        return file_facts.read_headers({"path": str(path)})
    except InputError as error:
        return error.message


def _nested(depth=1):
    inner = Dataset()
    inner.CodeValue = "A"
    if depth > 1:
        inner.ReferencedImageSequence = _nested(depth - 1)
        inner["ReferencedImageSequence"].is_undefined_length = True
    inner.is_undefined_length_sequence_item = True
    sequence = Sequence([inner, Dataset()])
    sequence.is_undefined_length = True
    return sequence


def _with_sequence(dataset, depth=1):
    dataset.ReferencedStudySequence = _nested(depth)
    dataset["ReferencedStudySequence"].is_undefined_length = True


def _one(make_series, **how):
    (path,) = make_series(count=1, **how).glob("*.dcm")
    return path.read_bytes()


@pytest.mark.parametrize(
    "syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEG2000Lossless, RLELossless]
)
@pytest.mark.parametrize("depth", [0, 1, 3])
def test_usual_headers_go_the_quick_way(syntax, depth, make_series):
    def change(dataset, _k):
        dataset.SpecificCharacterSet = "ISO_IR 192"
        dataset.PatientName = "Müller^Jörg"
        dataset.private_block(0x0011, "OWN", create=True).add_new(1, "LO", "words")
        if depth:
            _with_sequence(dataset, depth)

    content = _one(make_series, syntax=syntax, change=change)
    assert _check(content)
    dataset, _ = usual_header(content, WANTED)
    assert dataset.PatientName == "Müller^Jörg"
    assert dataset.file_meta.TransferSyntaxUID == syntax


@pytest.mark.parametrize("syntax", [ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian])
def test_other_orders_of_bytes_are_left_to_pydicom(syntax, make_series):
    assert usual_header(_one(make_series, syntax=syntax), WANTED) is None


def _element(tag, kind, value):
    return struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, kind, len(value)) + value


@pytest.mark.parametrize(
    "odd",
    [
        _element(0x00080060, b"CS", b"CT"),  # out of order, and a second time
        _element(0x00280010, b"us", bytes(2)),  # no VR
        _element(0x00280010, b"QQ", bytes(2)),
        _element(0xFFFEE00D, b"US", b""),
        struct.pack("<HH2sHI", 0x0028, 0x0000, b"OB", 0, 0xFFFFFFFF),
        struct.pack("<HH2sHI", 0x0028, 0x0000, b"UT", 0, 0xFFFF0000),
        struct.pack("<HH2sHI", 0x0028, 0x0000, b"SQ", 0, 0xFFFFFFFF) + bytes(8),
        struct.pack("<HH2sHI", 0x0028, 0x0000, b"SQ", 0, 0xFFFFFFFF)
        + struct.pack("<HHI", 0xFFFE, 0xE000, 9)  # an item that is shorter than what it holds
        + _element(0x00080100, b"SH", b"AB")
        + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0),
    ],
)
def test_what_is_odd_is_left_to_pydicom(odd, make_series):
    content = _one(make_series)
    at = content.index(b"\x28\0\x02\0US")
    assert usual_header(content, WANTED) is not None
    assert usual_header(content[:at] + odd + content[at:], WANTED) is None


def test_sequences_nested_too_deeply_and_cut_headers_are_left_to_pydicom(make_series):
    deep = _one(make_series, change=lambda dataset, _k: _with_sequence(dataset, 12))
    assert usual_header(deep, WANTED) is None
    whole = _one(make_series)
    _, end = usual_header(whole, WANTED)
    for length in range(0, end + 8, 7):
        assert usual_header(whole[:length], WANTED) is None
