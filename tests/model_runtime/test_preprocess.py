"""Left is left, whatever the order of the file; and the way back is exact."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations, product

import numpy as np
import pytest

from model_runtime.api import HuWindow, Region, VolumeInput
from model_runtime.config import InputConfig
from model_runtime.preprocess import UnsuitableVolumeError, prepare

SETTINGS = InputConfig(shape=(32, 64, 64), antialias=True)


def _stored_otherwise(
    volume: VolumeInput, order: tuple[int, ...], signs: tuple[int, ...]
) -> VolumeInput:
    """The same patient, stored with other axes and directions."""
    voxels = volume.voxels.transpose(order)[tuple(slice(None, None, sign) for sign in signs)]
    matrix = np.eye(4)
    matrix[:3, 3] = volume.index_to_lps[:3, 3]
    for axis in range(3):
        column = volume.index_to_lps[:3, 2 - order[axis]]
        matrix[:3, 2 - axis] = column * signs[axis]
        if signs[axis] < 0:
            matrix[:3, 3] += column * (volume.voxels.shape[order[axis]] - 1)
    return replace(volume, voxels=np.ascontiguousarray(voxels), index_to_lps=matrix)


def test_storage_order_does_not_matter(chest: VolumeInput) -> None:
    reference = prepare(chest, SETTINGS, None)
    for order in permutations(range(3)):
        for signs in product((1, -1), repeat=3):
            other = prepare(_stored_otherwise(chest, order, signs), SETTINGS, None)
            assert np.allclose(other.grey, reference.grey, atol=1e-5), (order, signs)
            assert np.allclose(other.index_to_lps, reference.index_to_lps)


def test_acquired_slices_are_told_in_the_files_order(chest: VolumeInput) -> None:
    lower = replace(chest, voxels=chest.voxels.copy())
    lower.voxels[40:] = -1000
    first, last = prepare(lower, SETTINGS, None).slices
    assert (first, last) == (0, 39)
    turned = _stored_otherwise(lower, (0, 1, 2), (-1, 1, 1))
    assert prepare(turned, SETTINGS, None).slices == (20, 59)


def test_the_way_back_finds_a_marker(chest: VolumeInput) -> None:
    voxels = chest.voxels.copy()
    k, j, i = 20, 40, 30
    voxels[k - 2 : k + 3, j - 2 : j + 3, i - 2 : i + 3] = 3000
    ready = prepare(replace(chest, voxels=voxels), SETTINGS, HuWindow(1500, 3000))
    z, y, x = np.unravel_index(int(ready.grey.argmax()), ready.grey.shape)
    found = ready.index_to_lps @ (x, y, z, 1)
    wanted = chest.index_to_lps @ (i, j, k, 1)
    cell = np.linalg.norm(ready.index_to_lps[:3, :3], axis=0)
    assert (np.abs(found - wanted)[:3] <= 1.5 * cell).all()


def test_the_body_is_cropped_and_windowed(chest: VolumeInput) -> None:
    ready = prepare(chest, SETTINGS, None)
    assert ready.region is Region.CHEST
    assert ready.window == HuWindow(-1350, 150)
    assert ready.grey.min() >= 0
    assert ready.grey.max() <= 1
    size = np.linalg.norm(ready.index_to_lps[:3, :3], axis=0) * ready.grey.shape[::-1]
    assert size[1] < 100 * 3.8, "the couch is not part of the body"


def test_the_window_in_use_can_be_chosen(chest: VolumeInput) -> None:
    assert prepare(chest, SETTINGS, HuWindow(-160, 240)).window == HuWindow(-160, 240)


@pytest.mark.parametrize(
    ("stated", "region"),
    [("CHEST", Region.CHEST), ("ABDOMEN", Region.ABDOMEN), ("HEADNECK", Region.HEAD)],
)
def test_the_header_names_the_region(chest: VolumeInput, stated: str, region: Region) -> None:
    assert prepare(replace(chest, body_part=stated), SETTINGS, None).region is region


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"modality": "MR"}, "MR"),
        ({"voxels": np.zeros((1, 64, 64), np.int16)}, "slices"),
        ({"voxels": np.full((40, 64, 64), -1000, np.int16)}, "air"),
        ({"modality": "", "voxels": np.full((40, 64, 64), 900, np.int16)}, "Hounsfield"),
    ],
)
def test_what_is_no_ct_volume_is_refused(chest: VolumeInput, change: dict, reason: str) -> None:
    with pytest.raises(UnsuitableVolumeError, match=reason):
        prepare(replace(chest, **change), SETTINGS, None)


def test_short_and_unnamed_series_are_noted(chest: VolumeInput) -> None:
    short = replace(chest, voxels=chest.voxels[20:40], modality="")
    notes = prepare(short, SETTINGS, None).notes
    assert any("20 slices" in note for note in notes)
    assert any("taken for CT" in note for note in notes)
