"""Slices lie where the header says, or it is said that they do not."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK
from hypothesis import given, settings
from hypothesis import strategies as st

from workstation.core.geometry import Geometry
from workstation.core.study import SliceSource
from workstation.io.grid import plan_grid


def _badges(volume):
    return " ".join(notice.badge for notice in volume.notices)


def _oracle(folder):
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    return reader.Execute()


ORIENTATIONS = {
    "head first supine": [1, 0, 0, 0, 1, 0],
    "feet first supine": [-1, 0, 0, 0, 1, 0],
    "prone": [-1, 0, 0, 0, -1, 0],
    "decubitus": [0, 1, 0, -1, 0, 0],
    "coronal": [1, 0, 0, 0, 0, -1],
    "sagittal": [0, 1, 0, 0, 0, -1],
    "oblique": [0.96, 0.28, 0, -0.28, 0.96, 0],
}


@pytest.mark.parametrize("name", ORIENTATIONS)
def test_marked_corner_agrees_with_simpleitk(name, make_series, scanned, loaded):
    cosines = np.array(ORIENTATIONS[name], float)
    normal = np.cross(cosines[:3], cosines[3:])
    places = [tuple(np.array((-10.0, -20.0, 30.0)) + normal * 2.5 * k) for k in range(7)]
    stored = np.zeros((7, 24, 32), np.uint16)
    stored[1, 3:8, 2:4] = 3000  # an R in one corner, which a mirrored volume would move
    stored[1, 3, 2:6] = 3000

    def change(dataset, _k):
        dataset.ImageOrientationPatient = [*cosines]

    folder = make_series(positions=places, stored=stored, change=change)
    (series,) = scanned(folder).series
    volume = loaded(series)
    oracle = _oracle(folder)
    marked = np.argwhere(volume.voxels > 1000)[:, ::-1]
    assert len(marked) == 12
    mine = volume.geometry.to_lps(marked)
    theirs = [
        oracle.TransformIndexToPhysicalPoint([int(n) for n in index])
        for index in np.argwhere(SimpleITK.GetArrayFromImage(oracle) > 1000)[:, ::-1]
    ]
    assert np.allclose(sorted(map(tuple, mine.round(4))), sorted(np.round(theirs, 4).tolist()))
    assert not volume.approximate


unit = st.floats(-1, 1).filter(lambda x: abs(x) > 0.05)


@settings(max_examples=80, deadline=None)
@given(
    turning=st.tuples(unit, unit, unit).map(lambda axis: np.array(axis) * 1.7),
    step=st.floats(0.3, 8),
    origin=st.tuples(*[st.floats(-300, 300)] * 3),
    count=st.integers(2, 12),
    data=st.data(),
)
def test_index_and_millimetres_agree_with_the_header(turning, step, origin, count, data):
    from scipy.spatial.transform import Rotation

    turn = Rotation.from_rotvec(turning).as_matrix()
    row, column, normal = turn.T
    sources = [
        SliceSource(
            file=None,
            position=tuple(np.array(origin) + normal * step * k),
            orientation=(*row, *column),
            pixel_spacing=(0.5, 0.75),
        )
        for k in range(count)
    ]
    plan = plan_grid(data.draw(st.permutations(sources)), (10, 12))
    assert plan.slices == tuple(sources)
    assert plan.geometry.is_orthonormal
    k = data.draw(st.integers(0, count - 1))
    i, j = data.draw(st.integers(0, 11)), data.draw(st.integers(0, 9))
    there = np.array(sources[k].position) + row * 0.75 * i + column * 0.5 * j
    assert np.allclose(plan.geometry.to_lps((i, j, k)), there, atol=1e-4)
    assert np.allclose(plan.geometry.to_index(there), (i, j, k), atol=1e-4)


def test_missing_slices_stay_empty_and_are_named(make_series, scanned, loaded, stored_values):
    places = [(0.0, 0.0, 3.0 * k) for k in range(12) if k not in (4, 7)]
    (series,) = scanned(make_series(positions=places)).series
    volume = loaded(series)
    assert volume.voxels.shape[0] == 12
    assert (~volume.available).nonzero()[0].tolist() == [4, 7]
    assert np.array_equal(volume.voxels[5], stored_values(10)[4].astype(np.int16) - 1024)
    assert volume.approximate
    assert "2 missing slices" in _badges(volume)
    details = next(notice.details for notice in volume.notices if "missing" in notice.badge)
    assert "12.0" in details
    assert "21.0" in details
    assert volume.value_at((0, 0, 12.0)) is None


def test_uneven_spacing_is_interpolated_and_said(make_series, scanned, loaded):
    heights = [0, 2, 4, 6, 9, 12, 15, 18]
    ramp = np.stack([np.full((24, 32), 1024 + 10 * z, np.uint16) for z in heights])
    (series,) = scanned(make_series(positions=[(0, 0, z) for z in heights], stored=ramp)).series
    volume = loaded(series)
    assert volume.complete
    assert volume.approximate
    assert "resampled (uneven spacing)" in _badges(volume)
    z = volume.geometry.to_lps([(0, 0, k) for k in range(volume.voxels.shape[0])])[:, 2]
    assert np.abs(volume.voxels[:, 5, 5] - 10 * z).max() <= 0.51  # a ramp stays a ramp


def test_gantry_tilt_is_undone(make_series, scanned, loaded):
    """A rod along the table must lie at its true place in the right-angled grid."""
    tilt = np.radians(20)
    cosines = [1, 0, 0, 0, np.cos(tilt), -np.sin(tilt)]
    column = np.array(cosines[3:])
    places = [(0.0, 0.0, 4.0 * k) for k in range(10)]
    stored = np.zeros((10, 64, 32), np.uint16)
    rows = np.arange(64)[:, None] * 0.5
    for k in range(10):  # the plane y = 12 mm, as a bright sheet 2 mm thick
        y = places[k][1] + rows * column[1]
        stored[k] = np.where(np.abs(y - 12) < 1.0, 2024, 0)

    def change(dataset, _k):
        dataset.ImageOrientationPatient = cosines
        dataset.GantryDetectorTilt = 20

    (series,) = scanned(make_series(positions=places, stored=stored, change=change)).series
    volume = loaded(series)
    assert volume.geometry.is_orthonormal
    assert volume.approximate
    assert "tilt 20.0°" in _badges(volume)
    k, j, i = (volume.voxels > 400).nonzero()
    assert len(k) > 1000
    y = volume.geometry.to_lps(np.stack((i, j, k), axis=1))[:, 1]
    assert np.abs(y - 12).max() < 1.5


def test_tilted_grid_is_never_shown_sheared(make_series, scanned, pool, never):
    from workstation.io.load import load

    def change(dataset, _k):
        dataset.ImageOrientationPatient = [1, 0, 0, 0, 0.94, -0.342]

    (series,) = scanned(make_series(change=change)).series
    for step in load(series, never, pool):
        assert step.volume.geometry.is_orthonormal
        assert step.volume.approximate
        assert "tilt" in _badges(step.volume)


def test_skewed_cosines_are_corrected_and_said(make_series, scanned, loaded):
    def change(dataset, _k):
        dataset.ImageOrientationPatient = [1, 0, 0, 0.02, 1, 0]

    (series,) = scanned(make_series(change=change)).series
    volume = loaded(series)
    assert volume.geometry.is_orthonormal
    assert volume.approximate
    assert "axes corrected" in _badges(volume)


def test_missing_pixel_spacing_means_pixels(make_series, scanned, loaded):
    def change(dataset, _k):
        del dataset.PixelSpacing

    (series,) = scanned(make_series(change=change)).series
    assert series.spacing is None
    volume = loaded(series)
    assert not volume.calibrated
    assert "no pixel spacing" in _badges(volume)


def test_missing_positions_are_stacked_and_said(make_series, scanned, loaded, stored_values):
    def change(dataset, _k):
        del dataset.ImagePositionPatient

    (series,) = scanned(make_series(count=12, change=change)).series
    volume = loaded(series)
    assert volume.approximate
    assert "positions unknown" in _badges(volume)
    assert np.array_equal(volume.voxels, stored_values(12).astype(np.int16) - 1024)


@pytest.mark.parametrize("count", [1, 2])
def test_one_and_two_slices(count, make_series, scanned, loaded):
    (series,) = scanned(make_series(count=count)).series
    volume = loaded(series)
    assert volume.complete
    assert volume.geometry.spacing == (0.75, 0.5, 2.0)
    assert volume.geometry.shape == (count, 24, 32)


def test_short_series_is_said(make_series, scanned, loaded):
    (series,) = scanned(make_series(count=20)).series
    assert any("20 slices" in notice.text for notice in loaded(series).notices)


def test_nifti_axes_agree_with_simpleitk(tmp_path, scanned, loaded):
    voxels = np.random.default_rng(1).integers(-1000, 1000, (5, 6, 7)).astype(np.int16)
    image = SimpleITK.GetImageFromArray(voxels)
    image.SetSpacing((0.7, 0.8, 2.5))
    image.SetOrigin((-30.0, 12.0, 99.0))
    image.SetDirection((-1, 0, 0, 0, 1, 0, 0, 0, 1))
    for suffix in ("nii", "nii.gz", "nrrd", "mha"):
        path = tmp_path / f"volume.{suffix}"
        SimpleITK.WriteImage(image, str(path))
        (series,) = scanned(path).series
        volume = loaded(series)
        geometry: Geometry = volume.geometry
        assert np.linalg.det(np.array(geometry.direction)) == pytest.approx(1)
        for index in ((0, 0, 0), (6, 5, 4), (1, 4, 2)):
            there = image.TransformIndexToPhysicalPoint(index)
            assert volume.value_at(there) == voxels[index[::-1]], suffix
        assert series.spacing == pytest.approx((0.7, 0.8, 2.5))


def test_modality_of_a_volume_file_is_only_guessed_from_hounsfield_values(
    tmp_path, scanned, loaded
):
    rng = np.random.default_rng(1)
    ct = np.where(rng.random((8, 9, 9)) < 0.5, -1000, rng.integers(-100, 1200, (8, 9, 9)))
    mr = rng.integers(0, 900, (8, 9, 9))
    for name, values, unit in (("ct", ct, "HU"), ("mr", mr, "")):
        path = tmp_path / f"{name}.nii.gz"
        SimpleITK.WriteImage(SimpleITK.GetImageFromArray(values.astype(np.int16)), str(path))
        volume = loaded(scanned(path).series[0])
        assert volume.unit == unit
        assert volume.series.modality == ("CT" if unit else "")
