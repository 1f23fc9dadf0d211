"""A run's contrastive half beside the language model of a finished model."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from model_runtime.config import demo_config
from model_runtime.siglip import Siglip
from model_runtime.training.checkpointing import save_checkpoint
from model_runtime.training.export import export
from model_runtime.training.tokenizer import train_tokenizer
from model_runtime.weights import load_folder

_BUNDLED = Path("resources/models/demo")


def _run(folder: Path, vocabulary: int) -> Siglip:
    """Lay out what stage one of a run leaves behind."""
    torch.manual_seed(3)
    siglip = Siglip(demo_config(vocabulary).siglip)
    (folder / "contrastive").mkdir(parents=True)
    weights = {f"siglip.{name}": tensor for name, tensor in siglip.state_dict().items()}
    state = {"module": weights, "optimizer": {}, "step": 1}
    save_checkpoint(folder / "contrastive" / "checkpoint.pt", state)
    return siglip


def test_the_language_model_of_a_base_stays_as_it_was(tmp_path: Path) -> None:
    base = load_folder(_BUNDLED)
    siglip = _run(tmp_path / "run", base.tokenizer.get_vocab_size())
    base.tokenizer.save(str(tmp_path / "run" / "tokenizer.json"))
    export(tmp_path / "run", tmp_path / "out", "# card", base=_BUNDLED)
    written = load_folder(tmp_path / "out")
    for name, tensor in base.vlm.state_dict().items():
        torch.testing.assert_close(written.vlm.state_dict()[name], tensor)
    proj = written.siglip.mm_vision_proj.weight
    torch.testing.assert_close(proj, siglip.mm_vision_proj.weight, atol=1e-3, rtol=1e-3)


def test_a_base_with_other_words_is_refused(tmp_path: Path) -> None:
    words = train_tokenizer(range(20), 600)
    _run(tmp_path / "run", words.get_vocab_size())
    words.save(str(tmp_path / "run" / "tokenizer.json"))
    with pytest.raises(ValueError, match="another tokenizer"):
        export(tmp_path / "run", tmp_path / "out", "# card", base=_BUNDLED)
