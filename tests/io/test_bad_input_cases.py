"""Which test shows which bad input, and the cases that had none.

Cases of files, series and containers; those of storage, network and checkpoints are in
tests/test_fault_cases.py.

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
11    test_files_without_file_meta_are_flagged
12    test_wrongly_declared_syntax_fails_instead_of_showing_noise
13    test_a_damaged_codestream_is_never_shown
14    test_missing_and_odd_identifiers_get_new_ones
15    test_same_identifier_different_pixels_are_both_kept
16    test_names_in_a_wrong_character_set_are_shown_with_replacements
17    test_odd_rescales_are_refused_or_said
17    test_garbage_above_the_high_bit_is_dropped
17    test_a_sign_in_the_codestream_that_the_header_denies_is_refused
17    test_a_codestream_without_sign_follows_the_header_s
17    test_signed_values_under_an_unsigned_header_are_refused
17    test_unsigned_values_under_a_signed_header_are_flagged
17    test_no_real_scan_is_said_to_have_a_wrong_sign
18    test_palette_colour_in_a_ct_is_viewable_but_not_for_the_model
18    test_colour_is_shown_as_grey
18    test_float_pixels_are_viewable_rounded_but_not_for_the_model
18    test_float_pixels_that_whole_numbers_cannot_show_are_refused
19    test_order_comes_from_positions_not_names
20    test_duplicates_without_a_reason_are_never_interleaved
21    test_missing_slices_stay_empty_and_are_named
22    test_gantry_tilt_is_undone
23    test_scouts_captures_and_reports_are_set_apart
24    test_marked_corner_agrees_with_simpleitk
25    test_a_large_matrix_opens
25    test_one_and_two_slices
25    test_a_series_of_3000_slices_opens_whole_and_in_order
25    test_too_little_memory_is_said_with_the_figure
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

from workstation.core.errors import InputError, ModelError
from workstation.model_port import volume_input


def test_every_case_names_a_test_that_exists():
    sources = "".join(path.read_text("utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    named = re.findall(r"^(\d+) +(test_\w+)$", __doc__, re.MULTILINE)
    assert sorted({int(case) for case, _ in named}) == [*range(1, 29), 43, 44]
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
        volume = loaded(series)
        assert any(words in notice.text for notice in volume.notices)
        assert volume.value_unit == "", "no value is told in HU"
        return
    with pytest.raises(InputError, match=words):
        loaded(series)


def _as_floats(values, keyword="FloatPixelData", bits=32):
    def change(dataset, k):
        setattr(dataset, keyword, values[k].astype(f"<f{bits // 8}").tobytes())
        dataset.BitsAllocated = bits
        dataset.RescaleSlope, dataset.RescaleIntercept = "2", "-10"
        for gone in ("PixelData", "BitsStored", "HighBit", "PixelRepresentation"):
            delattr(dataset, gone)

    return change


@pytest.mark.parametrize(
    ("keyword", "bits"), [("FloatPixelData", 32), ("DoubleFloatPixelData", 64)]
)
def test_float_pixels_are_viewable_rounded_but_not_for_the_model(
    keyword, bits, make_series, scanned, loaded
):
    values = np.linspace(-500, 700, 2 * 24 * 32).reshape(2, 24, 32)
    values[0, 3, 5] = np.nan
    (series,) = scanned(make_series(count=2, change=_as_floats(values, keyword, bits))).series
    volume = loaded(series)
    stored = values.astype(f"<f{bits // 8}").astype(np.float64)
    stored[0, 3, 5] = -507  # becomes air
    np.testing.assert_array_equal(volume.voxels, np.rint(2 * stored - 10).astype(np.int16))
    assert any("rounded to whole ones" in notice.text for notice in volume.notices)
    assert volume.value_unit == ""
    with pytest.raises(ModelError, match="not Hounsfield units"):
        volume_input(volume)


def test_float_pixels_that_whole_numbers_cannot_show_are_refused(make_series, scanned, loaded):
    fractions = np.linspace(0, 1, 24 * 32).reshape(1, 24, 32)
    (series,) = scanned(make_series(count=1, change=_as_floats(fractions))).series
    with pytest.raises(InputError, match="too close"):
        loaded(series)
    nothing = np.full((1, 24, 32), np.nan)
    (series,) = scanned(make_series(count=1, change=_as_floats(nothing))).series
    with pytest.raises(InputError, match="none of its floating-point pixels"):
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


def test_files_without_file_meta_are_flagged(make_series, scanned, loaded, stored_values):
    """Case 11: read after a check of their beginning, and it is said."""
    folder = make_series(count=4, shuffle=False)
    for path in sorted(folder.glob("*.dcm"))[:3]:
        content = path.read_bytes()
        path.write_bytes(content[content.index(b"\x08\x00\x08\x00CS") :])
    (folder / "noise.dcm").write_bytes(bytes(range(256)) * 20)
    scan = scanned(folder)
    assert "not a DICOM file" in scan.skipped["noise.dcm"]
    (series,) = scan.series
    volume = loaded(series)
    assert np.array_equal(volume.voxels, stored_values(4).astype(np.int16) - 1024)
    (notice,) = [one for one in volume.notices if one.badge == "encoding guessed"]
    assert notice.text.startswith("3 of the files do not state")
    (clean,) = scanned(make_series("clean", count=2)).series
    assert not any(one.badge == "encoding guessed" for one in clean.notices)


@pytest.mark.parametrize("syntax", [JPEG2000Lossless, HTJ2KLossless])
def test_a_sign_in_the_codestream_that_the_header_denies_is_refused(
    syntax, make_series, scanned, loaded
):
    """Case 17: masked to their bits, −1024 would become 3072."""
    signed = np.linspace(-1024, 2000, 24 * 32).reshape(1, 24, 32).astype(np.int16)
    folder = make_series(count=1, stored=signed, syntax=syntax)
    with pytest.raises(InputError, match="no sign"):
        loaded(scanned(folder).series[0])


@pytest.mark.parametrize("syntax", [JPEG2000Lossless, HTJ2KLossless, JPEGLosslessSV1])
def test_a_codestream_without_sign_follows_the_header_s(syntax, make_series, scanned, loaded):
    """Case 17: two's complement in a codestream that knows no sign."""
    signed = np.linspace(-1024, 2000, 24 * 32).reshape(1, 24, 32).astype(np.int16)

    def change(dataset, _k):
        dataset.PixelRepresentation, dataset.RescaleIntercept = 1, 0
        dataset.BitsStored, dataset.HighBit = 16, 15

    folder = make_series(count=1, stored=signed.view(np.uint16), syntax=syntax, change=change)
    volume = loaded(scanned(folder).series[0])
    assert np.array_equal(volume.voxels, signed)


@pytest.mark.parametrize("declared", [0, 1])
def test_signed_values_under_an_unsigned_header_are_refused(declared, make_series, scanned, loaded):
    """Case 17: air would be shown brighter than bone."""
    signed = np.linspace(-1024, 2000, 24 * 32).reshape(1, 24, 32).astype(np.int16)

    def change(dataset, _k):
        dataset.PixelRepresentation, dataset.RescaleIntercept = declared, 0
        dataset.BitsStored, dataset.HighBit = 16, 15

    (series,) = scanned(make_series(count=1, stored=signed, change=change)).series
    if declared:
        assert np.array_equal(loaded(series).voxels, signed)
        return
    with pytest.raises(InputError, match="no sign"):
        loaded(series)


def test_high_padding_of_an_unsigned_slice_is_no_sign(make_series, scanned, loaded):
    """Case 17: −2000 as padding among unsigned values, and declared so."""
    stored = np.full((1, 24, 32), 1064, np.uint16)
    stored[0, :5] = 63536

    def change(dataset, _k):
        dataset.BitsStored, dataset.HighBit = 16, 15
        dataset.add_new(0x00280120, "US", 63536)

    volume = loaded(scanned(make_series(count=1, stored=stored, change=change)).series[0])
    assert (volume.voxels[0, 5:] == 40).all()
    assert (volume.voxels[0, :5] == -1024).all()


def _palette(dataset, _k):
    dataset.PhotometricInterpretation = "PALETTE COLOR"
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit = 7
    for number, colour in enumerate(("Red", "Green", "Blue")):
        setattr(dataset, f"{colour}PaletteColorLookupTableDescriptor", [256, 0, 16])
        ramp = (np.arange(256, dtype=np.uint16) * (257 if number < 2 else 0)).tobytes()
        setattr(dataset, f"{colour}PaletteColorLookupTableData", ramp)


def test_palette_colour_in_a_ct_is_viewable_but_not_for_the_model(make_series, scanned, loaded):
    """Case 18: shown as grey, without Hounsfield units, and never given to the model."""
    indices = np.tile(np.arange(24 * 32, dtype=np.int64) % 256, 12).reshape(12, 24, 32)
    folder = make_series(count=12, stored=indices.astype(np.uint8), change=_palette)
    (series,) = scanned(folder).series
    volume = loaded(series)
    assert (series.modality, volume.unit) == ("CT", "")
    assert any("colour image" in one.text for one in volume.notices)
    expected = np.rint(indices * (0.299 + 0.587))
    assert np.abs(volume.voxels - expected).max() <= 1
    with pytest.raises(ModelError, match="not Hounsfield units"):
        volume_input(volume)
    (plain,) = scanned(make_series("plain", count=2)).series
    assert volume_input(loaded(plain)).modality == "CT"


def test_a_series_of_3000_slices_opens_whole_and_in_order(make_series, scanned, loaded):
    """Case 25: and what does not fit into memory is refused with the figure."""
    folder = make_series(count=1)
    (template,) = folder.glob("*.dcm")
    dataset = pydicom.dcmread(template)
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3.10000"
    dataset.ImagePositionPatient = [-10, -20, "00000.0"]
    pydicom.dcmwrite(template, dataset)
    content = template.read_bytes()
    pixels = content.index(struct.pack("<HH2s", 0x7FE0, 0x0010, b"OW")) + 12
    template.unlink()
    for index in np.random.default_rng(1).permutation(3000):
        one = content[:pixels].replace(b"1.2.3.10000", b"1.2.3.%05d" % (index + 10000))
        one = one.replace(b"00000.0", b"%05d.0" % index)
        values = np.full(24 * 32, index, np.uint16)
        (folder / f"{index * 7919 % 3001}.dcm").write_bytes(one + values.tobytes())
    (series,) = scanned(folder).series
    assert series.count == 3000
    volume = loaded(series)
    assert volume.complete
    assert (volume.voxels == np.arange(3000)[:, None, None] - 1024).all()
    assert volume.geometry.spacing[2] == 1.0
