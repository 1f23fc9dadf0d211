"""A handful of rendered cases on a tiny grid, and a model small enough to train on them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer

from model_runtime.config import (
    EncoderConfig,
    InputConfig,
    LanguageConfig,
    ProjectorConfig,
    PromptConfig,
    SiglipConfig,
    TextConfig,
    VlmConfig,
)
from model_runtime.training.tokenizer import train_tokenizer
from model_runtime.training.volumes import VolumeStore, render_shards

TINY = EncoderConfig((1, 1, 1, 1, 1), (4, 4, 8, 8, 16))


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Threads waiting for one another cost far more than networks this small do."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def words() -> Tokenizer:
    return train_tokenizer(range(60), 500)


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> VolumeStore:
    folder = tmp_path_factory.mktemp("volumes")
    render_shards(folder, 0, 12, InputConfig(shape=(32, 32, 32)), processes=1)
    return VolumeStore.open(folder)


@pytest.fixture(scope="session")
def siglip_config(words: Tokenizer) -> SiglipConfig:
    text = TextConfig(words.get_vocab_size(), dim=16, hidden_dim=32, n_layers=1, n_heads=2)
    return SiglipConfig(TINY, text, width=16)


@pytest.fixture(scope="session")
def vlm_config(words: Tokenizer) -> VlmConfig:
    return VlmConfig(
        TINY,
        ProjectorConfig((1, 8), (1, 16), (4, 4), (4, 4)),
        LanguageConfig(
            vocab_size=words.get_vocab_size(),
            hidden_size=32,
            intermediate_size=64,
            layers=2,
            heads=2,
            kv_heads=1,
            max_positions=512,
        ),
        PromptConfig(patch_token=2, eos_token=1, pad_token=0, drops_first_text_token=False),
    )


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return tmp_path / "run"
