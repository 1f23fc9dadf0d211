"""A tiny model folder with random weights, and a synthetic scan."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from model_runtime.api import VolumeInput
from model_runtime.config import ModelConfig, demo_config
from model_runtime.phantom.case import sample_case
from model_runtime.phantom.render import render
from model_runtime.siglip import Siglip
from model_runtime.training.tokenizer import train_tokenizer
from model_runtime.vlm import Vlm
from model_runtime.weights import save_folder


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a model folder in the demonstration layout; the weights are noise."""
    torch.manual_seed(0)
    tokenizer = train_tokenizer(range(40), 500)
    config = demo_config(tokenizer.get_vocab_size())
    language = replace(config.vlm.language, layers=2)
    config = ModelConfig(
        "tiny", True, config.input, config.siglip, replace(config.vlm, language=language)
    )
    folder = tmp_path_factory.mktemp("models") / "tiny"
    save_folder(folder, config, tokenizer, Siglip(config.siglip), Vlm(config.vlm), "a test's card")
    return folder


@pytest.fixture(scope="session")
def chest() -> VolumeInput:
    """A synthetic chest with a mass in the left upper lobe."""
    voxels, matrix = render(sample_case(1), (60, 100, 100))
    return VolumeInput("chest-1", voxels, matrix, "CT", description="Chest")


@pytest.fixture
def golden(repository: Path) -> Path:
    """Folder of the golden numbers."""
    return repository / "tests" / "model_runtime" / "golden"


@pytest.fixture
def random() -> np.random.Generator:
    """Seeded randomness."""
    return np.random.default_rng(0)
