"""Which test shows which bad input, and the cases that had none.

Cases of files, series and containers; those of storage, network and the model are elsewhere.
Not covered here: 18 and 27 (the model's refusal), 25 (3,000 slices; the figure is tested with
little memory instead), 45 (no XML is read), 46 (checkpoints: tests/model_runtime/checkpoints).

===== =============================================================================
case  test
===== =============================================================================
1     test_files_that_are_no_scans_are_listed_with_reasons
2     test_files_that_are_no_scans_are_listed_with_reasons
3     test_truncated_pixels_cost_one_slice
4     test_rows_of_65535_are_refused_not_invented
5     test_claimed_length_beyond_the_file_is_refused
6     test_20000_nested_sequences_are_refused_within_a_second
7     test_deflated_bomb_is_refused
8     test_a_fault_costs_one_file
9     test_a_fault_costs_one_file
10    test_unknown_syntax_is_named_and_listed
11    test_file_without_preamble_and_meta
12    test_wrongly_declared_syntax_fails_instead_of_showing_noise
13    test_a_damaged_codestream_is_never_shown
14    test_missing_and_odd_identifiers_get_new_ones
15    test_same_identifier_different_pixels_are_both_kept
16    test_names_in_a_wrong_character_set_are_shown_with_replacements
17    test_odd_rescales_are_refused_or_said
18    test_float_pixels_are_refused
19    test_order_comes_from_positions_not_names
20    test_duplicates_without_a_reason_are_never_interleaved
21    test_missing_slices_stay_empty_and_are_named
22    test_gantry_tilt_is_undone
23    test_scouts_captures_and_reports_are_set_apart
24    test_marked_corner_agrees_with_simpleitk
25    test_a_large_matrix_opens
26    test_missing_pixel_spacing_means_pixels
27    test_wrong_modality_is_viewable_without_hounsfield_units
28    test_mixed_patients_are_separate_studies
43    test_a_directory_file_leads_nowhere
44    test_zip_of_a_series_opens_and_hostile_entries_are_left_out
===== =============================================================================
"""

from __future__ import annotations

import re
import struct
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.uid import HTJ2KLossless, JPEG2000Lossless, JPEGLosslessSV1, JPEGLSLossless

from workstation.core.errors import InputError


def test_every_case_names_a_test_that_exists():
    sources = "".join(path.read_text("utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    named = re.findall(r"^(\d+) +(test_\w+)$", __doc__, re.MULTILINE)
    assert [int(case) for case, _ in named] == [*range(1, 29), 43, 44]
    for _, test in named:
        assert f"def {test}(" in sources, test


@pytest.mark.parametrize(
    "syntax", [JPEG2000Lossless, HTJ2KLossless, JPEGLSLossless, JPEGLosslessSV1]
)
def test_a_damaged_codestream_is_never_shown(syntax, make_series, scanned, loaded, stored_values):
    """Cut in half, a slice fails; it is never half a picture."""

    def change(dataset, k):
        if k == 1:
            (code,) = pydicom.encaps.generate_frames(dataset.PixelData, number_of_frames=1)
            dataset.PixelData = pydicom.encaps.encapsulate([code[: len(code) // 2]])
            dataset["PixelData"].VR = "OB"

    volume = loaded(scanned(make_series(count=3, syntax=syntax, change=change)).series[0])
    assert volume.available.tolist() == [True, False, True]


@pytest.mark.parametrize("charset", [b"ISO_IR 192", b"NONSENSE", b"ISO 2022 IR 87"])
def test_names_in_a_wrong_character_set_are_shown_with_replacements(
    charset, make_series, scanned, loaded
):
    folder = make_series(count=2)
    for path in folder.glob("*.dcm"):
        content = path.read_bytes()
        at = content.index(struct.pack("<HH2s", 0x0008, 0x0008, b"CS"))
        charset += b" " * (len(charset) % 2)
        element = struct.pack("<HH2sH", 0x0008, 0x0005, b"CS", len(charset)) + charset
        name = b"M\xfcller^\xff\xfe" + b"x" * 8
        content = content[:at] + element + content[at:].replace(b"Canary^Yellow ", name[:14])
        path.write_bytes(content)
    (series,) = scanned(folder).series
    assert series.patient.name
    assert loaded(series).complete


@pytest.mark.parametrize(
    ("slope", "works", "words"),
    [
        ("nan", False, "slope"),
        ("0", False, "slope"),
        ("x", False, "slope"),
        (None, True, "rescale"),
    ],
)
def test_odd_rescales_are_refused_or_said(slope, works, words, make_series, scanned, loaded):
    folder = make_series(count=1)
    (path,) = folder.glob("*.dcm")
    dataset = pydicom.dcmread(path)
    del dataset.RescaleSlope
    if slope is not None:
        raw = pydicom.dataelem.RawDataElement(
            pydicom.tag.Tag(0x00281053), "DS", len(slope), slope.encode(), 0, False, True
        )
        dataset[0x00281053] = raw
    pydicom.dcmwrite(path, dataset)
    (series,) = scanned(folder).series
    if works:
        assert any(words in notice.text for notice in loaded(series).notices)
        return
    with pytest.raises(InputError, match=words):
        loaded(series)


def test_float_pixels_are_refused(make_series, scanned, loaded):
    def change(dataset, _k):
        dataset.FloatPixelData = np.zeros((24, 32), np.float32).tobytes()
        dataset.BitsAllocated = 32
        del dataset.PixelData

    (series,) = scanned(make_series(count=1, change=change)).series
    with pytest.raises(InputError):
        loaded(series)


def test_a_large_matrix_opens(make_series, scanned, loaded):
    stored = np.tile(np.arange(1025, dtype=np.uint16), (2, 1024, 1))
    volume = loaded(scanned(make_series(count=2, stored=stored)).series[0])
    assert volume.complete
    assert np.array_equal(volume.voxels, stored.astype(np.int16) - 1024)


@pytest.mark.parametrize("target", ["..\\..\\OUTSIDE", "/etc/passwd", "C:\\WINDOWS"])
def test_a_directory_file_leads_nowhere(target, make_series, scanned, loaded):
    folder = make_series(count=3)
    (folder.parent / "OUTSIDE").write_bytes(next(folder.glob("*.dcm")).read_bytes())
    record = pydicom.Dataset()
    record.DirectoryRecordType = "IMAGE"
    tag = 0x00041500
    record[tag] = pydicom.DataElement(tag, "CS", target, validation_mode=0)
    directory = pydicom.Dataset()
    directory.DirectoryRecordSequence = [record]
    directory.file_meta = pydicom.dataset.FileMetaDataset()
    directory.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.1.3.10"
    directory.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    directory.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    pydicom.dcmwrite(folder / "DICOMDIR", directory, enforce_file_format=True)
    scan = scanned(folder)
    files = {file for series in scan.series for file in series.files}
    assert {file.parent for file in files} == {folder}
    assert loaded(scan.volumes[0]).voxels.shape[0] == 3
