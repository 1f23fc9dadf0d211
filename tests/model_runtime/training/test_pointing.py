"""Evidence maps as a term of the loss: their truth on disk, and the loss beside the map shown."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
import torch

from model_runtime.config import demo_config
from model_runtime.evidence_maps import hires_cam
from model_runtime.phantom.case import Case, sample_case
from model_runtime.siglip import Siglip
from model_runtime.similarity import FINEST, similarity_gradients
from model_runtime.training.places import PlaceStore, mark_shards, places_of
from model_runtime.training.pointing import Pointed, draw_pointed, pointing_loss
from model_runtime.training.tokenizer import train_tokenizer
from model_runtime.training.training_form import stage_maps

_SHAPE = (48, 96, 96)
_GRID = (3, 6, 6)


@pytest.fixture(scope="module")
def siglip() -> Siglip:
    """An encoder from nothing whose blocks count, in evaluation mode."""
    torch.manual_seed(0)
    network = Siglip(demo_config(600).siglip)
    for name, parameter in network.named_parameters():
        if name.endswith(".scale"):
            torch.nn.init.constant_(parameter, 0.1)
    return network.eval()


def _one_sided(side: str) -> Case:
    cases = (sample_case(seed) for seed in range(400))
    return next(
        case
        for case in cases
        if any(f.kind == "pleural effusion" and f.place == side for f in case.findings)
    )


@pytest.mark.parametrize(("side", "half"), [("right", slice(0, 4)), ("left", slice(3, 6))])
def test_an_effusion_is_marked_on_its_side(side: str, half: slice) -> None:
    case = _one_sided(side)
    told = [(finding.kind, finding.place) for finding in case.findings]
    place = told.index(("pleural effusion", side))
    marked = places_of(case.seed, _SHAPE)
    assert marked.shape == (len(case.findings), *_GRID)
    x = np.flatnonzero(marked[place].any(axis=(0, 1)))  # to the patient's left
    assert x.size
    # The cells of column 3 are centred on the midline.
    assert set(x) <= set(range(6)[half])
    assert (x.mean() < 2.5) == (side == "right")


def test_places_come_back_from_disk_for_the_asked_cases(tmp_path: Path) -> None:
    mark_shards(tmp_path, 100, 3, demo_config(600).input, processes=1)
    store = PlaceStore.open(tmp_path, [102, 100])
    for cells, seed in zip(store.cells, (102, 100), strict=True):
        np.testing.assert_array_equal(cells, places_of(seed, _SHAPE))


def test_a_case_that_was_not_marked_is_named(tmp_path: Path) -> None:
    mark_shards(tmp_path, 100, 2, demo_config(600).input, processes=1)
    with pytest.raises(ValueError, match=r"places of case 102 are not in .* --places"):
        PlaceStore.open(tmp_path, [100, 102])


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "places-0000100.npz").write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(ValueError, match=r"places-0000100\.npz is damaged"):
        PlaceStore.open(tmp_path, [100])


def _pointed(words: int) -> Pointed:
    cells = torch.zeros(2, 1, *_GRID)
    cells[0, 0, 1, 2, 2] = cells[1, 0, 0, 3, 4] = cells[1, 0, 0, 4, 4] = 1
    ids = torch.arange(2, 2 + 5 * words).reshape(5, words)
    return Pointed(torch.tensor([2, 0]), ids, torch.ones_like(ids), cells)


def test_the_loss_is_of_the_map_that_the_program_shows(siglip: Siglip) -> None:
    volume = torch.rand(3, 1, *_SHAPE, generator=torch.Generator().manual_seed(1))
    pointed = _pointed(4)
    maps = stage_maps(siglip.vision_encoder, volume)
    image = siglip.project_volume(maps[-1].flatten(1, 3))
    loss = float(pointing_loss(siglip, maps, image, pointed).detach())
    with torch.inference_mode():
        states = siglip.vision_encoder(volume)
        words = siglip.embed_text(pointed.ids, pointed.mask)
    total = 0.0
    for place, row in enumerate(pointed.rows):
        sought = (words[place] - words[2:].mean(dim=0)).clone()
        shown, slopes = similarity_gradients(siglip, states[FINEST][row : row + 1], sought, _GRID)
        finer, coarser = (hires_cam(a[0], g[0]) for a, g in zip(shown, slopes, strict=True))
        cells = pointed.cells[place]
        for weight, values, on in (
            (1.0, finer, cells),
            (0.5, coarser, torch.nn.functional.max_pool3d(cells, 2, ceil_mode=True)),
        ):
            share = (values * on.flatten()).sum() / (values.sum() + 1e-8)
            total -= weight * float((share + 1e-3).log()) / 2
    assert loss == pytest.approx(total, rel=1e-3)


def test_the_map_can_be_learnt(siglip: Siglip) -> None:
    siglip = deepcopy(siglip)  # the others' stays as it is
    volume = torch.rand(3, 1, *_SHAPE, generator=torch.Generator().manual_seed(2))
    optimizer = torch.optim.Adam(siglip.vision_encoder.parameters(), lr=1e-3)
    losses = []
    for _ in range(12):
        maps = stage_maps(siglip.vision_encoder, volume)
        image = siglip.project_volume(maps[-1].flatten(1, 3))
        loss = pointing_loss(siglip, maps, image, _pointed(4))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.5 * losses[0]


def test_cases_without_findings_have_no_map(siglip: Siglip) -> None:
    normal = next(c for c in map(sample_case, range(400)) if not c.findings)
    cells = np.zeros((0, *_GRID), np.bool_)
    words = train_tokenizer(range(20), 600)
    pointed = draw_pointed([normal], [cells], words, np.random.default_rng(0))
    assert len(pointed.rows) == 0
    maps = stage_maps(siglip.vision_encoder, torch.rand(1, 1, *_SHAPE))
    image = siglip.project_volume(maps[-1].flatten(1, 3))
    assert float(pointing_loss(siglip, maps, image, pointed)) == 0


def test_what_is_drawn_is_a_finding_of_its_own_case() -> None:
    case = _one_sided("left")
    marked = places_of(case.seed, _SHAPE)
    words = train_tokenizer(range(20), 600)
    pointed = draw_pointed([case], [marked], words, np.random.default_rng(0))
    assert any(np.array_equal(pointed.cells[0, 0].numpy() > 0, one) for one in marked)
    assert len(pointed.ids) == 1 + 3
