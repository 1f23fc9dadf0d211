"""Left is left, whatever the order of the file; and the way back is exact."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations, product
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
import torch
from torch.nn import functional

from model_runtime.api import HuWindow, Region, VolumeInput
from model_runtime.config import InputConfig
from model_runtime.phantom.case import sample_case
from model_runtime.phantom.render import render
from model_runtime.preprocess import UnsuitableVolumeError, prepare
from model_runtime.resample import axis_weights, resampling

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


def test_a_scan_in_air_on_a_couch_becomes_what_was_trained_on() -> None:
    """The crop of a whole acquisition equals a drawing of the body alone, to a model voxel."""
    settings = InputConfig(shape=(48, 96, 96), antialias=True)
    for seed in (0, 2, 5):
        case = sample_case(seed)
        voxels, matrix = render(case, (96, 192, 192))
        ready = prepare(VolumeInput("", voxels, matrix, "CT"), settings, None)
        assert ready.region is case.region
        alone, _ = render(case, (96, 192, 192), body_only=True)
        low, high = ready.window.low, ready.window.high
        grey = np.clip((alone.astype(np.float32) - low) / (high - low), 0, 1)
        wanted = grey.reshape(48, 2, 96, 2, 96, 2).mean(axis=(1, 3, 5))
        assert np.corrcoef(wanted.ravel(), ready.grey.ravel())[0, 1] > 0.98
        here = np.abs(wanted - ready.grey).mean()
        for axis, step in product(range(3), (1, -1)):
            assert here < np.abs(wanted - np.roll(ready.grey, step, axis)).mean()


@pytest.mark.parametrize("average", [True, False])
@pytest.mark.parametrize(("old", "new"), [(7, 7), (100, 13), (13, 100), (97, 64), (1, 5)])
def test_resizing_keeps_grey_and_place(old: int, new: int, average: bool) -> None:
    weights = axis_weights(old, new, average)
    assert weights.sum(axis=1) == pytest.approx(1, abs=1e-5)
    # The inner cells' centres of mass lie where their index says; an average over a
    # fraction of a voxel is off by an eighth of one at most.
    centres = weights @ np.arange(old)
    wanted = (np.arange(new) + 0.5) * old / new - 0.5
    inside = (wanted >= 0) & (wanted <= old - 1)
    assert np.allclose(centres[inside], wanted[inside], atol=0.125)


def test_linear_resizing_is_the_usual_trilinear(random: np.random.Generator) -> None:
    voxels = random.integers(-1000, 1000, (9, 20, 31)).astype(np.int16)
    steps = resampling(voxels, HuWindow(-1000, 1000), (5, 33, 16), average=False)
    while True:
        try:
            assert 0 <= next(steps) < 1
        except StopIteration as end:
            found = end.value
            break
    unit = torch.from_numpy((voxels.astype(np.float32) + 1000) / 2000)[None, None]
    wanted = functional.interpolate(unit, (5, 33, 16), mode="trilinear", align_corners=False)
    assert np.allclose(found, wanted[0, 0].numpy(), atol=1e-5)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"voxels": np.full((40, 64, 64), 900, np.int16)}, "Hounsfield"),
        ({"voxels": np.tile(np.arange(64, dtype=np.int16) * 60, (40, 64, 1))}, "Hounsfield"),
        ({"voxels": np.tile(np.arange(-500, 780, 20, dtype=np.int16) * 20, (40, 64, 1))}, "Hou"),
        ({"index_to_lps": np.diag([1.0, 1.0, 0.0, 1.0])}, "left from right"),
        ({"index_to_lps": np.full((4, 4), np.nan)}, "left from right"),
    ],
)
def test_ct_by_name_only_is_refused(chest: VolumeInput, change: dict, reason: str) -> None:
    with pytest.raises(UnsuitableVolumeError, match=reason):
        prepare(replace(chest, **change), SETTINGS, None)


def test_a_window_without_width_is_refused(chest: VolumeInput) -> None:
    with pytest.raises(UnsuitableVolumeError, match="no width"):
        prepare(chest, SETTINGS, HuWindow(50, 50))


def test_thick_and_oblique_slices_are_noted(chest: VolumeInput) -> None:
    thick = replace(chest, voxels=chest.voxels[::3])
    matrix = chest.index_to_lps.copy()
    matrix[:3, 2] *= 3
    angle = np.radians(18.5)
    tilt = np.eye(4)
    tilt[1:3, 1:3] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    notes = prepare(replace(thick, index_to_lps=tilt @ matrix), SETTINGS, None).notes
    assert any("20 slices" in note for note in notes)
    assert any("anisotropic" in note for note in notes)
    assert any("18.5°" in note for note in notes)


def test_a_part_the_model_does_not_know_is_noted(chest: VolumeInput) -> None:
    ready = prepare(replace(chest, body_part="KNEE"), SETTINGS, None)
    assert ready.region is Region.CHEST
    assert "body part KNEE is not one the model knows; read as chest" in ready.notes
    both = prepare(replace(chest, body_part="CHEST_ABDOMEN"), SETTINGS, None)
    assert both.region is Region.CHEST
    assert not both.notes


@pytest.mark.real_data
def test_real_scans_are_told_apart(shared_data: Path) -> None:
    settings = InputConfig(shape=(48, 96, 96), antialias=True)
    image = SimpleITK.ReadImage(str(shared_data / "example_ct.nii.gz"))
    body = prepare(_input(image), settings, None)
    assert body.region is Region.ABDOMEN
    assert "modality not stated; taken for CT from its values" in body.notes
    names = SimpleITK.ImageSeriesReader.GetGDCMSeriesFileNames(
        str(shared_data / "abdomen_j2k_dicom")
    )
    short = prepare(_input(SimpleITK.ReadImage(names)), settings, None)
    assert short.region is Region.ABDOMEN
    assert any(note.startswith("short series: 20 slices") for note in short.notes)


def _input(image: SimpleITK.Image) -> VolumeInput:
    matrix = np.eye(4)
    direction = np.array(image.GetDirection()).reshape(3, 3)
    matrix[:3, :3] = direction * np.array(image.GetSpacing())
    matrix[:3, 3] = image.GetOrigin()
    return VolumeInput("", SimpleITK.GetArrayFromImage(image).astype(np.int16), matrix, "")
