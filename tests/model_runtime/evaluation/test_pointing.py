"""The pointing game on masks and maps whose answer is known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from model_runtime.evaluation.m3d import DatasetError
from model_runtime.evaluation.pointing import (
    LEAST_MM,
    Shot,
    extent_mm,
    figures,
    hit,
    pointing,
    random_chance,
)
from model_runtime.evaluation.testset import Item
from model_runtime.evidence_maps import cells_touching
from model_runtime.phantom.case import Finding, sample_case
from model_runtime.phantom.render import half_size, masks
from model_runtime.similarity import FINEST
from model_runtime.training.volumes import model_volume
from model_runtime.weights import load_folder

_SHAPE = (48, 96, 96)


def _mask(*voxels: tuple[int, int, int]) -> np.ndarray:
    mask = np.zeros(_SHAPE, np.bool_)
    for voxel in voxels:
        mask[voxel] = True
    return mask


def _peak(cell: tuple[int, int, int]) -> np.ndarray:
    values = np.zeros((3, 6, 6), np.float32)
    values[cell] = 1
    return values


def test_the_point_is_the_centre_of_the_strongest_cell() -> None:
    # Cell (0, 2, 4) is centred on voxel (0, 32, 64); it reaches to 7, from 24 to 39, 56 to 71.
    values = _peak((0, 2, 4))
    assert hit(values, _mask((0, 32, 64))) == {"point": True, "cell": True}
    assert hit(values, _mask((1, 31, 65))) == {"point": True, "cell": True}
    assert hit(values, _mask((2, 32, 64))) == {"point": False, "cell": True}
    assert hit(values, _mask((7, 24, 56))) == {"point": False, "cell": True}
    assert hit(values, _mask((7, 23, 56))) == {"point": False, "cell": False}
    assert hit(values, _mask((8, 32, 64)))["cell"] is False


def test_cells_at_the_far_edge_reach_to_the_end() -> None:
    assert np.argwhere(cells_touching(_mask((47, 95, 95)), FINEST)).tolist() == [[2, 5, 5]]
    assert np.argwhere(cells_touching(_mask((0, 0, 0)), FINEST)).tolist() == [[0, 0, 0]]


def test_chance_is_the_share_of_the_body() -> None:
    body = np.zeros(_SHAPE, np.bool_)
    body[:, 10:90, 10:90] = True
    mask = _mask((20, 40, 40))
    told = random_chance(mask, body)
    assert told["point"] == pytest.approx(27 / body.sum())
    assert told["cell"] == pytest.approx(1 / cells_touching(body, FINEST).sum())
    generator = np.random.default_rng(0)
    points = np.argwhere(body)[generator.integers(body.sum(), size=200_000)]
    near = (np.abs(points - (20, 40, 40)) <= 1).all(axis=1)
    assert near.mean() == pytest.approx(told["point"], abs=2e-4)


def test_the_extent_is_in_millimetres() -> None:
    finding = Finding("mass", "right lower lobe", 50)
    case = replace(sample_case(1), findings=(finding,))
    (mask,) = masks(case, _SHAPE, body_only=True)
    voxel = max(2 * half / n for half, n in zip(half_size(case)[::-1], _SHAPE, strict=True))
    assert extent_mm(mask, case) == pytest.approx(50, abs=2 * voxel)
    assert extent_mm(np.zeros(_SHAPE, np.bool_), case) == 0


def test_rates_are_shares_with_luck_beside() -> None:
    yes, no = {"point": True, "cell": True}, {"point": False, "cell": True}
    luck = {"point": 0.01, "cell": 0.1}
    shots = [Shot(1, "mass", yes, no, luck, True), Shot(2, "nodule", no, no, luck, False)]
    table = figures(shots)
    assert table["n"] == 2
    assert table["point"]["model"]["value"] == 50
    assert table["point"]["another case's map"]["value"] == 0
    assert table["point"]["random in the body"]["value"] == pytest.approx(1)
    assert table["point"]["gain of the model over"]["random in the body"]["value"] == 49
    assert table["cell"]["gain of the model over"]["another case's map"]["value"] == 0


def test_a_model_is_played_with_and_noise_gains_nothing_sure(tiny_model: Path) -> None:
    model = load_folder(tiny_model)
    places = ("right upper lobe", "left lower lobe", "right lower lobe")
    cases = [
        replace(sample_case(1), seed=n, findings=(Finding("mass", place, 50),))
        for n, place in enumerate(places)
    ]
    items = [
        Item(
            str(case.seed), "a", "a",
            lambda model, case=case: torch.from_numpy(
                model_volume(case, model.config.input)
            )[None, None].float() / 255,
            case,
        )
        for case in cases
    ]
    told = pointing(model, items)
    assert told["least mm"] == LEAST_MM
    assert told["all"]["n"] == told["by finding"]["mass"]["n"] == 3
    assert told["all"]["point"]["gain of the model over"]["another case's map"]["low"] <= 0
    with pytest.raises(DatasetError, match="no finding of more than 15 mm"):
        pointing(model, [replace(items[0], case=replace(cases[0], findings=()))])
