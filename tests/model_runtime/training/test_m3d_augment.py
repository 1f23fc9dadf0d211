"""The published changes happen as often as published, and sides stay sides on request."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from model_runtime.training.m3d_augment import M3dAugmentation

COUNT = 4000


def _changed(
    augmentation: M3dAugmentation, grey: np.ndarray, random: np.random.Generator
) -> torch.Tensor:
    return augmentation(grey.shape, random)(torch.from_numpy(grey))


def _marked() -> np.ndarray:
    """A volume whose eight corners and axes can be told apart after any turn and flip."""
    volume = np.zeros((2, 4, 4), np.uint8)
    volume[0, 0, 0], volume[0, 0, 3], volume[0, 3, 0] = 50, 100, 150
    return volume


def _kind(volume: np.ndarray, marked: np.ndarray) -> tuple[int, tuple[bool, ...]]:
    """Quarter turns and mirroring of z that make the marked volume, and whether it is mirrored."""
    for mirrored in (False, True):
        for z in (False, True):
            base = marked[::-1] if z else marked
            base = base[:, :, ::-1] if mirrored else base
            for turns in range(4):
                if np.allclose(np.rot90(base, turns, (1, 2)), volume):
                    return turns, (z, mirrored)
    raise AssertionError("neither turned nor flipped")


def test_turns_and_flips_are_as_frequent_as_published(random: np.random.Generator) -> None:
    marked = _marked()
    still = M3dAugmentation(scaled=0, shifted=0)
    out = _changed(still, np.stack([marked] * COUNT), random)
    assert out.shape == (COUNT, 1, 2, 4, 4)
    assert out.dtype == torch.float32
    kinds = [_kind(volume, marked / np.float32(255)) for volume in out[:, 0].numpy()]
    z = np.mean([axes[0] for _, axes in kinds])
    assert z == pytest.approx(0.1, abs=0.02)
    # In the plane a mirror image is left by exactly one of the two flips.
    assert np.mean([axes[1] for _, axes in kinds]) == pytest.approx(2 * 0.1 * 0.9, abs=0.025)
    odd = np.mean([turns % 2 for turns, _ in kinds])
    assert odd == pytest.approx(0.5 * 2 / 3, abs=0.03)


def test_intensity_changes_are_as_large_and_as_frequent_as_published(
    random: np.random.Generator,
) -> None:
    flat = np.full((COUNT, 1, 2, 2), 255, np.uint8)
    only_scaled = _changed(M3dAugmentation(shifted=0), flat, random)[:, 0, 0, 0, 0].numpy() - 1
    assert np.mean(only_scaled != 0) == pytest.approx(0.5, abs=0.03)
    assert np.abs(only_scaled).max() == pytest.approx(0.1, abs=0.002)
    assert abs(only_scaled.mean()) < 0.005
    only_shifted = _changed(M3dAugmentation(scaled=0), 0 * flat, random)[:, 0, 0, 0, 0].numpy()
    assert np.mean(only_shifted != 0) == pytest.approx(0.5, abs=0.03)
    assert only_shifted.min() == pytest.approx(-0.1, abs=0.002)


def test_published_flips_exchange_left_and_right_and_the_switch_stops_that() -> None:
    left = np.zeros((COUNT, 2, 4, 4), np.uint8)
    left[..., 2:] = 255
    published = M3dAugmentation(turns=0, scaled=0, shifted=0)
    moved = _changed(published, left, np.random.default_rng(0))[:, 0, 0, 0, 0].numpy()
    assert np.mean(moved == 1) == pytest.approx(0.1, abs=0.02)
    kept = M3dAugmentation(scaled=0, shifted=0, keep_sides=True)
    moved = _changed(kept, left, np.random.default_rng(0))
    assert torch.equal(moved[:, 0], torch.from_numpy(left) / 255)


def test_the_switch_leaves_the_intensities_as_they_are_drawn() -> None:
    flat = np.full((20, 2, 4, 4), 128, np.uint8)
    both = [
        _changed(M3dAugmentation(keep_sides=kept), flat, np.random.default_rng(3))
        for kept in (False, True)
    ]
    assert torch.equal(*both)


def test_a_plane_that_is_no_square_keeps_its_shape(random: np.random.Generator) -> None:
    out = _changed(M3dAugmentation(turns=1), np.zeros((8, 2, 4, 6), np.uint8), random)
    assert out.shape == (8, 1, 2, 4, 6)
