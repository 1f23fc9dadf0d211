"""Where a cell lies in the patient, and when a map stands out in one place."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from model_runtime.api import VolumeInput
from model_runtime.config import EncoderConfig, InputConfig, published_7b
from model_runtime.dcformer import Block, DCFormer
from model_runtime.evidence_maps import (
    agreed,
    cell_matrix,
    focus_of,
    grad_cam,
    grid_of,
    heat_map,
    hires_cam,
    place_of,
    stride_of,
)
from model_runtime.phantom.case import sample_case
from model_runtime.phantom.render import render
from model_runtime.preprocess import ModelInput, prepare

SHAPE = (48, 96, 96)


def _encoder(seed: int) -> DCFormer:
    """Make a thin encoder of noise; its residual branches are off, as they nearly are untrained."""
    torch.manual_seed(seed)
    made = DCFormer(EncoderConfig((1, 1, 1, 1, 1), (4, 4, 4, 4, 4))).eval()
    for module in made.modules():
        if isinstance(module, Block):
            nn.init.zeros_(module.scale)
    return made


@pytest.fixture
def encoder() -> DCFormer:
    return _encoder(0)


def _reach(
    encoder: DCFormer, volume: torch.Tensor, stage: int, cell: tuple[int, ...]
) -> np.ndarray:
    """Size of the gradient of one cell at every voxel."""
    leaf = volume.clone().requires_grad_()
    state = encoder(leaf)[stage]
    grid = grid_of(tuple(volume.shape[2:]), stage)
    (gradient,) = torch.autograd.grad(state.reshape(1, *grid, -1)[0, *cell].sum(), leaf)
    return gradient[0, 0].abs().numpy()


@pytest.mark.parametrize(
    ("stage", "shape", "cell"),
    [
        (3, (130, 150, 141), (2, 2, 2)),
        (3, (100, 133, 170), (1, 2, 3)),
        (4, (210, 220, 231), (2, 2, 2)),
    ],
)
def test_a_cell_sees_as_far_to_either_side_of_its_centre(
    encoder: DCFormer, stage: int, shape: tuple[int, int, int], cell: tuple[int, int, int]
) -> None:
    """With means in place of maxima every voxel of a window counts, so its ends show."""
    for module in encoder.modules():
        if isinstance(module, Block):
            module.pool = nn.AvgPool3d(3, stride=2, padding=1)
    seen = np.argwhere(_reach(encoder, torch.rand(1, 1, *shape), stage, cell) > 0)
    first, last = seen.min(axis=0), seen.max(axis=0)
    centre = np.array(cell) * stride_of(stage)
    reach = 3 + 3 * 4 + sum(stride_of(before) for before in range(stage))
    inside = (centre - reach >= 0) & (centre + reach < shape)
    np.testing.assert_array_equal(first[inside], (centre - reach)[inside])
    np.testing.assert_array_equal(last[inside], (centre + reach)[inside])
    assert inside.any()


def test_gradients_of_noise_gather_around_the_centre() -> None:
    """The published max-pooling picks one voxel each time, on no side more than the other."""
    total = np.zeros((110, 110, 110))
    for seed in range(16):
        total += _reach(_encoder(seed), torch.rand(1, 1, 110, 110, 110), 3, (2, 2, 2))
    places = np.indices(total.shape).reshape(3, -1)
    middle = (places * total.ravel()).sum(axis=1) / total.sum()
    # With centres of equal parts of the volume it would be 79.5.
    np.testing.assert_allclose(middle, 64, atol=4)


@pytest.mark.parametrize("shape", [SHAPE, (50, 97, 65), (8, 33, 100), (31, 32, 64)])
def test_grids_are_those_of_the_encoder(
    encoder: DCFormer, shape: tuple[int, int, int]
) -> None:
    with torch.inference_mode():
        states = encoder(torch.rand(1, 1, *shape))
    assert [state.shape[1] for state in states] == [
        int(np.prod(grid_of(shape, stage))) for stage in range(5)
    ]


def test_the_published_size_has_its_published_cells() -> None:
    shape = published_7b().input.shape
    assert grid_of(shape, 3) == (4, 8, 8)
    assert grid_of(shape, 4) == (2, 4, 4)


def _turned(kind: str) -> VolumeInput:
    """A chest acquired along other axes, flipped or oblique."""
    voxels, matrix = render(sample_case(1), (60, 100, 100))
    if kind == "flipped":
        voxels, flip = voxels[::-1, :, ::-1], np.eye(4)
        flip[0, 0], flip[0, 3], flip[2, 2], flip[2, 3] = -1, 99, -1, 59
        matrix = matrix @ flip
    elif kind == "sagittal":
        voxels, matrix = voxels.transpose(2, 0, 1), matrix[:, [1, 2, 0, 3]]
    elif kind == "oblique":
        angle = np.radians(8)
        turn = np.eye(4)
        turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
        matrix = turn @ matrix
    return VolumeInput(kind, np.ascontiguousarray(voxels), matrix, "CT", "CHEST")


@pytest.mark.parametrize("kind", ["as it is", "flipped", "sagittal", "oblique"])
def test_cells_lie_where_their_voxels_were_acquired(kind: str) -> None:
    """A cube that the model sees at a cell's centre is found there in the acquired volume."""
    scan = _turned(kind)
    settings = InputConfig(shape=SHAPE, antialias=True)
    ready = prepare(scan, settings, None)
    cell = np.array([2.0, 1.0, 1.0, 1.0])
    centre = cell_matrix(ready, 3) @ cell
    x, y, z = np.rint(np.linalg.inv(scan.index_to_lps) @ centre)[:3].astype(int)
    marked = scan.voxels.copy()
    marked[z - 2 : z + 3, y - 2 : y + 3, x - 2 : x + 3] += 1000
    change = np.abs(prepare(VolumeInput("marked", marked, scan.index_to_lps, "CT", "CHEST"),
                            settings, None).grey - ready.grey)  # fmt: skip
    places = np.argwhere(change > 0.5 * change.max())
    np.testing.assert_allclose(places.mean(axis=0), (32, 32, 64), atol=1.0)


def _ready() -> ModelInput:
    return prepare(_turned("as it is"), InputConfig(shape=SHAPE, antialias=True), None)


def test_a_map_tells_its_honest_size() -> None:
    ready = _ready()
    drawn = heat_map(torch.arange(18.0), ready, 3)
    assert drawn.values.shape == (2, 3, 3)
    assert drawn.values[1, 2, 2] == drawn.values.max() == 1
    assert drawn.values[0, 0, 1] == np.float32(1 / 17)
    voxel = np.linalg.norm(ready.index_to_lps[:3, :3], axis=0)
    assert drawn.cell_mm == pytest.approx(tuple(32 * voxel[::-1]))
    with pytest.raises(RuntimeError):
        heat_map(torch.arange(17.0), ready, 3)


def test_formulas() -> None:
    activation = torch.tensor([[1.0, 2.0], [3.0, -1.0]])
    gradient = torch.tensor([[1.0, 0.0], [3.0, 4.0]])
    assert hires_cam(activation, gradient).tolist() == [1, 5]
    assert grad_cam(activation, gradient).tolist() == [6, 4]
    assert hires_cam(activation, -gradient).tolist() == [0, 0]


def test_a_place_counts_where_both_stages_say_so() -> None:
    # Cell j lies where cell j / 2 of the next stage does; the last may lie behind its last.
    coarser = torch.tensor([1.0, 3.0, 5.0])
    for count, wanted in ((6, [1, 2, 3, 4, 5, 5]), (5, [1, 2, 3, 4, 5])):
        finer = torch.ones(1, count, 1)
        assert agreed(finer, coarser.view(1, 3, 1)).flatten().tolist() == wanted
    finer = torch.zeros(3, 6, 6)
    finer[2, 5, 0] = 2
    alone = agreed(finer, torch.ones(2, 3, 3))
    assert torch.equal(alone, finer)


def test_one_cell_stands_out_and_evenness_does_not() -> None:
    lone = np.zeros((4, 8, 8), np.float32)
    lone[2, 3, 4] = 1
    assert focus_of(lone).cell == (2, 3, 4)
    assert focus_of(lone).excess == 1
    assert focus_of(np.ones((4, 8, 8), np.float32)).excess == pytest.approx(0, abs=1e-6)
    assert focus_of(np.zeros((4, 8, 8), np.float32)).excess == 0
    assert focus_of(np.ones((1, 1, 1), np.float32)).excess == 0
    noise = np.random.default_rng(0).random((4, 8, 8)).astype(np.float32)
    assert focus_of(noise).excess < 0.05


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ((0, 0, 0), "on the patient's right, in front, in the lower part"),
        ((3, 7, 7), "on the patient's left, at the back, in the upper part"),
        ((2, 4, 4), "in the midline, midway front to back, at mid-height"),
    ],
)
def test_places_in_words(cell: tuple[int, int, int], said: str) -> None:
    assert place_of(cell, (128, 256, 256), 3) == said


def test_only_the_cells_that_hold_the_midline_are_said_to_lie_in_it() -> None:
    """Of six columns the fourth is centred on it, and the third reaches from 25 to 42 %."""
    said = [place_of((1, 3, x), (48, 96, 96), 2).split(",")[0] for x in range(6)]
    right, left = "on the patient's right", "on the patient's left"
    assert said == [right, right, right, "in the midline", left, left]
