"""Exact pixels from every transfer syntax, or none."""

from __future__ import annotations

import numpy as np
import pytest
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, JPEG2000Lossless


def test_every_lossless_syntax_gives_the_same_hounsfield_units(
    lossless_syntaxes, make_series, scanned, loaded, stored_values
):
    expected = stored_values(8).astype(np.int16) - 1024
    for syntax in lossless_syntaxes:
        folder = make_series(syntax, syntax=syntax)
        (series,) = scanned(folder).series
        volume = loaded(series)
        assert volume.complete, UID(syntax).name
        assert np.array_equal(volume.voxels, expected), UID(syntax).name


def test_first_step_is_the_middle_slice(make_series, scanned, pool, never, stored_values):
    from workstation.io.load import load

    (series,) = scanned(make_series(count=40)).series
    steps = list(load(series, never, pool))
    first, last = steps[0], steps[-1]
    assert first.volume.available.nonzero()[0].tolist() == [20]
    assert (first.done, first.total) == (1, 40)
    assert last.volume.complete
    assert (last.done, last.total) == (40, 40)
    assert last.volume.voxels.base is not None  # the block itself, no copy
    assert np.shares_memory(first.volume.voxels, last.volume.voxels)


def test_each_slice_has_its_own_rescale(make_series, scanned, loaded, stored_values):
    def change(dataset, k):
        dataset.RescaleSlope = 1 + k % 2
        dataset.RescaleIntercept = -1024 - k

    stored = stored_values(6)
    (series,) = scanned(make_series(count=6, change=change)).series
    volume = loaded(series)
    for k in range(6):
        expected = stored[k].astype(int) * (1 + k % 2) - 1024 - k
        assert np.array_equal(volume.voxels[k], expected)


def test_fractional_rescale_is_rounded(make_series, scanned, loaded, stored_values):
    def change(dataset, _k):
        dataset.RescaleSlope, dataset.RescaleIntercept = 0.5, -100.25

    (series,) = scanned(make_series(count=2, change=change)).series
    expected = np.rint(stored_values(2) * 0.5 - 100.25)
    assert np.array_equal(loaded(series).voxels, expected)


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ExplicitVRBigEndian, JPEG2000Lossless])
def test_signed_values(syntax, make_series, scanned, loaded):
    signed = np.linspace(-2048, 2047, 3 * 24 * 32).astype(np.int16).reshape(3, 24, 32)

    def change(dataset, _k):
        dataset.PixelRepresentation, dataset.RescaleIntercept = 1, 0

    folder = make_series(stored=signed, count=3, syntax=syntax, change=change)
    (series,) = scanned(folder).series
    assert np.array_equal(loaded(series).voxels, signed)


def test_garbage_above_the_high_bit_is_dropped(make_series, scanned, loaded, stored_values):
    clean = stored_values(3)
    (series,) = scanned(make_series(stored=clean | np.uint16(0xB000), count=3)).series
    assert np.array_equal(loaded(series).voxels, clean.astype(np.int16) - 1024)


def test_values_stored_in_the_upper_bits(make_series, scanned, loaded, stored_values):
    def change(dataset, _k):
        dataset.HighBit = 15

    clean = stored_values(3)
    folder = make_series(stored=(clean << 4) | np.uint16(5), count=3, change=change)
    (series,) = scanned(folder).series
    assert np.array_equal(loaded(series).voxels, clean.astype(np.int16) - 1024)


def test_padding_becomes_air_whatever_its_stored_value(make_series, scanned, loaded, stored_values):
    stored = stored_values(2)
    stored[:, :4] = 63536  # −2000 written into unsigned 16 bits

    def change(dataset, _k):
        dataset.BitsStored, dataset.HighBit = 16, 15
        dataset.add_new(0x00280120, "SS", -2000)

    (series,) = scanned(make_series(stored=stored, count=2, change=change)).series
    volume = loaded(series)
    assert (volume.voxels[:, :4] == -1024).all()
    assert np.array_equal(volume.voxels[:, 4:], stored[:, 4:].astype(np.int16) - 1024)
    assert not any("16 bits" in notice.text for notice in volume.notices)


def test_values_beyond_int16_are_said_to_be_cut(make_series, scanned, loaded):
    def change(dataset, _k):
        dataset.BitsStored, dataset.HighBit, dataset.RescaleIntercept = 16, 15, 0

    stored = np.full((2, 24, 32), 65000, np.uint16)
    (series,) = scanned(make_series(stored=stored, count=2, change=change)).series
    volume = loaded(series)
    assert (volume.voxels == 32767).all()
    assert any("16 bits" in notice.text for notice in volume.notices)


def test_monochrome1_of_another_modality_is_turned_positive(
    make_series, scanned, loaded, stored_values
):
    def change(dataset, _k):
        dataset.Modality, dataset.PhotometricInterpretation = "CR", "MONOCHROME1"
        dataset.RescaleIntercept = 0

    (series,) = scanned(make_series(count=2, change=change)).series
    volume = loaded(series)
    assert volume.unit == ""
    assert series.modality == "CR"
    stored = stored_values(2).astype(int)
    assert np.array_equal(np.diff(volume.voxels, axis=2), -np.diff(stored, axis=2))
    assert any("MONOCHROME1" in notice.text for notice in volume.notices)


def test_monochrome1_ct_keeps_its_hounsfield_units(make_series, scanned, loaded, stored_values):
    def change(dataset, _k):
        dataset.PhotometricInterpretation = "MONOCHROME1"

    (series,) = scanned(make_series(count=2, change=change)).series
    assert np.array_equal(loaded(series).voxels, stored_values(2).astype(np.int16) - 1024)


def test_header_window_is_kept(make_series, scanned, loaded):
    (series,) = scanned(make_series()).series
    window = loaded(series).window
    assert window is not None
    assert (window.width, window.center) == (400, 40)


def test_thumbnails_come_after_the_series(make_series, scanned):
    from workstation.io.index import SeriesFound, SeriesThumbnail

    scan = scanned(make_series())
    kinds = [type(event) for event in scan.events]
    assert kinds.index(SeriesThumbnail) > kinds.index(SeriesFound)
    (picture,) = [event for event in scan.events if isinstance(event, SeriesThumbnail)]
    assert picture.key == scan.series[0].key
    assert picture.image.shape == (24, 32)
    assert picture.image.dtype == np.uint8
    assert picture.image.min() < picture.image.max()


def test_a_series_stored_without_geometry_is_read_again(
    make_series, scanned, loaded, stored_values
):
    from dataclasses import replace

    (series,) = scanned(make_series()).series
    volume = loaded(replace(series, slices=()))
    assert np.array_equal(volume.voxels, stored_values(8).astype(np.int16) - 1024)
    assert volume.geometry == loaded(series).geometry


def test_cancel_ends_a_load_early(make_series, scanned, pool, never):
    from workstation.io.load import load

    (series,) = scanned(make_series(count=60)).series
    steps = []
    for step in load(series, never, pool):
        steps.append(step)
        never.set()
    assert len(steps) == 1
    assert not steps[0].volume.complete
