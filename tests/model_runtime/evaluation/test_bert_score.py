"""BERTScore on a small RoBERTa of noise, against the formula written out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import ByteLevelBPETokenizer
from transformers import RobertaConfig, RobertaModel, RobertaTokenizer

from model_runtime.evaluation.bert_score import LAYER, BertMissingError, BertScore
from model_runtime.evaluation.text_metrics import Metrics

_TEXTS = ["There is a nodule.", "No nodule is seen.", "Mild emphysema is seen in the lungs."]
_SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]


def _roberta(folder: Path, layers: int) -> Path:
    torch.manual_seed(0)
    bpe = ByteLevelBPETokenizer()
    bpe.train_from_iterator(_TEXTS, vocab_size=300, special_tokens=_SPECIAL, show_progress=False)
    folder.mkdir()
    bpe.save_model(str(folder))
    RobertaTokenizer.from_pretrained(folder).save_pretrained(folder)
    config = RobertaConfig(
        vocab_size=bpe.get_vocab_size(), hidden_size=16, num_hidden_layers=layers,
        num_attention_heads=2, intermediate_size=32, max_position_embeddings=520, pad_token_id=1,
        initializer_range=0.1,
    )  # fmt: skip
    RobertaModel(config, add_pooling_layer=False).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _roberta(tmp_path_factory.mktemp("bert") / "small", LAYER + 1)


def test_the_score_is_the_formula_on_layer_17(folder: Path) -> None:
    told, asked = _TEXTS[:2]
    tokenizer = RobertaTokenizer.from_pretrained(folder, add_prefix_space=True)
    model = RobertaModel.from_pretrained(folder, add_pooling_layer=False).eval()
    hidden = []
    for text in (told, asked):
        with torch.no_grad():
            states = model(**tokenizer(text, return_tensors="pt"), output_hidden_states=True)
        hidden.append([layer[0].numpy() for layer in states.hidden_states])
    found = BertScore(folder).f1([told], [asked])
    expected = [_formula(hidden[0][layer], hidden[1][layer]) for layer in (LAYER, LAYER + 1)]
    assert found == pytest.approx(expected[:1], abs=1e-5)
    assert abs(expected[0] - expected[1]) > 1e-4


def _formula(told: np.ndarray, asked: np.ndarray) -> float:
    similar = [[a @ b / np.linalg.norm(a) / np.linalg.norm(b) for b in asked] for a in told]
    precision = np.max(similar, axis=1)[1:-1].mean()
    recall = np.max(similar, axis=0)[1:-1].mean()
    return float(2 * precision * recall / (precision + recall))


def test_the_same_text_scores_one_and_an_empty_one_nothing(folder: Path) -> None:
    scores = BertScore.local(folder).f1([*_TEXTS, "", " a"], [*_TEXTS, "a", "a "])
    assert scores == pytest.approx([1, 1, 1, 0, 1], abs=1e-6)


def test_it_stands_beside_the_others_in_percent(folder: Path) -> None:
    scores = Metrics(bert=BertScore(folder)).score(_TEXTS[:2], _TEXTS[1:])
    assert list(scores) == ["BLEU-1", "ROUGE-1", "METEOR", "BERTScore"]
    assert 0 < scores["BERTScore"].min() <= scores["BERTScore"].max() < 100


def test_what_is_not_here_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "none"))
    with pytest.raises(BertMissingError, match="not in the local cache"):
        BertScore.local()
    with pytest.raises(BertMissingError, match="holds no model"):
        BertScore(tmp_path)
    with pytest.raises(BertMissingError, match="has 3 layers, not 17"):
        BertScore(_roberta(tmp_path / "low", 3))
