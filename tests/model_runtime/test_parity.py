"""The networks compute what the published implementation computed."""

import json
from pathlib import Path

import pytest
import torch

from model_runtime import parity
from model_runtime.config import ENCODERS, LanguageConfig, ProjectorConfig, PromptConfig, VlmConfig
from model_runtime.dcformer import DCFormer
from model_runtime.vlm import Vlm

GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize("name", ["encoder_small", "siglip", "vlm"])
def test_golden_numbers_agree(name):
    differences = dict(parity.check(GOLDEN / f"{name}.json"))
    assert len(differences) >= 5
    assert max(differences.values()) <= 1e-3, differences


def test_every_published_key_and_shape():
    golden = json.loads((GOLDEN / "published_7b_keys.json").read_text())
    config = VlmConfig(ENCODERS["small"], ProjectorConfig(), LanguageConfig(), PromptConfig())
    with torch.device("meta"):
        network = Vlm(config)
    own = {name: list(tensor.shape) for name, tensor in network.state_dict().items()}
    assert len(own) == 813
    assert own == golden
    weights = sum(parameter.numel() for parameter in network.parameters())
    assert round(weights / 1e9, 2) == 7.68


@pytest.mark.parametrize("preset", list(ENCODERS))
def test_each_preset_quarters_then_halves(preset):
    config = ENCODERS[preset]
    with torch.device("meta"):
        states = DCFormer(config).eval()(torch.empty(1, 1, 32, 64, 64))
    assert [state.shape[2] for state in states] == list(config.channels)
    assert [state.shape[1] for state in states] == [8 * 16 * 16, 4 * 8 * 8, 2 * 4 * 4, 4, 1]


def test_the_command_tells_each_quantity_and_fails_over_tolerance(tmp_path, capsys):
    golden = json.loads((GOLDEN / "siglip.json").read_text())
    golden["similarity"][0][0] += 0.01
    changed = tmp_path / "changed.json"
    changed.write_text(json.dumps(golden))
    assert parity.main([str(changed)]) == 1
    assert "changed.json: similarity: 1.00e-02" in capsys.readouterr().out


def test_a_value_that_is_no_number_is_over_tolerance(monkeypatch):
    monkeypatch.setattr(parity, "sigmoid_loss", lambda *_: torch.tensor(float("nan")))
    assert parity.main([str(GOLDEN / "siglip.json")]) == 1


@pytest.mark.parametrize("text", ["", "[]", '{"kind": "planet"}', '{"kind": "encoder"}'])
def test_an_unknown_file_is_named(tmp_path, capsys, text):
    path = tmp_path / "odd.json"
    path.write_text(text)
    assert parity.main([str(path)]) == 2
    assert "odd.json" in capsys.readouterr().err


def test_keys_may_be_left_out(tmp_path):
    golden = json.loads((GOLDEN / "siglip.json").read_text())
    del golden["keys"]
    path = tmp_path / "short.json"
    path.write_text(json.dumps(golden))
    assert parity.main([str(path)]) == 0
