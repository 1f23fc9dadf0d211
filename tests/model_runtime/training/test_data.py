"""Volumes as preprocessing gives them, labels and texts that follow from the truth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from model_runtime.api import VolumeInput
from model_runtime.config import InputConfig
from model_runtime.phantom.case import sample_case
from model_runtime.phantom.render import render
from model_runtime.preprocess import prepare
from model_runtime.siglip import sigmoid_loss
from model_runtime.training.augment import augment
from model_runtime.training.contrastive import (
    Text,
    claims_of,
    draw_text,
    matches,
    names_of,
    pairwise_loss,
)
from model_runtime.training.labels import LabelSpace, labels_of
from model_runtime.training.texts import Example, collate, draw_questions
from model_runtime.training.volumes import VolumeStore, model_volume, render_shards
from model_runtime.vlm import IGNORED_LABEL

SETTINGS = InputConfig(shape=(32, 48, 48), antialias=True)


@pytest.mark.parametrize("seed", [1, 0, 7, 12])
def test_training_volumes_look_like_prepared_scans(seed: int) -> None:
    case = sample_case(seed)
    voxels, matrix = render(case, (64, 128, 128))
    part = case.region.value.upper()
    scan = prepare(VolumeInput("case", voxels, matrix, "CT", part), SETTINGS, None).grey
    trained = model_volume(case, SETTINGS).astype(np.float32) / 255
    assert np.corrcoef(scan.ravel(), trained.ravel())[0, 1] > 0.9


def test_shards_are_read_in_order_and_a_damaged_one_is_named(
    store: VolumeStore, tmp_path: Path
) -> None:
    assert store.seeds.tolist() == list(range(12))
    picked = store.get([5, 0])
    assert np.array_equal(picked[1], model_volume(sample_case(0), InputConfig(shape=(32, 32, 32))))
    with pytest.raises(FileNotFoundError, match="render"):
        VolumeStore.open(tmp_path)
    (tmp_path / "cases-0000000.npy").write_bytes(b"\x93NUMPY cut")
    with pytest.raises(ValueError, match="cases-0000000"):
        VolumeStore.open(tmp_path)


def test_rendering_goes_on_where_it_stopped(tmp_path: Path) -> None:
    settings = InputConfig(shape=(8, 16, 16))
    render_shards(tmp_path, 0, 2, settings, processes=1)
    first = tmp_path / "cases-0000000.npy"
    before = first.stat().st_mtime_ns
    render_shards(tmp_path, 0, 2, settings, processes=1)
    assert first.stat().st_mtime_ns == before
    assert not list(tmp_path.glob("*.part"))


def test_jitter_never_mirrors(random: np.random.Generator) -> None:
    grey = torch.zeros((1, 16, 32, 32), dtype=torch.uint8)
    grey[..., :16] = 200
    for _ in range(20):
        moved = augment(grey.shape, random)(grey)[0, 0]
        assert moved[..., :8].mean() > moved[..., -8:].mean() + 0.3
        assert moved.min() >= 0
        assert moved.max() <= 1


def test_a_card_jitters_as_a_processor_does(random: np.random.Generator) -> None:
    grey = torch.from_numpy(random.integers(0, 256, (3, 8, 10, 12), dtype=np.uint8))
    change = augment(grey.shape, random)
    z, y, x = change.places
    rows = torch.arange(3)[:, None, None, None]
    taken = grey[rows, z[:, :, None, None], y[:, None, :, None], x[:, None, None, :]].float() / 255
    gain, shift, noise = (one.view(3, 1, 1, 1) for one in (change.gain, change.shift, change.noise))
    wanted = (taken * gain + shift + noise * change.grain).clamp(0, 1)
    torch.testing.assert_close(change(grey)[:, 0], wanted)
    assert change(grey.to("meta")).shape == (3, 1, 8, 10, 12)


def test_labels_tell_kind_place_and_size() -> None:
    case = sample_case(1)
    labels = labels_of(case)
    assert {"mass", "mass in left upper lobe", "mass over 35 mm", "region chest"} <= labels
    assert "mass over 40 mm" not in labels
    space = LabelSpace.of([case], at_least=1)
    assert space.encode(case).sum() == len(labels)
    assert space.encode(sample_case(0)).sum() < len(labels)


def test_a_text_matches_every_case_it_holds_for() -> None:
    chest, abdomen = sample_case(1), sample_case(0)
    typed = Text("mass", frozenset(("mass",)), whole=False)
    assert matches([typed, typed], [chest, abdomen]).tolist() == [[1, 1], [0, 1]]
    typed_alike = {"left upper lobe mass", "mass", "right lower lobe ground glass opacity"}
    assert typed_alike <= claims_of(chest)
    random = np.random.default_rng(0)
    drawn = [draw_text(chest, random) for _ in range(40)]
    assert {text.whole for text in drawn} == {True, False}
    assert all(t.holds_for(names_of(chest), claims_of(chest)) for t in drawn if not t.whole)


def test_with_only_own_matches_the_loss_is_the_published_one() -> None:
    torch.manual_seed(0)
    image, text = torch.nn.functional.normalize(torch.randn(2, 5, 8), dim=-1)
    t, b = torch.tensor(2.0), torch.tensor(-5.0)
    ours = pairwise_loss(image, text, t, b, torch.eye(5))
    assert torch.allclose(ours, sigmoid_loss(image, text, t, b))


def test_only_the_answer_and_the_end_are_learnt(words: Tokenizer) -> None:
    examples = [
        Example("Is there ascites?", "no"),
        Example("Where is the mass?", "right lower lobe"),
    ]
    ids, labels, mask = collate(words, examples, eos=1, pad=0)
    for row, example in enumerate(examples):
        learnt = labels[row][labels[row] != IGNORED_LABEL].tolist()
        assert words.decode(learnt[:-1]) == example.answer
        assert learnt[-1] == 1
        shown = ids[row][mask[row] == 1].tolist()
        assert words.decode(shown[:-1]) == example.prompt + example.answer


def test_answers_follow_from_the_truth() -> None:
    case, random = sample_case(1), np.random.default_rng(0)
    for _ in range(20):
        for example in draw_questions(case, random, 2):
            if "Where is the mass" in example.prompt:
                assert example.answer.endswith("right lower lobe")
            if "hoices:" in example.prompt:
                assert example.answer in example.prompt
