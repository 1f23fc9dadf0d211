"""The stages on folders in M3D's layout: the words are those of the files, and are learnt."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from model_runtime.config import InputConfig, ModelConfig, PromptConfig, SiglipConfig, VlmConfig
from model_runtime.phantom.dataset import DataSet, write_dataset
from model_runtime.siglip import Siglip
from model_runtime.training.__main__ import main
from model_runtime.training.adapted import AdaptedStage
from model_runtime.training.contrastive import Objective
from model_runtime.training.loop import Recipe, train
from model_runtime.training.lora import LoraSettings
from model_runtime.training.m3d_data import M3dStore
from model_runtime.training.m3d_stage import M3dContrastiveStage, corpus, draw_lesson
from model_runtime.vlm import Vlm
from model_runtime.weights import load_folder, save_folder

GRID = InputConfig(shape=(32, 32, 32))
PROMPT = PromptConfig(patch_token=2, eos_token=1, pad_token=0, drops_first_text_token=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("m3d")
    list(write_dataset(DataSet(folder, "train", 4, ("m3d",), GRID.shape)))
    return folder


@pytest.fixture(scope="module")
def data(folder: Path) -> M3dStore:
    return M3dStore.open(folder, GRID)


def _random() -> np.random.Generator:
    return np.random.default_rng(3)


def _learnt(words: Tokenizer, ids: torch.Tensor, labels: torch.Tensor) -> list[str]:
    """Read what is to be answered, row by row."""
    return [
        words.decode(row[target >= 0].tolist()) for row, target in zip(ids, labels, strict=True)
    ]


def test_a_lesson_says_what_the_files_say(words: Tokenizer, data: M3dStore) -> None:
    lesson = draw_lesson(words, PROMPT, data, [2, 0], _random())
    told = _learnt(words, *lesson.told[:2])
    assert [text.split() for text in told] == [text.split() for text in data.reports([2, 0])]
    answers = _learnt(words, *lesson.asked[:2])
    assert lesson.owners.tolist() == [0, 0, 1, 1]
    for owner, answer in zip(lesson.owners.tolist(), answers, strict=True):
        known = {asked.answer for asked in data.questions([[2, 0][owner]])[0]}
        assert any(answer.strip().endswith(one) for one in known)


def test_a_batch_without_questions_still_teaches_reports(
    words: Tokenizer, data: M3dStore, vlm_config: VlmConfig
) -> None:
    mute = M3dStore(data.grid, data.names, data.volumes, data.texts, ((),) * len(data))
    lesson = draw_lesson(words, PROMPT, mute, [0, 1], _random())
    torch.manual_seed(0)
    image = torch.zeros(2, 8, vlm_config.language.hidden_size)
    losses = lesson.losses(Vlm(vlm_config), image)
    assert losses.keys() == {"loss", "report"}
    assert torch.isfinite(losses["loss"])


@pytest.mark.parametrize("loss", ["sigmoid", "matched", "softmax"])
def test_volumes_and_reports_are_learnt_together(
    siglip_config: SiglipConfig, words: Tokenizer, data: M3dStore, run: Path, loss: str
) -> None:
    torch.manual_seed(0)
    stage = M3dContrastiveStage(siglip_config, words, data, objective=Objective(loss))
    losses = train(stage, Recipe(12, batch=4, learning_rate=1e-2, warmup=1), run)
    assert losses[-1] < losses[0]
    assert {name.split(".")[0] for name in stage.module.state_dict()} == {"siglip"}


def test_adapters_learn_from_the_files(
    siglip_config: SiglipConfig,
    vlm_config: VlmConfig,
    words: Tokenizer,
    data: M3dStore,
    tmp_path: Path,
) -> None:
    torch.manual_seed(0)
    config = ModelConfig("base", True, GRID, siglip_config, vlm_config)
    save_folder(tmp_path / "base", config, words, Siglip(siglip_config), Vlm(vlm_config), "a card")
    stage = AdaptedStage(load_folder(tmp_path / "base"), LoraSettings(rank=2), data)
    losses = train(stage, Recipe(8, batch=4, learning_rate=1e-2, warmup=1), tmp_path / "run")
    assert losses[-1] < losses[0]


def test_the_vocabulary_is_learnt_from_all_words(data: M3dStore) -> None:
    texts = list(corpus(data))
    assert set(data.texts) <= set(texts)
    assert len(texts) == len(data) + sum(map(len, data.asked))


def test_the_command_takes_the_folder_or_says_why_not(
    folder: Path,
    run: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def typed(data: Path, command: str) -> str:
        line = ["training", "--threads", "1", "--run", run, "--m3d", data, command]
        monkeypatch.setattr(sys, "argv", [str(word) for word in line])
        with pytest.raises(SystemExit):
            main()
        return capsys.readouterr().err

    assert "M3D_Cap.json is neither in" in typed(run, "tokenizer")
    assert "train the projector and then instruct on a finished model" in typed(folder, "features")
