"""Real scans that nobody here made."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK
from pydicom.uid import UID

from workstation.core.errors import InputError

pytestmark = pytest.mark.real_data


def _oracle(folder):
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    return reader.Execute()


def test_abdomen_in_jpeg_2000_agrees_with_simpleitk(shared_data, scanned, loaded):
    folder = shared_data / "abdomen_j2k_dicom"
    (series,) = scanned(folder).series
    volume = loaded(series)
    oracle = _oracle(folder)
    assert np.array_equal(volume.voxels, SimpleITK.GetArrayFromImage(oracle))
    assert np.allclose(volume.geometry.origin, oracle.GetOrigin())
    assert np.allclose(volume.geometry.spacing, oracle.GetSpacing())
    assert any("20 slices" in notice.text for notice in volume.notices)
    assert not volume.approximate


def test_nifti_agrees_with_simpleitk(shared_data, scanned, loaded):
    path = shared_data / "example_ct.nii.gz"
    (series,) = scanned(path).series
    volume = loaded(series)
    image = SimpleITK.ReadImage(str(path))
    assert np.array_equal(volume.voxels, SimpleITK.GetArrayFromImage(image))
    index = (30, 40, 50)
    assert np.allclose(volume.geometry.to_lps(index), image.TransformIndexToPhysicalPoint(index))
    assert volume.unit == "HU"


def test_tilted_head_is_resampled_and_said(shared_data, scanned, loaded):
    folder = shared_data / "head_tilted_variable_spacing"
    (series,) = scanned(folder).series
    assert series.count == 28
    volume = loaded(series)
    assert volume.approximate
    assert volume.geometry.is_orthonormal
    badge = next(notice.badge for notice in volume.notices if notice.badge)
    assert "tilt 18.5°" in badge
    assert "uneven spacing" in badge
    for source in series.slices[3:25:7]:  # a point of a slice still shows what was there
        dataset = pydicom.dcmread(source.file)
        stored = dataset.pixel_array.astype(int) + int(dataset.RescaleIntercept)
        axes = np.array(source.orientation).reshape(2, 3)
        points, values = [], []
        for row, column in ((256, 256), (200, 300), (300, 220)):
            near = stored[row - 1 : row + 2, column - 1 : column + 2]
            there = (
                np.array(source.position)
                + axes[0] * column * source.pixel_spacing[1]
                + axes[1] * row * source.pixel_spacing[0]
            )
            index = volume.geometry.to_index(there)
            if abs(index[2] - round(index[2])) < 0.1:
                points.append(volume.value_at(there))
                values.append((near.min() - 60, near.max() + 60))
        for value, (low, high) in zip(points, values, strict=True):
            assert low <= value <= high


def test_duplicate_positions_are_parted(shared_data, scanned, loaded):
    scan = scanned(shared_data / "dupe-positions.zip")
    assert sorted(series.count for series in scan.series) == [1, 10]
    for series in scan.series:
        assert any("same positions" in notice.text for notice in series.notices)
        assert int(loaded(series).available.sum()) == series.count


def test_every_syntax_is_read_or_named(shared_data, scanned, loaded):
    folder = shared_data / "one_slice_many_syntaxes"
    raw = pydicom.dcmread(folder / "CTImage.dcm")
    expected = raw.pixel_array.astype(int) + int(raw.RescaleIntercept)
    scan = scanned(folder)
    named = {file.name for series in scan.series for file in series.files} | set(scan.skipped)
    assert {path.name for path in folder.iterdir() if path.is_file()} <= named
    exact = 0
    for series in scan.series:
        syntax = UID(
            str(pydicom.dcmread(series.files[0], specific_tags=[]).file_meta.TransferSyntaxUID)
        )
        try:
            volume = loaded(series)
        except InputError as error:
            assert syntax.name in error.message or "without an image" in error.message
            continue
        assert volume.complete
        if not series.files[0].name.startswith("CTImage.dcm"):
            continue
        difference = np.abs(volume.voxels[0] - expected)
        lossy = any(f".4.{code}" in syntax for code in ("50", "51", "53", "55", "81", "91"))
        if lossy:
            assert difference.mean() < 60, syntax.name
        else:
            assert difference.max() == 0, syntax.name
            exact += 1
    assert exact == 10


def test_pydicoms_own_files_never_end_the_scan(scanned, pool):
    folder = Path(pydicom.__file__).parent / "data" / "test_files"
    scan = scanned(folder)
    assert len(scan.series) > 40
    assert len(pool.process_ids) == pool.size
