"""Which files make a series."""

from __future__ import annotations

import shutil

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import EnhancedCTImageStorage, SecondaryCaptureImageStorage, generate_uid


def test_order_comes_from_positions_not_names(make_series, scanned, loaded, stored_values):
    (series,) = scanned(make_series(count=30)).series
    assert [file.name for file in series.files] != sorted(file.name for file in series.files)
    assert np.array_equal(loaded(series).voxels, stored_values(30).astype(np.int16) - 1024)


def test_key_is_content_not_place(make_series, tmp_path, scanned):
    folder = make_series()
    (first,) = scanned(folder).series
    moved = tmp_path / "elsewhere"
    shutil.copytree(folder, moved)
    for number, path in enumerate(sorted(moved.glob("*.dcm"))):
        path.rename(moved / f"IM{number:05d}")
    (second,) = scanned(moved).series
    assert first.key == second.key
    assert first.study_key == second.study_key
    (other,) = scanned(make_series("other")).series
    assert other.key != first.key


def test_identical_copies_are_left_out(make_series, scanned, loaded):
    folder = make_series()
    for path in list(folder.glob("*.dcm")):
        shutil.copy(path, path.with_suffix(".copy"))
    scan = scanned(folder)
    (series,) = scan.series
    assert series.count == 8
    assert any("8 files are identical" in notice.text for notice in scan.finished.notices)
    assert loaded(series).complete


def test_same_identifier_different_pixels_are_both_kept(make_series, scanned):
    uid = generate_uid()

    def change(dataset, k):
        if k in (2, 5):
            dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = uid

    (series,) = scanned(make_series(change=change)).series
    assert series.count == 8
    assert any("same identifier" in notice.text for notice in series.notices)


def test_phases_at_the_same_positions_are_parted(make_series, scanned, loaded, stored_values):
    places = [(0.0, 0.0, 2.0 * (k % 6)) for k in range(12)]

    def change(dataset, k):
        dataset.TemporalPositionIdentifier = 1 + k // 6

    parts = scanned(make_series(positions=places, change=change)).series
    assert [part.count for part in parts] == [6, 6]
    stored = stored_values(12).astype(np.int16) - 1024
    found = {loaded(part).voxels.tobytes() for part in parts}
    assert found == {stored[:6].tobytes(), stored[6:].tobytes()}
    assert all("same positions" in part.notices[0].text for part in parts)


def test_duplicates_without_a_reason_are_never_interleaved(make_series, scanned):
    places = [(0.0, 0.0, 2.0 * k) for k in (0, 1, 2, 2, 3, 4)]
    parts = scanned(make_series(positions=places)).series
    assert sorted(part.count for part in parts) == [1, 5]


def test_scouts_captures_and_reports_are_set_apart(make_series, scanned, loaded):
    def change(dataset, k):
        if k == 0:
            dataset.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
            dataset.ImageOrientationPatient = [1, 0, 0, 0, 0, -1]
        if k == 1:
            dataset.SOPClassUID = SecondaryCaptureImageStorage
            dataset.file_meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
        if k == 2:
            dataset.Modality = "SR"
            del dataset.PixelData

    scan = scanned(make_series(count=12, change=change))
    roles = [series.role for series in scan.series]
    assert roles == ["volume", "capture", "localizer", "document"]
    assert scan.series[0].count == 9
    assert loaded(scan.series[2]).voxels.shape == (1, 24, 32)


def test_synthetic_series_are_marked(make_series, scanned):
    def change(dataset, _k):
        dataset.ImageComments = "SYNTHETIC phantom, no patient"

    assert scanned(make_series(change=change)).series[0].synthetic
    assert not scanned(make_series("other")).series[0].synthetic


def test_missing_identifiers_do_not_matter(make_series, scanned, loaded):
    folder = make_series()
    for path in folder.glob("*.dcm"):
        dataset = pydicom.dcmread(path)
        dataset.SOPInstanceUID = dataset.StudyInstanceUID = dataset.SeriesInstanceUID = ""
        pydicom.dcmwrite(path, dataset)
    (series,) = scanned(folder).series
    assert series.count == 8
    assert series.key
    assert loaded(series).complete


@pytest.mark.parametrize("uid", ["", "1"])
def test_a_study_without_an_identifier_is_known_by_content_not_by_folder(
    uid, make_series, scanned, tmp_path
):
    """Another scan in the same folder must not meet the first one's report."""

    def change(dataset, k):
        dataset.StudyInstanceUID, dataset.SOPInstanceUID = uid, f"{uid}{k}" if uid else ""

    first = make_series("a", count=3, change=change)
    copied = tmp_path / "b"
    shutil.copytree(first, copied)
    (one,) = scanned(first).series
    (same,) = scanned(copied).series
    assert (one.key, one.study_key) == (same.key, same.study_key)
    for path in first.glob("*.dcm"):
        path.unlink()
    (other,) = scanned(make_series("a", count=4, change=change)).series
    assert other.patient == one.patient
    assert other.study_key != one.study_key


def test_file_without_preamble_and_meta(make_series, scanned, loaded, stored_values):
    folder = make_series(count=4)
    for path in folder.glob("*.dcm"):
        content = path.read_bytes()
        path.write_bytes(content[content.index(b"\x08\x00\x08\x00CS") :])
    (series,) = scanned(folder).series
    assert np.array_equal(loaded(series).voxels, stored_values(4).astype(np.int16) - 1024)


def test_enhanced_multi_frame(make_series, scanned, loaded, stored_values):
    stored = stored_values(6)

    def change(dataset, _k):
        shared, frames = Dataset(), []
        shared.PlaneOrientationSequence = Sequence([Dataset()])
        shared.PlaneOrientationSequence[0].ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        shared.PixelMeasuresSequence = Sequence([Dataset()])
        shared.PixelMeasuresSequence[0].PixelSpacing = [0.5, 0.75]
        shared.PixelMeasuresSequence[0].SliceThickness = 2
        for k in range(6):
            frame = Dataset()
            frame.PlanePositionSequence = Sequence([Dataset()])
            frame.PlanePositionSequence[0].ImagePositionPatient = [0, 0, 50 - 2 * k]
            frame.PixelValueTransformationSequence = Sequence([Dataset()])
            values = frame.PixelValueTransformationSequence[0]
            values.RescaleSlope, values.RescaleIntercept = 1, -1000 - k
            frames.append(frame)
        dataset.SOPClassUID = EnhancedCTImageStorage
        dataset.file_meta.MediaStorageSOPClassUID = EnhancedCTImageStorage
        dataset.SharedFunctionalGroupsSequence = Sequence([shared])
        dataset.PerFrameFunctionalGroupsSequence = Sequence(frames)
        dataset.NumberOfFrames = 6
        dataset.PixelData = stored.tobytes()
        for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"):
            delattr(dataset, keyword)

    (series,) = scanned(make_series(count=1, change=change)).series
    assert series.count == 6
    volume = loaded(series)
    offsets = -1000 - np.arange(6)[:, None, None]
    assert np.array_equal(volume.voxels, (stored.astype(np.int16) + offsets)[::-1])
    assert volume.geometry.origin == (0, 0, 40)


def test_colour_is_shown_as_grey(make_series, scanned, loaded):
    def change(dataset, _k):
        dataset.Modality, dataset.SamplesPerPixel = "OT", 3
        dataset.PhotometricInterpretation, dataset.PlanarConfiguration = "RGB", 0
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8, 8, 7
        dataset.PixelData = bytes([255, 0, 0] * (24 * 32))
        dataset["PixelData"].VR = "OB"

    (series,) = scanned(make_series(count=1, change=change)).series
    volume = loaded(series)
    assert (volume.voxels == 76).all()  # 0.299 · 255
    assert any("colour" in notice.text for notice in volume.notices)
