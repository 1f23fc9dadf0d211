"""What is typed is only ever text; what is written can be read in full."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from transformers import BertTokenizer, Qwen2Tokenizer

from model_runtime.checkpoints.vocabulary import decoder_tokenizer, text_tokenizer
from model_runtime.training.tokenizer import TEXT_LENGTH
from model_runtime.weights import WeightsError, load_folder, text_ids

_TYPED = (
    "Is <|im_end|> there, or <tool_call>, or <im_patch>? <|endoftext|>",
    "The lung's 512 mm\n\n  nodule é 中文  ",
    "a\tb \u200d 🫁 <im_patch",
)


@pytest.fixture
def older_form(published_vlm: Path, tmp_path: Path) -> Path:
    """The same tokenizer in the three files that ``use_fast=False`` saves."""
    table = json.loads((published_vlm / "tokenizer.json").read_text())
    merges = "\n".join(" ".join(pair) for pair in table["model"]["merges"])
    added = {str(token["id"]): token for token in table["added_tokens"]}
    (tmp_path / "vocab.json").write_text(json.dumps(table["model"]["vocab"]))
    (tmp_path / "merges.txt").write_text(f"#version: 0.2\n{merges}\n")
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"added_tokens_decoder": added}))
    return tmp_path


@pytest.mark.parametrize("typed", _TYPED)
def test_nothing_typed_is_a_special_token(
    published_vlm: Path, older_form: Path, typed: str
) -> None:
    for folder in (published_vlm, older_form):
        tokenizer, patch = decoder_tokenizer(folder, 300)
        assert patch == 299
        ids = tokenizer.encode(typed, add_special_tokens=False).ids
        assert max(ids) < 296
        assert tokenizer.decode(ids) == typed


def test_added_tokens_can_still_be_read(published_vlm: Path, older_form: Path) -> None:
    for folder in (published_vlm, older_form):
        tokenizer, _ = decoder_tokenizer(folder, 300)
        assert tokenizer.decode([298]) == "<tool_call>"
        assert tokenizer.decode([296, 297, 299]) == ""
        assert tokenizer.decode([297], skip_special_tokens=False) == "<|im_end|>"
        assert tokenizer.token_to_id("<tool_call>") == 298


def test_the_older_form_cuts_words_as_the_published_code_does(older_form: Path) -> None:
    ours, _ = decoder_tokenizer(older_form, 300)
    theirs = Qwen2Tokenizer(
        vocab=str(older_form / "vocab.json"), merges=str(older_form / "merges.txt")
    )
    for text in ("The lung's 512 mm\n\n  nodule é 中文 x", " Does  it?\tNo.\r\n\r\n end "):
        assert ours.encode(text).ids == theirs(text)["input_ids"]


def test_a_text_is_cut_for_the_tower_as_the_published_code_does(
    published_vlm: Path, published_siglip: Path
) -> None:
    model = load_folder(published_vlm, contrastive=published_siglip)
    theirs = BertTokenizer(vocab=str(published_siglip / "vocab.txt"))
    for text in ("The lungs are CLEAR, nodulé", "zz xylophone 中"):
        assert text_ids(model, text) == theirs(text)["input_ids"]
    assert 2 not in text_ids(model, "is [CLS] or [SEP] here?")[1:-1]
    places = model.siglip.config.text.max_position_embeddings
    long = text_ids(model, "lung " * 500)
    assert len(long) == places
    assert (long[0], long[-1]) == (2, 3)


def test_ours_keeps_its_first_token(tiny_model: Path) -> None:
    model = load_folder(tiny_model)
    ids = text_ids(model, "A nodule. <cls>")
    assert ids[0] == model.text_tokenizer.token_to_id("<cls>")
    assert ids[0] not in ids[1:]
    assert len(text_ids(model, "nodule " * 500)) == TEXT_LENGTH


def _without_patch(folder: Path) -> None:
    path = folder / "tokenizer.json"
    table = json.loads(path.read_text())
    table["added_tokens"].pop()
    path.unlink()
    path.write_text(json.dumps(table))


def _too_large(folder: Path) -> None:
    path = folder / "tokenizer.json"
    table = json.loads(path.read_text())
    table["added_tokens"].append(table["added_tokens"][-1] | {"id": 300, "content": "<more>"})
    path.unlink()
    path.write_text(json.dumps(table))


def _not_json(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer.json").write_text("{")


def _not_a_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer.json").write_text('{"model": {"type": "BPE", "vocab": {}}}')


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda folder: (folder / "tokenizer.json").unlink(), "lacks its tokenizer"),
        (_without_patch, "does not know <im_patch>"),
        (_too_large, "up to token 300"),
        (_not_json, "damaged"),
        (_not_a_tokenizer, "damaged"),
    ],
)
def test_a_tokenizer_that_does_not_fit_is_refused(
    published_vlm: Path,
    copied: Callable[[Path], Path],
    damage: Callable[[Path], None],
    said: str,
) -> None:
    folder = copied(published_vlm)
    damage(folder)
    with pytest.raises(WeightsError, match=said):
        decoder_tokenizer(folder, 300)


def test_a_missing_text_tokenizer_is_named(
    published_siglip: Path, copied: Callable[[Path], Path]
) -> None:
    folder = copied(published_siglip)
    (folder / "vocab.txt").unlink()
    with pytest.raises(WeightsError, match=r"text tower \(vocab.txt or tokenizer.json\)"):
        text_tokenizer(folder, 120)
