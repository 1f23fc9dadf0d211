"""Nothing that identifies a patient goes over, and nothing else is lost."""

from __future__ import annotations

import re
import shutil
import struct
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.datadict import DicomDictionary, keyword_for_tag, tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.uid import (
    HTJ2KLossless,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
    SecondaryCaptureImageStorage,
    generate_uid,
)

from workstation.core.errors import InputError
from workstation.io.deidentify.dates import shifted
from workstation.io.deidentify.folder import deidentify
from workstation.io.deidentify.options import Options
from workstation.io.deidentify.pseudonyms import Pseudonyms
from workstation.io.deidentify.words import WORDS, clean_text

CANARY = b"CANARY7Q"
SECRET = b"0123456789abcdef0123456789abcdef"
_SHORT = "AE AS AT CS DA DS DT FL FD IS LO LT PN SH SL SS ST TM UI UL US"
SHORT = _SHORT.split()
_TEXTLIKE = "AE AS CS DA DS DT IS LO LT PN SH ST TM UC UI UN UR UT OB OW OF OD OL OV"
TEXTLIKE = _TEXTLIKE.split()


@pytest.fixture
def anonymous(tmp_path, pool, never):
    """De-identify a folder; gives what became of the files and the new folder."""

    def run(source, name="out", secret=SECRET, **options):
        out = tmp_path / name
        done = list(
            deidentify([source], out, Options(**options), secret=secret, cancelled=never, pool=pool)
        )
        return done, out

    return run


def _element(tag, kind, value):
    head = struct.pack("<HH2s", tag >> 16, tag & 0xFFFF, kind.encode())
    if kind in SHORT:
        return head + struct.pack("<H", len(value)) + value
    return head + struct.pack("<HI", 0, len(value)) + value


def _all_texts(item=b""):
    """Every attribute of the dictionary that can hold text, holding the canary."""
    elements = {}
    for tag, (kinds, _, _, _, _) in DicomDictionary.items():
        group = tag >> 16
        kind = kinds.split(" or ")[-1]
        if group <= 2 or group in (0xFFFE, 0x7FE0) or tag == 0x00080005:
            continue
        if kind in TEXTLIKE:
            elements[tag] = _element(tag, kind, CANARY)
        elif kind == "SQ" and item:
            length = struct.pack("<HHI", 0xFFFE, 0xE000, len(item))
            elements[tag] = _element(tag, "SQ", length + item)
    for group in (0x5000, 0x6000, 0x6002):
        elements[(group << 16) + 0x10] = _element((group << 16) + 0x10, "US", b"\x02\0")
        elements[(group << 16) + 0x3000] = _element((group << 16) + 0x3000, "OW", CANARY)
        elements[(group << 16) + 0x4000] = _element((group << 16) + 0x4000, "LT", CANARY)
    for tag, creator, kind in (
        (0x00090010, CANARY, "LO"),
        (0x00190010, b"GEMS_ACQU_01", "DS"),
        (0x00450010, b"GEMS_HELIOS_01", "UN"),
    ):
        elements[tag] = _element(tag, "LO", creator + b" " * (len(creator) % 2))
        for low in (0x01, 0x23, 0x27):
            elements[tag - 0x10 + 0x1000 + low] = _element(tag + 0xFF0 + low, kind, CANARY)
    return elements


def _full_of_canaries(template, path):
    """A valid CT slice in which the canary stands wherever text can."""
    dataset = pydicom.dcmread(template)
    dataset.BurnedInAnnotation = "NO"
    needed = {"SOPClassUID", "Modality", "ImageType", "PhotometricInterpretation"}
    needed |= {"BurnedInAnnotation", "ImagePositionPatient", "ImageOrientationPatient"}
    needed |= {
        "PixelSpacing",
        "RescaleSlope",
        "RescaleIntercept",
        "SOPInstanceUID",
        "NumberOfFrames",
    }
    inner = b"".join(value for _, value in sorted(_all_texts().items())[::60])
    elements = _all_texts(inner)
    for element in dataset:
        if element.keyword in needed or element.VR in ("US", "SS", "OW"):
            one = Dataset()
            one.add(element)
            buffer = pydicom.filebase.DicomBytesIO()
            buffer.is_little_endian, buffer.is_implicit_VR = True, False
            pydicom.filewriter.write_dataset(buffer, one)
            elements[int(element.tag)] = buffer.getvalue()
    for keyword in ("NumberOfFrames", "ConversionType"):
        elements.pop(tag_for_keyword(keyword))
    body = b"".join(value for _, value in sorted(elements.items()))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(CANARY.ljust(128, b"\0") + b"DICM" + _meta_of_canaries() + body)


def _meta_of_canaries():
    meta = b"".join(
        _element(tag, kind, value)
        for tag, kind, value in (
            (0x00020002, "UI", b"1.2.840.10008.5.1.4.1.1.2\0"),
            (0x00020003, "UI", CANARY),
            (0x00020010, "UI", b"1.2.840.10008.1.2.1\0"),
            (0x00020012, "UI", CANARY),
            (0x00020013, "SH", CANARY),
            (0x00020016, "AE", CANARY),
            (0x00020100, "UI", b"1.2.3\0"),
            (0x00020102, "OB", CANARY),
        )
    )
    return _element(0x00020000, "UL", struct.pack("<I", len(meta))) + meta


@pytest.mark.parametrize(
    "options", [{}, {"keep_dates_shifted": True, "keep_characteristics": True}]
)
def test_a_canary_in_every_text_goes_nowhere(options, make_series, tmp_path, anonymous):
    template = next(make_series(count=1).glob("*.dcm"))
    path = tmp_path / "of CANARY7Q" / "CANARY7Q.dcm"
    _full_of_canaries(template, path)
    content = path.read_bytes()
    assert content.count(CANARY) > 20_000
    (one,), out = anonymous(path.parent, **options)
    assert one.written is not None, one.reason
    # Nothing is excepted: what the profile keeps as text is kept word by known word.
    for written in [one.written, *out.rglob("*")]:
        assert CANARY.decode() not in str(written.relative_to(out)).upper()
    assert CANARY not in one.written.read_bytes()
    before, after = pydicom.dcmread(template), pydicom.dcmread(one.written)
    assert after.PixelData == before.PixelData
    assert after.ImagePositionPatient == before.ImagePositionPatient


@pytest.mark.parametrize("where", ["charset", "trailing", "padding", "wrong kind", "number"])
def test_a_canary_in_odd_places_goes_nowhere(where, make_series, anonymous):
    folder = make_series(count=1)
    (path,) = folder.glob("*.dcm")
    content = path.read_bytes()
    at = content.index(struct.pack("<HH2s", 0x0008, 0x0016, b"UI"))
    pixels = content.index(struct.pack("<HH2s", 0x7FE0, 0x0010, b"OW"))
    early = {
        "charset": _element(0x00080005, "CS", CANARY),
        "number": _element(0x00080001, "UL", CANARY),
        "wrong kind": _element(0x00080006, "UT", CANARY),
    }.get(where, b"")
    late = {
        "trailing": CANARY * 3,
        "padding": _element(0xFFFCFFFC, "OB", CANARY),
    }.get(where, b"")
    path.write_bytes(content[:at] + early + content[at:pixels] + content[pixels:] + late)
    (one,), out = anonymous(folder)
    assert one.written is not None or one.reason
    assert all(CANARY not in file.read_bytes() for file in out.rglob("*.dcm"))


@pytest.mark.parametrize("syntax", [JPEG2000Lossless, JPEGLSLossless, JPEGLosslessSV1, RLELossless])
def test_bytes_beyond_compressed_pixels_are_not_carried_along(syntax, make_series, anonymous):
    def change(dataset, k):
        (code,) = pydicom.encaps.generate_frames(dataset.PixelData, number_of_frames=1)
        if k == 1:
            code += CANARY
        if k == 2 and syntax in (JPEGLSLossless, JPEGLosslessSV1):
            code = code[:2] + b"\xff\xfe\x00\x0a" + CANARY + code[2:]
        dataset.PixelData = pydicom.encaps.encapsulate([code])
        dataset["PixelData"].VR = "OB"

    folder = make_series(count=3, syntax=syntax, change=change, shuffle=False)
    done, out = anonymous(folder)
    reasons = {one.path.name: one.reason for one in done}
    assert reasons["0000.dcm"] == ""
    assert "after the end" in reasons["0001.dcm"]
    assert reasons["0002.dcm"] == ""
    assert all(CANARY not in file.read_bytes() for file in out.rglob("*.dcm"))


def test_volume_left_and_right_and_pixels_stay(
    make_series, scanned, loaded, anonymous, native_syntaxes, lossless_syntaxes
):
    for syntax in (*native_syntaxes, RLELossless, HTJ2KLossless, JPEG2000Lossless):
        assert syntax in lossless_syntaxes
        folder = make_series(f"in-{syntax}", syntax=syntax, count=4)
        before = loaded(scanned(folder).series[0])
        done, out = anonymous(folder, f"out-{syntax}")
        assert all(one.written for one in done), done[0].reason
        (series,) = scanned(out).series
        after = loaded(series)
        assert np.array_equal(after.voxels, before.voxels)
        assert after.geometry == before.geometry
        assert (series.patient.name, series.date) == (series.patient.id, "")
        assert after.window == before.window


def _references(count=3):
    uids = [generate_uid() for _ in range(count)]

    def change(dataset, k):
        dataset.SOPInstanceUID = uids[k]
        dataset.FrameOfReferenceUID = "1.2.3.4"
        dataset.PatientBirthDate, dataset.PatientAge, dataset.PatientSex = "19310203", "093Y", "F"
        dataset.StudyDate, dataset.AcquisitionDateTime = "20240229", "20240301235959.5+0100"
        dataset.SeriesDescription = "Chest 1.25mm Yellow for Dr. Haas 20240229"
        item = Dataset()
        item.ReferencedSOPClassUID = dataset.SOPClassUID
        item.ReferencedSOPInstanceUID = uids[(k + 1) % count]
        dataset.ReferencedImageSequence = [item]

    return change


def test_identifiers_fit_each_other_and_other_runs(make_series, anonymous):
    folder = make_series(count=3, change=_references())
    _, first = anonymous(folder, "a")
    _, again = anonymous(folder, "b")
    _, other = anonymous(folder, "c", secret=SECRET[::-1])
    files = [pydicom.dcmread(path) for path in first.rglob("*.dcm")]
    own = {one.SOPInstanceUID for one in files}
    assert {one.ReferencedImageSequence[0].ReferencedSOPInstanceUID for one in files} == own
    assert len(own) == 3
    for key in ("SeriesInstanceUID", "StudyInstanceUID", "FrameOfReferenceUID", "PatientID"):
        assert len({one[key].value for one in files}) == 1
    assert all(one.file_meta.MediaStorageSOPInstanceUID == one.SOPInstanceUID for one in files)
    names = [{path.name for path in out.rglob("*.dcm")} for out in (first, again, other)]
    assert names[0] == names[1]
    assert not names[0] & names[2]


def test_what_was_done_stands_in_the_file(make_series, anonymous):
    folder = make_series(count=1, change=_references(1))
    _, out = anonymous(folder)
    (path,) = out.rglob("*.dcm")
    plain = pydicom.dcmread(path)
    assert plain.PatientIdentityRemoved == "YES"
    assert plain.LongitudinalTemporalInformationModified == "REMOVED"
    codes = [item.CodeValue for item in plain.DeidentificationMethodCodeSequence]
    assert codes == ["113100", "113105", "113111"]
    assert "BurnedInAnnotation" not in plain
    assert plain.SeriesDescription == "Chest 1.25mm for"
    assert (plain.StudyDate, plain.PatientSex) == ("", "")
    assert "PatientAge" not in plain
    _, out = anonymous(folder, "kept", keep_dates_shifted=True, keep_characteristics=True)
    kept = pydicom.dcmread(next(out.rglob("*.dcm")))
    assert kept.LongitudinalTemporalInformationModified == "MODIFIED"
    codes = {item.CodeValue for item in kept.DeidentificationMethodCodeSequence}
    assert {"113107", "113108"} < codes
    assert (kept.PatientAge, kept.PatientSex, kept.PatientBirthDate) == ("090Y", "F", "")
    study = datetime.strptime(kept.StudyDate, "%Y%m%d")
    acquired = datetime.strptime(kept.AcquisitionDateTime[:8], "%Y%m%d")
    assert acquired - study == timedelta(days=1)
    assert kept.AcquisitionDateTime.endswith("235959.5")
    assert datetime(2024, 2, 29) - study >= timedelta(days=365)


def test_doing_it_twice_changes_nothing(make_series, anonymous):
    folder = make_series(count=2, change=_references(2))
    for options in ({}, {"keep_dates_shifted": True, "keep_characteristics": True}):
        _, once = anonymous(folder, f"once{len(options)}", **options)
        _, twice = anonymous(once, f"twice{len(options)}", **options)
        for path in once.rglob("*.dcm"):
            assert (twice / path.relative_to(once)).read_bytes() == path.read_bytes()


def test_missing_and_odd_identifiers_get_new_ones(make_series, anonymous, scanned):
    folder = make_series(count=4)
    for path in folder.glob("*.dcm"):
        dataset = pydicom.dcmread(path)
        for keyword, odd in (("Study", "not a UID: CANARY7Q"), ("Series", "c0ffee00-0000-4000")):
            tag = tag_for_keyword(f"{keyword}InstanceUID")
            dataset[tag] = pydicom.DataElement(tag, "UI", odd, validation_mode=0)
        dataset.SOPInstanceUID = ""
        pydicom.dcmwrite(path, dataset)
    done, out = anonymous(folder)
    assert len({one.written for one in done} - {None}) == 4
    (series,) = scanned(out).series
    assert series.count == 4
    for path in out.rglob("*.dcm"):
        assert all(
            re.fullmatch(r"2\.25\.\d{1,39}", pydicom.dcmread(path)[key].value)
            for key in ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID")
        )


def test_the_same_identifier_twice_is_never_overwritten(make_series, anonymous):
    def change(dataset, _k):
        dataset.SOPInstanceUID = "1.2.3.4.5"

    done, out = anonymous(make_series(count=3, change=change))
    assert len(list(out.rglob("*.dcm"))) == 1
    assert [bool(one.written) for one in done].count(True) == 1
    assert any("same identifier" in one.reason for one in done)
    assert not list(out.rglob("*.partial"))


APART = {
    "burned": (lambda d: setattr(d, "BurnedInAnnotation", "YES"), "burned into"),
    "screen": (
        lambda d: setattr(d, "ImageType", ["DERIVED", "SECONDARY", "SCREEN SAVE"]),
        "picture of a screen",
    ),
    "dose": (lambda d: setattr(d, "SeriesDescription", "Dose Report"), "picture of a screen"),
    "capture": (lambda d: setattr(d, "SOPClassUID", SecondaryCaptureImageStorage), "secondary"),
    "ultrasound": (lambda d: setattr(d, "Modality", "US"), "often carry writing"),
    "converted": (lambda d: setattr(d, "ConversionType", "DF"), "captured from elsewhere"),
    "report": (
        lambda d: setattr(d, "SOPClassUID", "1.2.840.10008.5.1.4.1.1.88.22"),
        "Enhanced SR",
    ),
    "pdf": (
        lambda d: setattr(d, "SOPClassUID", "1.2.840.10008.5.1.4.1.1.104.1"),
        "Encapsulated PDF",
    ),
    "private": (lambda d: setattr(d, "SOPClassUID", "1.2.3.4"), "private"),
    "overlay": (lambda d: d.add_new(0x60000010, "US", 24), "overlay"),
    "long": (lambda d: setattr(d, "PixelData", d.PixelData + CANARY), "do not fit"),
}


def test_what_may_show_a_name_is_set_apart_with_the_reason(make_series, anonymous):
    cases = list(APART)

    def change(dataset, k):
        if k < len(cases):
            APART[cases[k]][0](dataset)

    folder = make_series(count=len(cases) + 1, change=change, shuffle=False)
    done, out = anonymous(folder)
    reasons = {one.path.name: one.reason for one in done}
    for number, name in enumerate(cases):
        assert APART[name][1] in reasons[f"{number:04d}.dcm"], name
    assert [one.path.name for one in done if one.written] == [f"{len(cases):04d}.dcm"]
    assert len(list(out.rglob("*.dcm"))) == 1


def test_a_head_is_said_to_show_a_face(make_series, anonymous):
    def change(dataset, k):
        dataset.BodyPartExamined = "HEAD" if k else "CHEST"

    done, _ = anonymous(make_series(count=2, change=change, shuffle=False))
    assert {one.path.name: bool(one.remarks) for one in done} == {
        "0000.dcm": False,
        "0001.dcm": True,
    }


def test_originals_and_other_folders_are_never_touched(make_series, anonymous, tmp_path):
    folder = make_series(count=2)
    before = {path: path.read_bytes() for path in folder.iterdir()}
    anonymous(folder)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
    with pytest.raises(InputError, match="empty"):
        anonymous(folder)
    with pytest.raises(InputError, match="inside"):
        anonymous(tmp_path / "series", "series/inner")
    with pytest.raises(InputError, match="16 bytes"):
        anonymous(folder, "short", secret=b"short")


def test_a_full_disk_is_said_and_leaves_no_half_file(make_series, tmp_path, monkeypatch):
    from workstation.io.deidentify import job

    path = next(make_series(count=1).glob("*.dcm"))

    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(job.os, "fsync", full)
    item = {"path": str(path), "out": str(tmp_path / "out"), "secret": SECRET.hex()}
    item |= {"content": "a", "series": "b", "study": "c"}
    answer = job.deidentify_file({**item, "options": {}})
    assert "No space" in answer["unsaved"]
    assert [one for one in (tmp_path / "out").rglob("*") if one.is_file()] == []


def test_codes_keep_the_meaning_of_the_code_only(make_series, anonymous):
    def change(dataset, _k):
        known, unknown = Dataset(), Dataset()
        known.CodeValue, known.CodingSchemeDesignator = "51185008", "SCT"
        unknown.CodeValue, unknown.CodingSchemeDesignator = "CANARY7Q", "99HERE"
        known.CodeMeaning = unknown.CodeMeaning = "CANARY7Q"
        dataset.AnatomicRegionSequence = [known, unknown]

    _, out = anonymous(make_series(count=1, change=change))
    (item,) = pydicom.dcmread(next(out.rglob("*.dcm"))).AnatomicRegionSequence
    assert (item.CodeValue, item.CodingSchemeDesignator) == ("51185008", "SCT")
    assert item.CodeMeaning not in ("", "CANARY7Q")


def test_two_patients_stay_two(make_series, anonymous):
    def change(dataset, k):
        dataset.PatientID, dataset.StudyDate = f"P{k}", "20240101"

    _, out = anonymous(make_series(count=2, change=change), keep_dates_shifted=True)
    files = [pydicom.dcmread(path) for path in out.rglob("*.dcm")]
    assert len({one.PatientID for one in files}) == 2
    assert len({one.StudyDate for one in files}) == 2


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=80), st.sampled_from(["SeriesDescription", "ManufacturerModelName"]))
def test_only_known_words_and_quantities_stay(text, keyword):
    kept = clean_text(text, keyword)
    assert clean_text(kept, keyword) == kept
    assert kept.isascii()
    assert not re.search(r"\d{4}", kept)
    if keyword == "SeriesDescription":
        for word in kept.split():
            parts = [part for part in re.split(r"[./+-]", word.upper()) if part]
            known = word.upper() in WORDS or all(part in WORDS for part in parts)
            assert known or re.match(r"\d{1,3}[a-z%.]|\d\.\d", word.lower())


@settings(max_examples=100, deadline=None)
@given(st.text(min_size=1, max_size=70), st.binary(min_size=16, max_size=32))
def test_stand_ins_are_stable_and_recognised(old, secret):
    stand_ins = Pseudonyms(secret)
    uid = stand_ins.uid(old)
    if old.strip(" \0"):
        assert re.fullmatch(r"2\.25\.[1-9]\d{0,38}", uid)
    assert stand_ins.uid(uid) == uid
    patient = stand_ins.patient(old)
    assert stand_ins.patient(patient) == patient
    assert old not in patient or len(old) < 4
    assert Pseudonyms(secret + b"x").patient(patient) != patient
    assert timedelta(days=-4015) < stand_ins.shift(old) <= timedelta(days=-365)


@settings(max_examples=100, deadline=None)
@given(st.dates(min_value=datetime(1950, 1, 1).date()), st.integers(365, 4014))
def test_dates_move_by_whole_days(date, days):
    written = date.strftime("%Y%m%d")
    moved = shifted("DA", written, -timedelta(days=days))
    assert datetime.strptime(moved, "%Y%m%d").date() == date - timedelta(days=days)
    assert shifted("DT", written + "1200+0100", -timedelta(days=days)) == moved + "1200"


@pytest.mark.parametrize("value", ["2024", "29 Feb", "20240231", "20240101CANARY", "\N{SNOWMAN}"])
def test_what_is_no_date_goes(value):
    assert shifted("DA", value, timedelta(days=-400)) == ""


def test_keeps_nothing_that_the_table_removes():
    from workstation.io.deidentify.table import CLEANED, KEPT_TEXTS, Action, action_for

    assert action_for(tag_for_keyword("PatientBirthDate")) is Action.EMPTY
    assert action_for(tag_for_keyword("PatientComments")) is Action.REMOVE
    assert action_for(tag_for_keyword("FrameOfReferenceUID")) is Action.UID
    for keyword in KEPT_TEXTS:
        assert action_for(tag_for_keyword(keyword)) is Action.UNLISTED, keyword
    assert all(keyword_for_tag(tag_for_keyword(keyword)) == keyword for keyword in CLEANED)


def test_a_zip_is_read_too(make_series, tmp_path, anonymous):
    folder = make_series(count=2)
    archive = shutil.make_archive(str(tmp_path / "of a patient"), "zip", folder)
    done, out = anonymous(Path(archive))
    assert all(one.written for one in done)
    assert len(list(out.rglob("*.dcm"))) == 2


# Rows of PS3.15 Table E.3.10-1 (2026d, NEMA) as other programs have transcribed it.
TABLE_E_3_10_1 = """
7053 00 DS 1 Philips PET Private Group
7053 09 DS 1 Philips PET Private Group
00E1 21 DS 1 ELSCINT1
00E1 50 DS 1 ELSCINT1
01E1 26 CS 1 ELSCINT1
01F1 01 CS 1 ELSCINT1
01F1 07 DS 1 ELSCINT1
01F1 26 DS 1 ELSCINT1
01F1 27 DS 1 ELSCINT1
0019 23 DS 1 GEMS_ACQU_01
0019 24 DS 1 GEMS_ACQU_01
0019 27 DS 1 GEMS_ACQU_01
0019 9E LO 1 GEMS_ACQU_01
0043 27 SH 1 GEMS_PARM_01
0045 01 SS 1 GEMS_HELIOS_01
0045 02 FL 1 GEMS_HELIOS_01
2001 03 FL 1 Philips Imaging DD 001
2001 04 CS 1 Philips Imaging DD 001
0019 0C IS 1 SIEMENS MR HEADER
0019 0D CS 1 SIEMENS MR HEADER
0019 0E FD 3 SIEMENS MR HEADER
0019 27 FD 6 SIEMENS MR HEADER
"""


def test_kept_private_attributes_are_those_of_the_standard_with_its_kinds():
    from pydicom._private_dict import private_dictionaries

    from workstation.io.deidentify.table import SAFE_PRIVATE

    rows = [line.split(" ", 4) for line in TABLE_E_3_10_1.strip().splitlines()]
    standard = {
        (creator, int(group, 16), int(element, 16)): (kind, count)
        for group, element, kind, count, creator in rows
    }
    for (creator, group, element), kind in SAFE_PRIVATE.items():
        assert standard[creator, group, element] == (kind, "1")
        known = private_dictionaries[creator].get(f"{group:04X}xx{element:02X}")
        if known is not None:  # a second, independent list of what the attributes are
            assert known[:2] == (kind, "1"), (creator, known)


def test_private_numbers_stay_and_private_letters_go(make_series, anonymous):
    def change(dataset, _k):
        block = dataset.private_block(0x00E1, "ELSCINT1", create=True)
        block.add_new(0x21, "DS", "532.5")
        block.add_new(0x50, "LO", "CANARY7Q")  # not of the kind that the standard names
        block = dataset.private_block(0x0019, "GEMS_ACQU_01", create=True)
        block.add_new(0x23, "DS", ["1.5", "19310203"])  # one number more than it may have
        block.add_new(0x9E, "LO", "CANARY7Q")

    _, out = anonymous(make_series(count=1, change=change))
    plain = pydicom.dcmread(next(out.rglob("*.dcm")))
    assert plain.private_block(0x00E1, "ELSCINT1")[0x21].value == 532.5
    private = [int(element.tag) for element in plain if element.tag.is_private]
    assert private == [0x00E10010, 0x00E11021]


def test_lacking_identifiers_come_from_content_not_from_folders(make_series, anonymous, tmp_path):
    def change(dataset, k):
        dataset.StudyInstanceUID = dataset.PatientID = dataset.PatientName = ""
        dataset.SeriesInstanceUID = ""
        dataset.SOPInstanceUID = "" if k % 2 else "1"

    folder = make_series(count=3, change=change)
    shutil.copytree(folder, tmp_path / "copied" / "elsewhere")
    stored = np.full((3, 24, 32), 900, np.uint16)
    second = make_series("second", count=3, stored=stored, change=change)
    names = []
    for number, source in enumerate((folder, tmp_path / "copied", second)):
        done, out = anonymous(source, f"out{number}")
        assert all(one.written for one in done)
        names.append({str(path.relative_to(out)) for path in out.rglob("*.dcm")})
        files = [pydicom.dcmread(path) for path in out.rglob("*.dcm")]
        assert len({(one.StudyInstanceUID, one.SeriesInstanceUID) for one in files}) == 1
        assert len({one.PatientID for one in files}) == 1
    assert names[0] == names[1]
    assert not names[0] & names[2]
